"""Weights of a Keras recurrent layer in the form that the recurrence functions take."""

import numpy as np
from keras import ops

# Added to the logit of a gate, it gives a sigmoid of exactly zero or one without a gradient. It is
# finite in half precision.
SATURATED = 1e4


def layer_weights(layer, dtype):
    """The kernel, the recurrent kernel and the bias of a layer in a dtype."""
    cell = layer.cell
    return [ops.cast(weight, dtype) for weight in (cell.kernel, cell.recurrent_kernel, cell.bias)]


def hold_gates(units):
    """Gate logits, `[4 * units]`, with which an LSTM holds its cell state: i closed, f open."""
    return np.repeat([-SATURATED, SATURATED, 0, 0], units).astype("float32")
