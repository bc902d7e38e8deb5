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

    kernel, recurrent_kernel, bias = layer_weights(layer, inputs.dtype, recurrent_kernel)
    recurrent_bias = torch.zeros_like(bias)
    function = torch._VF.rnn_tanh
    if isinstance(layer, keras.layers.LSTM):
        function = torch._VF.lstm
        inputs, kernel = with_padding_hold(layer, inputs, kernel, padding_hold)
    elif isinstance(layer, keras.layers.GRU):
        function = torch._VF.gru
        # Keras orders the gates z, r, h; torch r, z, n. Both have two biases (reset_after).
        kernel, recurrent_kernel = _swap_gates(kernel), _swap_gates(recurrent_kernel)
        bias, recurrent_bias = _swap_gates(bias)
    count = 2 if isinstance(layer, keras.layers.LSTM) else 1
    if initial_state is None:
        initial_state = [inputs.new_zeros(inputs.shape[0], layer.units)] * count
    initial_state = [state[None].contiguous() for state in initial_state]  # [1, batch, units]
    hidden, *states = function(
        inputs.contiguous(),
        initial_state if count == 2 else initial_state[0],
        [kernel.T.contiguous(), recurrent_kernel.T.contiguous(), bias, recurrent_bias],
        True,  # has_biases
        1,  # num_layers
        0.0,  # dropout
        torch.is_grad_enabled(),  # train: cuDNN then keeps the values for the gradient
        False,  # bidirectional
        True,  # batch_first
    )
    return hidden, [state[0] for state in states]


def _swap_gates(weights):
    update, reset, candidate = ops.split(weights, 3, axis=-1)
    return ops.concatenate([reset, update, candidate], axis=-1)
