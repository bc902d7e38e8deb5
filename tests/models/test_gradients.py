"""Gradients: those of every backend agree with numerical differences."""

import keras
import numpy as np
from keras import ops

from tests.weights import assign_normal
from zoo.models.gradients import gradient_times_input, jacobian, log_odds


def test_jacobian_of_a_recurrent_layer_is_that_of_numerical_differences():
    layer = keras.layers.GRU(3)
    layer.build((None, 4, 2))
    assign_normal(layer.trainable_weights)
    point = np.random.default_rng(0).normal(size=(1, 4, 2)).astype("float32")

    def function(values):
        return layer(values)[0]

    found = jacobian(function, point)
    assert found.shape == (3, 1, 4, 2)
    step = 1e-2
    for place in np.ndindex(point.shape):
        moved = np.zeros_like(point)
        moved[place] = step
        above, below = (ops.convert_to_numpy(function(point + s * moved)) for s in (1, -1))
        np.testing.assert_allclose(found[(..., *place)], (above - below) / (2 * step), atol=2e-3)


def test_gradient_times_input_is_exact_for_a_linear_function():
    point = np.array([[[1.0, 2.0], [3.0, -1.0]]], "float32")
    weights = np.array([[[2.0, 0.5], [1.0, 4.0]]], "float32")
    found = gradient_times_input(lambda x: ops.sum(ops.multiply(x, weights))[None], point)
    np.testing.assert_allclose(found, [[[3.0, -1.0]]], rtol=1e-6)


def test_log_odds():
    logits = np.log(np.array([[0.2, 0.8], [0.5, 0.5]], "float32"))
    found = ops.convert_to_numpy(log_odds(ops.convert_to_tensor(logits), np.array([1, 0])))
    np.testing.assert_allclose(found, [np.log(4), 0], atol=1e-6)
