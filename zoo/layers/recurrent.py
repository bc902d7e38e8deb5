"""The recurrent stack: SimpleRNN, LSTM or GRU, any depth, one or both directions."""

import keras
from keras import ops

from zoo.layers import kernels

CELLS = {
    "simple_rnn": keras.layers.SimpleRNN,
    "lstm": keras.layers.LSTM,
    "gru": keras.layers.GRU,
}


@keras.saving.register_keras_serializable("zoo")
class RecurrentEncoder(keras.layers.Layer):
    """A stack of recurrent layers over right-padded sequences.

    Padding is handled by lengths instead of a mask, because a mask switches off the fused
    kernels of every backend. The forward direction needs nothing: valid steps come before
    the padding. The backward direction runs on the valid prefix, reversed. The values equal
    those of Keras' own masked layers with the same weights, which are Keras' own too.

    Args:
        cell: `"simple_rnn"`, `"lstm"` or `"gru"`.
        units: int. Size of the hidden state, of each direction.
        num_layers: int. Defaults to `1`.
        bidirectional: bool. Whether a second stack reads from the last valid step to the
            first; its states are concatenated to those of the first. Defaults to `False`.
        dropout: float. Between layers, the same units dropped at each step (Gal and
            Ghahramani 2016). Defaults to `0.0`.

    Call arguments:
        inputs: Float tensor `[batch, time, features]`.
        padding_mask: Boolean tensor `[batch, time]`, true on the first `length` steps of
            each row and false after. Defaults to all true.
        training: bool. Whether to drop out.

    Returns:
        Float tensor `[batch, time, units]`, or `[batch, time, 2 * units]` in both
        directions; zero where the padding mask is false.

    Raises:
        ValueError: if `cell` is unknown, or `units` or `num_layers` is not positive.

    Example:

    >>> encoder = RecurrentEncoder("gru", units=4, bidirectional=True)
    >>> encoder(keras.random.normal((2, 5, 3))).shape
    (2, 5, 8)

    References:
        - LSTM: Hochreiter and Schmidhuber 1997. GRU: Cho et al. 2014.
        - Both directions: Schuster and Paliwal 1997.
    """

    def __init__(self, cell, units, num_layers=1, bidirectional=False, dropout=0.0, **kwargs):
        super().__init__(**kwargs)
        if cell not in CELLS:
            raise ValueError(f"`cell` must be one of {sorted(CELLS)}. Received: cell={cell!r}")
        if units < 1 or num_layers < 1:
            raise ValueError(
                "`units` and `num_layers` must be at least 1. "
                f"Received: units={units}, num_layers={num_layers}"
            )
        self.cell = cell
        self.units = units
        self.num_layers = num_layers
        self.bidirectional = bidirectional
        self.dropout = dropout
        directions = ("forward", "backward") if bidirectional else ("forward",)
        self.stack = [
            [
                CELLS[cell](
                    units, return_sequences=True, dtype=self.dtype_policy, name=f"{direction}_{i}"
                )
                for direction in directions
            ]
            for i in range(num_layers)
        ]
        self.between = keras.layers.SpatialDropout1D(dropout, dtype=self.dtype_policy)

    def build(self, input_shape):
        for directions in self.stack:
            for layer in directions:
                layer.build(input_shape)
            input_shape = self.compute_output_shape(input_shape)
        self.between.build(input_shape)
        super().build(input_shape)

    def call(self, inputs, padding_mask=None, training=None):
        outputs = inputs
        flip = _flip_prefix(padding_mask)
        for depth, directions in enumerate(self.stack):
            if depth:
                outputs = self.between(outputs, training=training)
            states = [kernels.hidden_states(directions[0], outputs, training)]
            if self.bidirectional:
                backward = kernels.hidden_states(directions[1], flip(outputs), training)
                states.append(flip(backward))
            outputs = ops.concatenate(states, axis=-1) if self.bidirectional else states[0]
        if padding_mask is not None:
            outputs = outputs * ops.cast(padding_mask, outputs.dtype)[:, :, None]
        return outputs

    def compute_output_shape(self, input_shape, padding_mask_shape=None):
        return (*input_shape[:-1], self.units * (2 if self.bidirectional else 1))

    def compute_output_spec(self, inputs, padding_mask=None, training=None):
        return keras.KerasTensor(self.compute_output_shape(inputs.shape), dtype=self.compute_dtype)

    def get_config(self):
        return super().get_config() | {
            "cell": self.cell,
            "units": self.units,
            "num_layers": self.num_layers,
            "bidirectional": self.bidirectional,
            "dropout": self.dropout,
        }


def _flip_prefix(padding_mask):
    """A function that reverses the valid prefix of each row, and undoes itself."""
    if padding_mask is None:
        return lambda sequence: ops.flip(sequence, axis=1)
    lengths = ops.sum(ops.cast(padding_mask, "int32"), axis=1, keepdims=True)  # [batch, 1]
    steps = ops.arange(ops.shape(padding_mask)[1], dtype="int32")[None, :]  # [1, time]
    order = ops.where(steps < lengths, lengths - 1 - steps, steps)  # [batch, time]
    return lambda sequence: ops.take_along_axis(sequence, order[:, :, None], axis=1)
