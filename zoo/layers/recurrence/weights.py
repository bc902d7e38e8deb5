"""Weights of a Keras recurrent layer in the form that the recurrence functions take."""

import numpy as np
from keras import ops

# Added to the logit of a gate, it gives a sigmoid of exactly zero or one without a gradient. It is
# finite in half precision.
SATURATED = 1e4


def layer_weights(layer, dtype, recurrent_kernel=None):
    """The kernel, the recurrent kernel (the given one, or the layer's own) and the bias of a layer.

    All in one dtype.
    """
    cell = layer.cell
    if recurrent_kernel is None:
        recurrent_kernel = cell.recurrent_kernel
    return [ops.cast(weight, dtype) for weight in (cell.kernel, recurrent_kernel, cell.bias)]


def hold_gates(units):
    """Gate logits, `[4 * units]`, with which an LSTM holds its cell state: i closed, f open."""
    return np.repeat([-SATURATED, SATURATED, 0, 0], units).astype("float32")


def with_padding_hold(layer, inputs, kernel, padding_hold):
    """Inputs and kernel of an LSTM that holds its cell state where `padding_hold` is one.

    It becomes one more input feature, whose weights set the gates.
    """
    if padding_hold is None:
        return inputs, kernel
    gates = ops.cast(hold_gates(layer.units), inputs.dtype)
    return (
        ops.concatenate([inputs, padding_hold], axis=-1),
        ops.concatenate([kernel, gates[None, :]], axis=0),
    )
