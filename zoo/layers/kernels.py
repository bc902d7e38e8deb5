"""The one place where a layer's arithmetic differs by backend.

`recur` has a portable path, Keras' own recurrent layers, and faster ones that give the same
values and gradients from the same weights.

What makes them faster: torch's fused kernels, which Keras does not take on a CPU; on
TensorFlow a gradient written by hand, which multiplies by the input's and the recurrent
kernel's gradient once instead of at every step; and on all backends lengths instead of masks,
because a mask switches off whatever fast path Keras has.
"""

import keras
import numpy as np
from keras import ops

# Added to a gate before its sigmoid, this leaves exactly zero or one, and no gradient; it is a
# number in half precision too.
SATURATED = 1e4


def recur(layer, inputs, mask=None, initial_state=None, return_state=False, training=None):
    """Runs a Keras recurrent layer over right-padded sequences.

    Args:
        layer: `keras.layers.SimpleRNN`, `LSTM` or `GRU`, built, with `return_sequences=True` and
            `return_state=True`. Whatever the fast paths lack (dropout in training, other
            activations, no bias, …) takes the layer itself.
        inputs: Float tensor `[batch, time, features]`.
        mask: Boolean tensor `[batch, time]`, true on the first `length` steps of each row and
            false after. Not checked. Defaults to all true.
        initial_state: List of float tensors `[batch, units]`: h, and c for an LSTM. Defaults to
            zeros.
        return_state: bool. Whether the states are wanted.
        training: bool or `None`.

    Returns:
        A pair: the hidden states `[batch, time, units]`, meaningless where the mask is false,
        and, with `return_state`, the list of the states at the last valid step of each row,
        which for a row without any is its initial state; else `None`.
    """
    if initial_state is not None:
        initial_state = [ops.cast(state, inputs.dtype) for state in initial_state]
    if not _is_plain(layer, training) or _device(inputs) == "meta":
        hidden, *states = layer(
            inputs, mask=mask, initial_state=initial_state, training=bool(training)
        )
        return hidden, states if return_state else None
    # An LSTM's hidden state at the last valid step is one of those returned; its cell state is
    # not, and has to stand still from there on.
    is_lstm = isinstance(layer, keras.layers.LSTM)
    is_gated = is_lstm or isinstance(layer, keras.layers.GRU)
    still = None
    if mask is not None and return_state and is_lstm:
        still = 1 - ops.cast(mask, inputs.dtype)[:, :, None]  # [batch, time, 1]
    backend = keras.config.backend()
    if backend == "torch":
        hidden, states = _torch(layer, inputs, still, initial_state)
    elif backend == "tensorflow" and is_gated and not _has_gpu():
        hidden, states = _tensorflow(layer, inputs, still, initial_state)
    elif still is not None or (backend == "jax" and is_gated and not _has_gpu()):
        hidden, states = _scan(layer, inputs, still, initial_state)
    else:
        hidden, *states = layer(inputs, initial_state=initial_state)
    if not return_state:
        return hidden, None
    if mask is not None:
        initial = ops.zeros_like(states[0]) if initial_state is None else initial_state[0]
        states = [last_valid(hidden, mask, initial), *states[1:]]
    return hidden, states


def last_valid(sequence, mask, initial):
    """The step at which each right-padded row ends, `[batch, units]`; `initial` if it has none.

    Args:
        sequence: Float tensor `[batch, time, units]`.
        mask: Boolean tensor `[batch, time]`.
        initial: Float tensor `[batch, units]`.
    """
    lengths = ops.sum(ops.cast(mask, "int32"), axis=1)[:, None]  # [batch, 1]
    last = ops.take_along_axis(sequence, ops.maximum(lengths - 1, 0)[:, :, None], axis=1)
    return ops.where(lengths > 0, last[:, 0], initial)


def known_values(tensor):
    """The values of a tensor as a NumPy array, or `None` while a graph is being traced."""
    backend = keras.config.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        known = tf.executing_eagerly()
    elif backend == "jax":
        import jax

        known = not isinstance(tensor, jax.core.Tracer)
    else:
        import torch

        known = _device(tensor) != "meta" and not torch.compiler.is_compiling()
    return ops.convert_to_numpy(tensor) if known else None


def _is_plain(layer, training):
    """Whether a layer does what the fast paths do, and no more."""
    cell = layer.cell
    return (
        cell.activation is keras.activations.tanh
        and getattr(cell, "recurrent_activation", None) in (None, keras.activations.sigmoid)
        and cell.use_bias
        and getattr(cell, "reset_after", True)
        and not (layer.go_backwards or layer.stateful or layer.unroll)
        and not (training and (cell.dropout or cell.recurrent_dropout))
    )


def _device(tensor):
    return getattr(getattr(tensor, "device", None), "type", None)


def _has_gpu():
    """Whether there is a GPU, for which Keras' own layers take cuDNN or are the better ones."""
    if keras.config.backend() == "tensorflow":
        import tensorflow as tf

        return bool(tf.config.list_logical_devices("GPU"))
    import jax

    return jax.default_backend() != "cpu"


