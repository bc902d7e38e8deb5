"""The pointer-generator against its formulas, written out in NumPy."""

import numpy as np
import pytest
from keras import ops

from tests.compiled import compiled
from tests.weights import assign_normal
from zoo.layers import PointerGenerator

RANDOM = np.random.default_rng(0)
IDS = np.array([[5, 6, 5, 3, 0], [7, 3, 0, 0, 0]])  # a repeated token, and padding
MASK = IDS > 0
STATES = RANDOM.normal(size=(2, 3, 4)).astype("float32")
MEMORY = RANDOM.normal(size=(2, 5, 6)).astype("float32")
LOGITS = RANDOM.normal(size=(2, 3, 9)).astype("float32")
WEIGHTS = RANDOM.random((2, 3, 5)).astype("float32") * MASK[:, None]
WEIGHTS /= WEIGHTS.sum(axis=-1, keepdims=True)


def softmax(scores):
    powers = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def arrays(tensors):
    return [ops.convert_to_numpy(tensor) for tensor in tensors]


def make(units=None):
    layer = PointerGenerator(units)
    layer.build(LOGITS.shape, STATES.shape, MEMORY.shape)
    assign_normal(layer.weights)
    return layer


def mixture(logits, weights, generated):
    """Equation 9, for each step of each row."""
    copied = np.zeros_like(logits)
    for row, step, place in np.ndindex(weights.shape):
        copied[row, step, IDS[row, place]] += weights[row, step, place]
    return generated[..., None] * softmax(logits) + (1 - generated[..., None]) * copied


def test_the_mixture_is_that_of_the_paper():
    layer = make()
    call = compiled(lambda logits: layer(logits, STATES, MEMORY, IDS, weights=WEIGHTS))
    mixed, weights, generated = arrays(call(LOGITS))
    kernel, bias = (ops.convert_to_numpy(weight) for weight in layer.switch.weights)
    inputs = np.concatenate([STATES, WEIGHTS @ MEMORY], axis=-1)
    np.testing.assert_allclose(generated, 1 / (1 + np.exp(-(inputs @ kernel + bias)))[..., 0], 1e-5)
    np.testing.assert_array_equal(weights, WEIGHTS)
    expected = mixture(LOGITS, WEIGHTS, generated)
    np.testing.assert_allclose(expected.sum(axis=-1), 1, atol=1e-6)
    np.testing.assert_allclose(softmax(mixed), expected, atol=1e-6)
    outside = [token for token in range(9) if token not in IDS]
    np.testing.assert_array_equal(mixed[..., outside], LOGITS[..., outside])


def test_its_own_attention_is_a_scaled_dot_product():
    layer = make(units=4)
    keys = layer.project_keys(MEMORY)
    mixed, weights, generated = arrays(
        layer(LOGITS, STATES, MEMORY, IDS, memory_mask=MASK, projected_keys=keys)
    )
    query, key = (
        ops.convert_to_numpy(dense.kernel) for dense in (layer.query_dense, layer.key_dense)
    )
    scores = np.einsum("btd,bsd->bts", STATES @ query, MEMORY @ key) / 2
    expected = softmax(np.where(MASK[:, None], scores, -1e9))
    np.testing.assert_allclose(weights, expected, atol=1e-5)
    np.testing.assert_allclose(softmax(mixed), mixture(LOGITS, weights, generated), atol=1e-5)


@pytest.mark.parametrize("bias", [-300.0, 300.0])
@pytest.mark.parametrize("dtype", ["float32", "mixed_float16"])
def test_a_switch_at_either_end_and_logits_far_apart_stay_finite(bias, dtype):
    layer = PointerGenerator(dtype=dtype)
    layer.build(LOGITS.shape, STATES.shape, MEMORY.shape)
    layer.switch.bias.assign([bias])
    weights = WEIGHTS.copy()
    weights[0, 0] = [0, 0, 0, 0, 0]  # a source that is masked as a whole
    weights[0, 1] = [0, 1, 0, 0, 0]
    mixed, _, generated = arrays(layer(500 * LOGITS, STATES, MEMORY, IDS, weights=weights))
    assert mixed.dtype == "float32" and np.isfinite(mixed).all()
    expected = softmax(500 * LOGITS)
    if bias < 0:
        expected = mixture(LOGITS, weights, generated)
        expected[0, 0] = softmax(mixed)[0, 0]  # nothing to copy
    np.testing.assert_allclose(softmax(mixed), expected, atol=1e-3)


@pytest.mark.parametrize("bias", [-300.0, 0.0, 300.0])
def test_gradients_are_finite_and_those_of_numerical_differences(bias):
    from zoo.models.gradients import jacobian

    layer = make()
    layer.switch.bias.assign([bias])
    weights = np.where(WEIGHTS < 0.2, 0, WEIGHTS).astype("float32")

    def losses(states):
        mixed, _, _ = layer(LOGITS, states, MEMORY, IDS, weights=weights)
        labels = ops.convert_to_tensor([[5, 8, 3], [7, 7, 3]])  # copied, and written
        normalizer = ops.logsumexp(mixed, axis=-1)
        chosen = ops.take_along_axis(mixed, labels[:, :, None], axis=-1)[:, :, 0]
        return ops.sum(normalizer - chosen, axis=1)

    slopes = jacobian(losses, STATES)
    assert np.isfinite(slopes).all()
    if not bias:
        step = 1e-2 * RANDOM.normal(size=STATES.shape).astype("float32")
        above, below = (ops.convert_to_numpy(losses(STATES + sign * step)) for sign in (1, -1))
        estimated = (slopes * step).sum(axis=(1, 2, 3))
        np.testing.assert_allclose((above - below) / 2, estimated, atol=1e-4)
        assert np.abs(estimated).max() > 1e-3


@pytest.mark.once
def test_invalid_arguments_raise():
    with pytest.raises(ValueError, match="`units` must be at least 1. Received: units=0"):
        PointerGenerator(0)
    with pytest.raises(ValueError, match="needs attention weights: give `weights`.*units=None"):
        make()(LOGITS, STATES, MEMORY, IDS)
