import numpy as np
import pytest

from zoo.data.lanes import cut_into_lanes, join_texts

pytestmark = pytest.mark.once


def one_text(tokens):
    """The stream of one text of the numbers from 1."""
    return np.arange(1, tokens + 1), np.arange(tokens) == 0


def test_a_lane_goes_on_in_the_next_batch():
    lanes = cut_into_lanes(*one_text(12), start=0, lanes=2, length=3)
    assert lanes.targets.tolist() == [[[1, 2, 3], [7, 8, 9]], [[4, 5, 6], [10, 11, 12]]]
    assert lanes.inputs.tolist() == [[[0, 1, 2], [6, 7, 8]], [[3, 4, 5], [9, 10, 11]]]
    assert lanes.weights.all() and lanes.tokens.tolist() == [3, 3, 3, 3]
    assert lanes.is_start.tolist() == [[True, True], [False, False]]


def test_texts_begin_after_the_start_token():
    stream, begins = join_texts([[5, 6, 7], [], [8]], end=3)
    assert stream.tolist() == [5, 6, 7, 3, 3, 8, 3]
    assert begins.tolist() == [True, False, False, False, True, True, False]
    lanes = cut_into_lanes(stream, begins, start=2, lanes=1, length=2)
    assert lanes.inputs.tolist() == [[[2, 5]], [[6, 7]], [[2, 2]], [[8, 0]]]
    assert lanes.is_start.tolist() == [[True], [False], [True], [False]]


@pytest.mark.parametrize("tokens", [12, 13, 14, 17, 18, 19, 23, 24, 100])
@pytest.mark.parametrize("offset", [0, 5])
def test_each_token_is_a_target_once(tokens, offset):
    lanes = cut_into_lanes(*one_text(tokens), 0, lanes=4, length=3, offset=offset)
    kept = lanes.weights > 0
    assert sorted(lanes.targets[kept]) == list(range(1, tokens + 1))
    assert (lanes.inputs[kept] == lanes.targets[kept] - 1).all()
    assert lanes.inputs.shape == lanes.targets.shape == lanes.weights.shape
    assert lanes.inputs.shape[1:] == (4, 3) and lanes.tokens.sum() == tokens
    assert lanes.targets[0, 0, 0] == 1 + offset


def test_a_text_that_is_too_short():
    with pytest.raises(ValueError, match="2 lanes .* window of 8 tokens each, 16 tokens .* 15 tok"):
        cut_into_lanes(*one_text(15), 0, lanes=2, length=8)
