import numpy as np
import pytest
from keras import ops

from zoo.choices import POOLINGS
from zoo.layers import SequencePooling

MASK = np.array([[True, True, True], [True, True, False], [False, False, False]])


def states():
    values = np.random.default_rng(0).normal(size=(3, 3, 4)).astype("float32")
    return values * MASK[:, :, None]


def pool(pooling, **options):
    layer = SequencePooling(pooling, num_heads=2, **options)
    vector, weights = layer(states(), MASK)
    return ops.convert_to_numpy(vector), ops.convert_to_numpy(weights)


def test_last_takes_the_last_valid_state():
    vector, weights = pool("last")
    np.testing.assert_allclose(vector, [states()[0, 2], states()[1, 1], np.zeros(4)])
    np.testing.assert_array_equal(weights[:, 0], [[0, 0, 1], [0, 1, 0], [0, 0, 0]])


def test_last_takes_the_last_state_of_each_direction():
    vector, weights = pool("last", bidirectional=True)
    expected = [
        np.concatenate([states()[0, 2, :2], states()[0, 0, 2:]]),
        np.concatenate([states()[1, 1, :2], states()[1, 0, 2:]]),
        np.zeros(4),
    ]
    np.testing.assert_allclose(vector, expected)
    np.testing.assert_array_equal(weights[:, 0], [[0.5, 0, 0.5], [0.5, 0.5, 0], [0, 0, 0]])


@pytest.mark.parametrize("pooling", ["bahdanau", "luong_general", "mean"])
def test_a_folded_query_answers_the_same_from_one_row(pooling):
    layer = SequencePooling(pooling)
    before = [ops.convert_to_numpy(it) for it in layer(states(), MASK)]
    layer.fold_query()
    for old, new in zip(before, layer(states(), MASK), strict=True):
        np.testing.assert_allclose(old, ops.convert_to_numpy(new), atol=1e-6)
    if pooling == "bahdanau":
        assert not ops.convert_to_numpy(layer.attention.query_kernel)[1:].any()


def test_max_ignores_padding_and_weighs_steps_by_their_share_of_units():
    vector, weights = pool("max")
    np.testing.assert_allclose(vector[0], states()[0].max(0))
    np.testing.assert_allclose(vector[1], states()[1, :2].max(0))  # all may be negative
    winners = states()[0].argmax(0)
    np.testing.assert_allclose(weights[0, 0], [(winners == step).mean() for step in range(3)])


def test_mean_is_over_the_valid_steps():
    vector, weights = pool("mean")
    np.testing.assert_allclose(vector[1], states()[1, :2].mean(0), atol=1e-6)
    np.testing.assert_allclose(weights[:, 0], [[1 / 3] * 3, [0.5, 0.5, 0], [0, 0, 0]], atol=1e-6)


@pytest.mark.parametrize("bidirectional", [False, True])
def test_concat_is_last_max_and_mean(bidirectional):
    vector, weights = pool("concat", bidirectional=bidirectional)
    parts = [pool(name, bidirectional=bidirectional) for name in ("last", "max", "mean")]
    np.testing.assert_allclose(vector, np.concatenate([it[0] for it in parts], -1), atol=1e-6)
    np.testing.assert_allclose(weights, sum(it[1] for it in parts) / 3, atol=1e-6)


@pytest.mark.parametrize("pooling", ["bahdanau", "luong_general", "scaled_dot"])
def test_a_learned_query_gives_the_weighted_sum(pooling):
    vector, weights = pool(pooling)
    np.testing.assert_allclose(vector, np.einsum("bt,btu->bu", weights[:, 0], states()), atol=1e-5)


@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize("bidirectional", [False, True])
def test_weights_sum_to_one_over_the_valid_steps(pooling, bidirectional):
    vector, weights = pool(pooling, bidirectional=bidirectional)
    assert weights.shape == (3, 2 if pooling == "multi_head" else 1, 3)
    np.testing.assert_allclose(weights[:2].sum(-1), 1, atol=1e-5)
    assert np.all(weights[1, :, 2] == 0) and np.all(weights[2] == 0)
    assert np.all(np.isfinite(vector))


def test_wrong_arguments_are_errors():
    with pytest.raises(ValueError, match="must be one of .*bahdanau.*Received: pooling='bahdano'"):
        SequencePooling("bahdano")
    with pytest.raises(ValueError, match="divisible by num_heads.*units=4, num_heads=3"):
        SequencePooling("multi_head", num_heads=3)(states(), MASK)
