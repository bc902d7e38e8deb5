"""LSTM and GRU on TensorFlow with a hand-written gradient."""

import keras

from zoo.layers.recurrence.weights import hold_gates, layer_weights


def tensorflow_recurrence(layer, inputs, padding_hold, initial_state, recurrent_kernel=None):
    """Runs an LSTM or a GRU; the arguments are those of `torch_recurrence`."""
    import tensorflow as tf

    kernel, recurrent_kernel, bias = layer_weights(layer, inputs.dtype, recurrent_kernel)
    is_lstm = isinstance(layer, keras.layers.LSTM)
    if initial_state is None:
        zeros = tf.zeros((tf.shape(inputs)[0], layer.units), inputs.dtype)
        initial_state = [zeros, zeros] if is_lstm else [zeros]
    input_bias = bias if is_lstm else bias[0]
    flat = tf.reshape(tf.transpose(inputs, (1, 0, 2)), (-1, inputs.shape[-1]))
    shape = (tf.shape(inputs)[1], tf.shape(inputs)[0], kernel.shape[-1])
    logits = tf.reshape(tf.matmul(flat, kernel), shape) + input_bias  # [time, batch, gates]
    if padding_hold is not None:
        logits += tf.transpose(padding_hold, (1, 0, 2)) * tf.cast(
            hold_gates(layer.units), inputs.dtype
        )
    if is_lstm:
        hidden, *states = _tensorflow_lstm(logits, recurrent_kernel, *initial_state)
    else:
        hidden, *states = _tensorflow_gru(logits, recurrent_kernel, bias[1], *initial_state)
    return tf.transpose(hidden, (1, 0, 2)), states


def _tensorflow_lstm(logits, recurrent_kernel, hidden, cell):
    """LSTM recurrence over gate logits `[time, batch, 4 * units]`, in the order i, f, g, o."""
    import tensorflow as tf

    @tf.custom_gradient
    def run(logits, recurrent_kernel, hidden, cell):
        def step(t, hidden, cell):
            i, f, g, o = tf.split(logits[t] + tf.matmul(hidden, recurrent_kernel), 4, axis=-1)
            i, f, g, o = tf.sigmoid(i), tf.sigmoid(f), tf.tanh(g), tf.sigmoid(o)
            cell = f * cell + i * g
            hidden = o * tf.tanh(cell)
            return (hidden, cell), (hidden, cell, tf.concat([i, f, g, o], axis=-1))

        last, (hiddens, cells, gates) = _tensorflow_loop(
            step, (hidden, cell), logits, emits=(1, 1, 4)
        )

        def gradient(d_hiddens, d_last_hidden, d_last_cell):
            transposed = tf.transpose(recurrent_kernel)
            cells_before = tf.concat([cell[None], cells[:-1]], axis=0)

            def back(t, d_hidden, d_cell):
                i, f, g, o = tf.split(gates[t], 4, axis=-1)
                d_hidden += d_hiddens[t]
                squashed = tf.tanh(cells[t])
                d_cell += d_hidden * o * (1 - squashed * squashed)
                d_i = d_cell * g * i * (1 - i)
                d_f = d_cell * cells_before[t] * f * (1 - f)
                d_g = d_cell * i * (1 - g * g)
                d_o = d_hidden * squashed * o * (1 - o)
                d_logits = tf.concat([d_i, d_f, d_g, d_o], axis=-1)
                return (tf.matmul(d_logits, transposed), d_cell * f), (d_logits,)

            (d_hidden, d_cell), (d_logits,) = _tensorflow_loop(
                back, (d_last_hidden, d_last_cell), logits, emits=(4,), reverse=True
            )
            before = tf.concat([hidden[None], hiddens[:-1]], axis=0)
            return d_logits, _outer(before, d_logits), d_hidden, d_cell

        return (hiddens, *last), gradient

    return run(logits, recurrent_kernel, hidden, cell)


def _tensorflow_gru(logits, recurrent_kernel, recurrent_bias, hidden):
    """GRU recurrence over gate logits `[time, batch, 3 * units]`, in the order z, r, h."""
    import tensorflow as tf

    @tf.custom_gradient
    def run(logits, recurrent_kernel, recurrent_bias, hidden):
        def step(t, hidden):
            recurrent = tf.matmul(hidden, recurrent_kernel) + recurrent_bias
            z, r, h = tf.split(logits[t], 3, axis=-1)
            recurrent_z, recurrent_r, recurrent_h = tf.split(recurrent, 3, axis=-1)
            z, r = tf.sigmoid(z + recurrent_z), tf.sigmoid(r + recurrent_r)
            h = tf.tanh(h + r * recurrent_h)
            hidden = z * hidden + (1 - z) * h
            return (hidden,), (hidden, tf.concat([z, r, h, recurrent_h], axis=-1))

        last, (hiddens, gates) = _tensorflow_loop(step, (hidden,), logits, emits=(1, 4))

        def gradient(d_hiddens, d_last):
            transposed = tf.transpose(recurrent_kernel)
            before = tf.concat([hidden[None], hiddens[:-1]], axis=0)

            def back(t, d_hidden):
                z, r, h, recurrent_h = tf.split(gates[t], 4, axis=-1)
                d_hidden += d_hiddens[t]
                d_h = d_hidden * (1 - z) * (1 - h * h)
                d_z = d_hidden * (before[t] - h) * z * (1 - z)
                d_r = d_h * recurrent_h * r * (1 - r)
                d_recurrent = tf.concat([d_z, d_r, d_h * r], axis=-1)
                d_hidden = d_hidden * z + tf.matmul(d_recurrent, transposed)
                return (d_hidden,), (tf.concat([d_z, d_r, d_h], axis=-1), d_recurrent)

            (d_hidden,), (d_logits, d_recurrent) = _tensorflow_loop(
                back, (d_last,), logits, emits=(3, 3), reverse=True
            )
            d_bias = tf.reduce_sum(d_recurrent, axis=(0, 1))
            return d_logits, _outer(before, d_recurrent), d_bias, d_hidden

        return (hiddens, *last), gradient

    return run(logits, recurrent_kernel, recurrent_bias, hidden)


def _tensorflow_loop(step, states, logits, emits, reverse=False):
    """Runs `step(t, *states) -> states, emitted` over time.

    Args:
        step: The function.
        states: Tuple of tensors `[batch, units]`.
        logits: Tensor `[time, batch, …]`, for the number of steps.
        emits: The width of each emitted tensor, in multiples of `units`.
        reverse: bool. Whether to run from the last step to the first.

    Returns:
        The last states, and the list of emitted tensors, `[time, batch, …]` each.
    """
    import tensorflow as tf

    steps, units = tf.shape(logits)[0], states[0].shape[-1]
    arrays = [
        tf.TensorArray(logits.dtype, size=steps, element_shape=(logits.shape[1], width * units))
        for width in emits
    ]

    def body(count, states, arrays):
        t = steps - 1 - count if reverse else count
        states, emitted = step(t, *states)
        pairs = zip(arrays, emitted, strict=True)
        return count + 1, states, [array.write(t, tensor) for array, tensor in pairs]

    _, states, arrays = tf.while_loop(
        lambda count, *_: count < steps, body, (0, states, arrays), maximum_iterations=steps
    )
    return states, [array.stack() for array in arrays]


def _outer(states, d_logits):
    """The gradient of the recurrent kernel: the sum of the outer products of all steps."""
    import tensorflow as tf

    states = tf.reshape(states, (-1, states.shape[-1]))
    return tf.matmul(states, tf.reshape(d_logits, (-1, d_logits.shape[-1])), transpose_a=True)
