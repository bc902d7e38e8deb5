"""LSTM, GRU and SimpleRNN by torch's fused kernels."""

import keras
from keras import ops

from zoo.layers.recurrence.weights import layer_weights, with_padding_hold


def torch_recurrence(layer, inputs, padding_hold, initial_state, recurrent_kernel=None):
    """Runs a SimpleRNN, LSTM or GRU by `torch.nn.RNN`, `LSTM` or `GRU` in functional form.

    Args:
        layer: A Keras recurrent layer, whose weights are used.
        inputs: Float tensor `[batch, time, features]`.
        padding_hold: Float tensor `[batch, time, 1]`, one where an LSTM must hold its cell state
            and zero elsewhere, or `None`.
        initial_state: List of float tensors `[batch, units]`, or `None` for zeros.
        recurrent_kernel: Used in place of the layer's own. Defaults to `None`.

    Returns:
        The hidden states `[batch, time, units]`, and the list of the last states.
    """
    import torch

    kernel, recurrent_kernel, bias, recurrent_bias = _torch_weights(
        layer, inputs.dtype, recurrent_kernel
    )
    is_lstm = isinstance(layer, keras.layers.LSTM)
    if is_lstm:
        inputs, kernel = with_padding_hold(layer, inputs, kernel, padding_hold)
    kernels = [kernel.T, recurrent_kernel.T]
    if is_lstm:  # oneDNN's LSTM would copy them forward and backward
        kernels = [kernel.contiguous() for kernel in kernels]
    count = 2 if is_lstm else 1
    if initial_state is None:
        initial_state = [inputs.new_zeros(inputs.shape[0], layer.units)] * count
    initial_state = [state[None].contiguous() for state in initial_state]  # [1, batch, units]
    hidden, *states = getattr(torch._VF, _kind(layer))(
        inputs.contiguous(),
        initial_state if count == 2 else initial_state[0],
        [*kernels, bias, recurrent_bias],
        True,  # has_biases
        1,  # num_layers
        0.0,  # dropout
        torch.is_grad_enabled(),  # train: cuDNN then keeps the values for the gradient
        False,  # bidirectional
        True,  # batch_first
    )
    return hidden, [state[0] for state in states]


def torch_cell(layer, dtype):
    """One step of the same, for loops that compute the inputs of a step from the one before.

    Args:
        layer: As above.
        dtype: Of the inputs and states.

    Returns:
        Function of inputs `[batch, features]` and the list of the states `[batch, units]`, which
        returns the hidden state and the list of the next states.
    """
    import torch

    kernel, recurrent_kernel, *biases = _torch_weights(layer, dtype)
    weights = kernel.T, recurrent_kernel.T, *biases
    function = getattr(torch._VF, f"{_kind(layer)}_cell")
    in_parts = {"lstm": _lstm_step, "gru": _gru_step}.get(_kind(layer))

    def step(inputs, states):
        is_plain = inputs.device.type == "cpu" and inputs.dtype == torch.float32
        if in_parts and is_plain and len(inputs) > 1 and not torch.is_grad_enabled():
            states = in_parts(inputs, states, *weights)
        elif len(states) == 2:
            states = function(inputs, list(states), *weights)
        else:
            states = [function(inputs, states[0], *weights)]
        return states[0], list(states)

    return step


# For several rows on CPUs, without gradients. `lstm_cell` and `gru_cell` are one call, but multiply
# by MKL; of these functions `zoo.decoding` traces the products, and computes them by oneDNN.


def _lstm_step(inputs, states, kernel, recurrent_kernel, bias, recurrent_bias):
    from torch.nn.functional import linear

    hidden, cell = states
    gates = linear(inputs, kernel, bias) + linear(hidden, recurrent_kernel, recurrent_bias)
    i, f, g, o = gates.chunk(4, -1)
    cell = f.sigmoid() * cell + i.sigmoid() * g.tanh()
    return o.sigmoid() * cell.tanh(), cell


def _gru_step(inputs, states, kernel, recurrent_kernel, bias, recurrent_bias):
    from torch.nn.functional import linear

    (hidden,) = states
    gates = linear(inputs, kernel, bias)
    recurrent = linear(hidden, recurrent_kernel, recurrent_bias)
    r, z, n = gates.chunk(3, -1)
    recurrent_r, recurrent_z, recurrent_n = recurrent.chunk(3, -1)
    candidate = (n + (r + recurrent_r).sigmoid() * recurrent_n).tanh()
    z = (z + recurrent_z).sigmoid()
    return [candidate + z * (hidden - candidate)]


def _kind(layer):
    if isinstance(layer, keras.layers.LSTM):
        return "lstm"
    return "gru" if isinstance(layer, keras.layers.GRU) else "rnn_tanh"


def _torch_weights(layer, dtype, recurrent_kernel=None):
    """The two kernels, with Keras' axes, and the two biases, in torch's order of gates."""
    kernel, recurrent_kernel, bias = layer_weights(layer, dtype, recurrent_kernel)
    if not isinstance(layer, keras.layers.GRU):
        return kernel, recurrent_kernel, bias, ops.zeros_like(bias)
    # Keras orders the gates z, r, h; torch r, z, n. Both have two biases (reset_after).
    return _swap_gates(kernel), _swap_gates(recurrent_kernel), *_swap_gates(bias)


def _swap_gates(weights):
    update, reset, candidate = ops.split(weights, 3, axis=-1)
    return ops.concatenate([reset, update, candidate], axis=-1)