def _weights(layer, dtype):
    cell = layer.cell
    return [ops.cast(weight, dtype) for weight in (cell.kernel, cell.recurrent_kernel, cell.bias)]


def _still_gates(units):
    """What keeps an LSTM's cell: its input gate (Keras' first) shut, its forget gate open."""
    return np.repeat([-SATURATED, SATURATED, 0, 0], units).astype("float32")


def _torch(layer, inputs, still, initial_state):
    """`torch.nn.LSTM`/`GRU`/`RNN` in functional form, on the Keras layer's weights."""
    import torch

    kernel, recurrent_kernel, bias = _weights(layer, inputs.dtype)
    recurrent_bias = torch.zeros_like(bias)
    function = torch._VF.rnn_tanh
    if isinstance(layer, keras.layers.LSTM):
        function = torch._VF.lstm
        if still is not None:  # one more input, whose weights hold the gates
            gates = ops.cast(_still_gates(layer.units), inputs.dtype)
            inputs = torch.cat([inputs, still], dim=-1)
            kernel = torch.cat([kernel, gates[None, :]])
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
        torch.is_grad_enabled(),  # train: cuDNN keeps what a gradient needs only then
        False,  # bidirectional
        True,  # batch_first
    )
    return hidden, [state[0] for state in states]


def _swap_gates(weights):
    update, reset, candidate = ops.split(weights, 3, axis=-1)
    return ops.concatenate([reset, update, candidate], axis=-1)


def _scan(layer, inputs, still, initial_state):
    """An LSTM or a GRU as one `ops.scan`.

    Its inputs are projected step by step: compiled for a CPU, that beats projecting them all
    at once, as Keras' GRU does on JAX, because the result need not be kept.
    """
    kernel, recurrent_kernel, bias = _weights(layer, inputs.dtype)
    is_lstm = isinstance(layer, keras.layers.LSTM)
    if initial_state is None:
        zeros = ops.zeros((ops.shape(inputs)[0], layer.units), inputs.dtype)
        initial_state = [zeros, zeros] if is_lstm else [zeros]
    gates = ops.cast(_still_gates(layer.units), inputs.dtype)

    def lstm(state, step):
        hidden, cell = state
        logits = ops.matmul(step[0], kernel) + ops.matmul(hidden, recurrent_kernel) + bias
        if still is not None:
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

    sequences = [inputs] if still is None else [inputs, still]
    sequences = [ops.swapaxes(sequence, 0, 1) for sequence in sequences]  # [time, batch, …]
    states, hidden = ops.scan(lstm if is_lstm else gru, list(initial_state), sequences)
    return ops.swapaxes(hidden, 0, 1), states


def _tensorflow(layer, inputs, still, initial_state):
    """An LSTM or a GRU with a gradient of its own."""
    import tensorflow as tf

    kernel, recurrent_kernel, bias = _weights(layer, inputs.dtype)
    is_lstm = isinstance(layer, keras.layers.LSTM)
    if initial_state is None:
        zeros = tf.zeros((tf.shape(inputs)[0], layer.units), inputs.dtype)
        initial_state = [zeros, zeros] if is_lstm else [zeros]
    input_bias = bias if is_lstm else bias[0]
    flat = tf.reshape(tf.transpose(inputs, (1, 0, 2)), (-1, inputs.shape[-1]))
    shape = (tf.shape(inputs)[1], tf.shape(inputs)[0], kernel.shape[-1])
    logits = tf.reshape(tf.matmul(flat, kernel), shape) + input_bias  # [time, batch, gates]
    if still is not None:
        logits += tf.transpose(still, (1, 0, 2)) * tf.cast(_still_gates(layer.units), inputs.dtype)
    if is_lstm:
        hidden, *states = _tensorflow_lstm(logits, recurrent_kernel, *initial_state)
    else:
        hidden, *states = _tensorflow_gru(logits, recurrent_kernel, bias[1], *initial_state)
    return tf.transpose(hidden, (1, 0, 2)), states


def _tensorflow_lstm(logits, recurrent_kernel, hidden, cell):
    """The recurrence of an LSTM over logits `[time, batch, 4 * units]`; gates i, f, g, o."""
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
    """The recurrence of a GRU over logits `[time, batch, 3 * units]`; gates z, r, h."""
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
        logits: Tensor `[time, batch, …]`, which tells how many steps there are.
        emits: How many times `units` wide each emitted tensor is.
        reverse: bool. Whether the last step is run first.

    Returns:
        The last states, and a list of what was emitted, `[time, batch, …]` each.
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
    """The gradient of the recurrent kernel: the outer products of all steps, summed at once."""
    import tensorflow as tf

    states = tf.reshape(states, (-1, states.shape[-1]))
    return tf.matmul(states, tf.reshape(d_logits, (-1, d_logits.shape[-1])), transpose_a=True)
