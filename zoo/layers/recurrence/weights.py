"""Weights of a Keras recurrent layer, as the recurrence functions take them."""

import numpy as np
from keras import ops

# Added to a gate before its sigmoid, this leaves exactly zero or one, and no gradient; it is a
# number in half precision too.
SATURATED = 1e4


def layer_weights(layer, dtype):
    """The kernel, recurrent kernel and bias of a recurrent layer, in a dtype."""
    cell = layer.cell
    return [ops.cast(weight, dtype) for weight in (cell.kernel, cell.recurrent_kernel, cell.bias)]


def hold_gates(units):
    """What keeps an LSTM's cell: its input gate (Keras' first) shut, its forget gate open."""
    return np.repeat([-SATURATED, SATURATED, 0, 0], units).astype("float32")
