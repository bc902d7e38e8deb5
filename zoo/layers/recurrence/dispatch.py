"""Runs a recurrent layer by the fastest implementation of the backend.

Keras' own layers are the default. For a plain SimpleRNN, LSTM or GRU there are faster
implementations with the same weights, values and gradients: torch's fused kernels, which Keras
does not use on a CPU; cuDNN for an LSTM on JAX with a GPU; on TensorFlow a hand-written gradient,
which computes the gradients of the input and recurrent kernels in one multiplication each instead
of one at every step; and on every backend lengths in place of masks, because a mask disables Keras'
fast paths.
"""

import keras
from keras import ops

from zoo.layers.recurrence.cudnn import cudnn_applies, cudnn_recurrence
from zoo.layers.recurrence.portable import portable_recurrence, portable_simple_rnn
from zoo.layers.recurrence.tensorflow import tensorflow_recurrence
from zoo.layers.recurrence.torch import torch_cell, torch_recurrence
from zoo.layers.tensors import device, last_valid

# The classes that the fast implementations compute. A derived class may compute anything.
PLAIN = {
    keras.layers.SimpleRNN: keras.layers.SimpleRNNCell,
    keras.layers.LSTM: keras.layers.LSTMCell,
    keras.layers.GRU: keras.layers.GRUCell,
}


def run_recurrent(
    layer,
    inputs,
    mask=None,
    initial_state=None,
    return_state=False,
    training=None,
    recurrent_kernel=None,
):
    """Runs a Keras recurrent layer over right-padded sequences.

    Args:
        layer: `keras.layers.RNN`, built, with `return_sequences=True` and `return_state=True`.
            The layer itself is called unless it is a `SimpleRNN`, `LSTM` or `GRU` (no class
            derived from one) with the default activations, a bias and no dropout in training.
        inputs: Float tensor `[batch, time, features]`.
        mask: Boolean tensor `[batch, time]`, true on the first `length` steps of each row and
            false after. Not checked. Defaults to all true.
        initial_state: List of float tensors `[batch, units]`: h, and c for an LSTM. Defaults to
            zeros.
        return_state: bool. Whether to return the last states.
        training: bool or `None`.
        recurrent_kernel: Used in place of the layer's own, such as one with dropped weights. For
            layers that the fast implementations compute. Defaults to `None`.

    Returns:
        A pair: the hidden states `[batch, time, units]`, meaningless where the mask is false,
        and, with `return_state`, the list of the states at the last valid step of each row,
        which for a row without any is its initial state; else `None`.
    """
    if initial_state is not None:
        initial_state = [ops.cast(state, inputs.dtype) for state in initial_state]
    if not _is_plain(layer, training) or device(inputs) == "meta":
        hidden, *states = layer(
            inputs, mask=mask, initial_state=initial_state, training=bool(training)
        )
        return hidden, states if return_state else None
    # The hidden state at the last valid step is among the outputs. The cell state of an LSTM is
    # not, so it has to keep its value through the padding.
    is_lstm = isinstance(layer, keras.layers.LSTM)
    is_gated = is_lstm or isinstance(layer, keras.layers.GRU)
    padding_hold = None
    if mask is not None and return_state and is_lstm:
        padding_hold = 1 - ops.cast(mask, inputs.dtype)[:, :, None]  # [batch, time, 1]
    backend = keras.config.backend()
    arguments = layer, inputs, padding_hold, initial_state, recurrent_kernel
    needs_own = padding_hold is not None or recurrent_kernel is not None
    if backend == "torch":
        hidden, states = torch_recurrence(*arguments)
    elif backend == "tensorflow" and is_gated and not _has_gpu():
        hidden, states = tensorflow_recurrence(*arguments)
    elif cudnn_applies(layer, inputs):
        hidden, states = cudnn_recurrence(*arguments)
    elif is_gated and (needs_own or (backend == "jax" and not _has_gpu())):
        hidden, states = portable_recurrence(*arguments)
    elif needs_own:
        hidden, states = portable_simple_rnn(layer, inputs, initial_state, recurrent_kernel)
    else:
        hidden, *states = layer(inputs, initial_state=initial_state)
    if not return_state:
        return hidden, None
    if mask is not None:
        initial = ops.zeros_like(states[0]) if initial_state is None else initial_state[0]
        states = [last_valid(hidden, mask, initial), *states[1:]]
    return hidden, states


def cell_of(layer, dtype, training=None):
    """The cell of a recurrent layer for the steps of one loop.

    Args:
        layer: As in `run_recurrent`, built.
        dtype: Of the inputs and states.
        training: bool or `None`.

    Returns:
        Function of inputs `[batch, features]` and the list of the states `[batch, units]`, which
        returns the hidden state `[batch, units]` and the list of the next states.
    """
    if keras.config.backend() == "torch" and _is_plain(layer, training):
        return torch_cell(layer, dtype)
    return layer.cell


def _is_plain(layer, training):
    """True if the fast implementations compute exactly this layer."""
    cell = layer.cell
    return (
        type(cell) is PLAIN.get(type(layer))
        and cell.activation is keras.activations.tanh
        and getattr(cell, "recurrent_activation", None) in (None, keras.activations.sigmoid)
        and cell.use_bias
        and getattr(cell, "reset_after", True)
        and not (layer.go_backwards or layer.stateful or layer.unroll)
        and not (training and (cell.dropout or cell.recurrent_dropout))
    )


def _has_gpu():
    """True if there is a GPU, on which Keras' own layers use cuDNN or are faster."""
    if keras.config.backend() == "tensorflow":
        import tensorflow as tf

        return bool(tf.config.list_logical_devices("GPU"))
    import jax

    return jax.default_backend() != "cpu"
