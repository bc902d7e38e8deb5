"""LSTM and GRU as one `ops.scan`, and SimpleRNN as a loop, for any backend."""

import keras
from keras import ops

from zoo.layers.recurrence.scanning import scan
from zoo.layers.recurrence.weights import hold_gates, layer_weights


def portable_recurrence(layer, inputs, padding_hold, initial_state, recurrent_kernel=None):
    """Runs an LSTM or a GRU as one `ops.scan`; the arguments are those of `torch_recurrence`.

    The inputs are projected at each step. Compiled for a CPU this is faster than projecting all of
    them before the loop, as Keras' GRU does on JAX, because the projections are not stored.
    """
    kernel, recurrent_kernel, bias = layer_weights(layer, inputs.dtype, recurrent_kernel)
    is_lstm = isinstance(layer, keras.layers.LSTM)
    if initial_state is None:
        zeros = ops.zeros((ops.shape(inputs)[0], layer.units), inputs.dtype)
        initial_state = [zeros, zeros] if is_lstm else [zeros]
    gates = ops.cast(hold_gates(layer.units), inputs.dtype)

    def lstm(state, step):
        hidden, cell = state
        logits = ops.matmul(step[0], kernel) + ops.matmul(hidden, recurrent_kernel) + bias
        if padding_hold is not None:
            logits += step[1] * gates
        i, f, g, o = ops.split(logits, 4, axis=-1)
        cell = ops.sigmoid(f) * cell + ops.sigmoid(i) * ops.tanh(g)
        hidden = ops.sigmoid(o) * ops.tanh(cell)
        return [hidden, cell], hidden

    def gru(state, step):
        (hidden,) = state
        z, r, h = ops.split(ops.matmul(step[0], kernel) + bias[0], 3, axis=-1)
        recurrent = ops.matmul(hidden, recurrent_kernel) + bias[1]
        recurrent_z, recurrent_r, recurrent_h = ops.split(recurrent, 3, axis=-1)
        z, r = ops.sigmoid(z + recurrent_z), ops.sigmoid(r + recurrent_r)
        hidden = z * hidden + (1 - z) * ops.tanh(h + r * recurrent_h)
        return [hidden], hidden

    sequences = [inputs] if padding_hold is None else [inputs, padding_hold]
    sequences = [ops.swapaxes(sequence, 0, 1) for sequence in sequences]  # [time, batch, …]
    states, hidden = ops.scan(lstm if is_lstm else gru, list(initial_state), sequences)
    return ops.swapaxes(hidden, 0, 1), states


def portable_simple_rnn(layer, inputs, initial_state, recurrent_kernel):
    """Runs a SimpleRNN with another recurrent kernel; see `torch_recurrence`."""
    kernel, recurrent_kernel, bias = layer_weights(layer, inputs.dtype, recurrent_kernel)
    if initial_state is None:
        initial_state = [ops.zeros((ops.shape(inputs)[0], layer.units), inputs.dtype)]

    def step(projected, state):
        hidden = ops.tanh(projected + ops.matmul(state[0], recurrent_kernel))
        return hidden, [hidden]

    hidden = scan(step, ops.matmul(inputs, kernel) + bias, initial_state)
    return hidden, [hidden[:, -1]]
