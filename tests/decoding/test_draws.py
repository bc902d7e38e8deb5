"""Tokens drawn by given random numbers."""

import numpy as np
import pytest
from keras import ops

from zoo.decoding import Draws

PROBABILITIES = np.array([0.1, 0.4, 0.2, 0.3], "float32")
LOGITS = np.log(PROBABILITIES)[None]


def choose(number, **options):
    options = {name: ops.convert_to_tensor(value) for name, value in options.items()}
    draws = Draws(ops.convert_to_tensor([[0.0, number]], "float32"), **options)
    logits = ops.convert_to_tensor(LOGITS)
    logit, token = draws.choose(logits, logits, 1)
    token = int(ops.convert_to_numpy(token)[0])
    assert ops.convert_to_numpy(logit)[0] == pytest.approx(LOGITS[0, token], abs=1e-6)
    return token


def shares(**options):
    count = 20
    tokens = [choose((i + 0.5) / count, **options) for i in range(count)]
    return np.bincount(tokens, minlength=4) / count


def test_each_token_has_its_share_of_the_numbers():
    np.testing.assert_allclose(shares(), PROBABILITIES, atol=1e-6)
    squares = PROBABILITIES**2 / (PROBABILITIES**2).sum()
    np.testing.assert_allclose(shares(temperature=np.float32(0.5)), squares, atol=0.05)
    for low in (1e-4, 1e-38, 1e-45):  # the last is 0 where such small numbers are
        assert shares(temperature=np.float32(low))[1] == 1


@pytest.mark.once
def test_top_k_and_top_p():
    two = np.array([0, 4, 0, 3]) / 7  # the two most probable
    np.testing.assert_allclose(shares(top_k=2), two, atol=0.05)
    np.testing.assert_allclose(shares(top_p=np.float32(0.69)), two, atol=0.05)
    three = np.array([0, 4, 2, 3]) / 9
    np.testing.assert_allclose(shares(top_p=np.float32(0.71)), three, atol=0.05)
    # Of the two most probable one alone has half of their probability.
    assert shares(top_k=2, top_p=np.float32(0.5))[1] == 1
    assert choose(0.999, top_k=1) == 1 and choose(0.0, top_p=np.float32(1e-6)) == 1


@pytest.mark.once
def test_the_sorted_tokens_are_those_of_the_vocabulary():
    draws = Draws(ops.convert_to_tensor([[0.99]], "float32"), top_k=3, width=64)
    logits = ops.convert_to_tensor(LOGITS)
    assert int(ops.convert_to_numpy(draws.choose(logits, logits, 0)[1])[0]) == 2
    blocked = ops.convert_to_tensor(np.where(PROBABILITIES == 0.4, -1e9, LOGITS).astype("float32"))
    for number in (0.0, 0.3, 0.999):
        draws = Draws(ops.convert_to_tensor([[number]], "float32"))
        assert int(ops.convert_to_numpy(draws.choose(logits, blocked, 0)[1])[0]) != 1
