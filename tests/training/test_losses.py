"""Losses of tokens: values and gradients."""

import keras
import numpy as np
import pytest

from zoo.training.losses import TokenCrossentropy

ROWS, VOCABULARY = 6, 5


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_gradient_of_the_cross_entropy_of_tokens(smoothing):
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(ROWS, VOCABULARY)).astype("float32")
    truth = rng.integers(0, VOCABULARY, ROWS)
    weights = np.array([1, 1, 0, 2, 1, 0], "float32")
    # Each row of the kernel is the logits of one token, so the change by SGD is the gradient.
    model = keras.Sequential(
        [keras.Input((3, ROWS)), keras.layers.Dense(VOCABULARY, use_bias=False)]
    )
    model.set_weights([logits])
    model.compile(keras.optimizers.SGD(1.0), TokenCrossentropy(smoothing), weighted_metrics=[])
    inputs = np.eye(ROWS, dtype="float32").reshape(2, 3, ROWS)
    model.train_on_batch(inputs, truth.reshape(2, 3), weights.reshape(2, 3))
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)
    target = np.eye(VOCABULARY)[truth] * (1 - smoothing) + smoothing / VOCABULARY
    expected = (probabilities - target) * (weights / weights.sum())[:, None]
    np.testing.assert_allclose(logits - model.get_weights()[0], expected, atol=1e-6)


def test_gradient_in_place_cannot_be_taken_twice():
    """It has overwritten what it was computed of: torch raises, it does not return nonsense."""
    if keras.config.backend() != "torch":
        pytest.skip("only on torch is the gradient computed in place")
    import torch

    logits = torch.zeros(2, 3, requires_grad=True)
    loss = TokenCrossentropy().call(torch.tensor([[0], [1]]), logits[:, None]).sum()
    loss.backward(retain_graph=True)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()
