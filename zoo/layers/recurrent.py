"""Stack of recurrent layers, in one or both directions."""

import keras
import numpy as np
from keras import ops

from zoo.choices import CELLS, check_choice
from zoo.conflicts import check, weight_dropout_conflicts
from zoo.layers.recurrence import run_recurrent
from zoo.layers.tensors import as_float, count_valid, known_values


def make_recurrent(cell, units, recurrent_dropout=0.0, **options):
    """Makes one recurrent layer that returns its outputs and its states.

    Args:
        cell: A name in `zoo.choices.CELLS`; `zoo.choices.register_cell` adds one.
        units: int. Size of the output and of each state.
        recurrent_dropout: float. Defaults to `0.0`.
        **options: Arguments of `keras.layers.Layer`.

    Returns:
        A `keras.layers.RNN`.

    Raises:
        ValueError: if the name is unknown, or the states have another size.
    """
    check_choice("cell", cell, CELLS)
    if recurrent_dropout:
        options["recurrent_dropout"] = recurrent_dropout
    layer = CELLS[cell](units, return_sequences=True, return_state=True, **options)
    initializer = getattr(layer.cell, "recurrent_initializer", None)
    if type(initializer) is keras.initializers.Orthogonal:
        layer.cell.recurrent_initializer = _Orthogonal(initializer.gain, initializer.seed)
    if set(layer.state_size) != {units}:
        raise ValueError(
            "Each state of a cell must have `units` features. "
            f"Received: cell={cell!r}, units={units}, states of {layer.state_size}"
        )
    return layer


class _Orthogonal(keras.initializers.Orthogonal):
    """Keras' orthogonal matrices in any precision: their decomposition needs float32 or wider."""

    def __call__(self, shape, dtype=None):
        dtype = keras.backend.standardize_dtype(dtype or keras.config.floatx())
        return ops.cast(super().__call__(shape, keras.backend.result_type(dtype, "float32")), dtype)


@keras.saving.register_keras_serializable("zoo")
class RecurrentEncoder(keras.layers.Layer):
    """Stack of recurrent layers over padded sequences.

    It has the weights of Keras' own recurrent layers and computes the values that these compute
    with a mask. It passes lengths to the backends in place of the mask, which would disable
    their fused kernels: the forward direction runs through the padding after the valid steps,
    the backward direction runs over the reversed valid prefix.

    Args:
        cell: `"simple_rnn"`, `"lstm"`, `"gru"`, or a name given by
            `zoo.choices.register_cell`.
        units: int. Size of the hidden state, of each direction.
        num_layers: int. Defaults to `1`.
        bidirectional: bool. Whether each layer also runs from the last valid step to the first;
            the states of both directions are concatenated. Defaults to `False`.
        dropout: float. Dropout rate between layers, of the same units at each step (Gal and
            Ghahramani 2016). Defaults to `0.0`.
        recurrent_dropout: float. Dropout rate of the hidden state from step to step, of the same
            units at each step. Training then runs Keras' own layers, which are slower. Defaults
            to `0.0`.
        weight_dropout: float. Dropout rate of the recurrent kernels, the same weights at all
            steps of a batch (DropConnect); for plain cells without `recurrent_dropout`. Defaults
            to `0.0`.
        residual: bool. Whether each layer but the first adds its input to its output. Defaults
            to `False`.
        padding: `"right"`, or `"any"` for masks with padding on the left or in between: valid
            steps are then moved to the front first, and back afterwards. Defaults to `"right"`.
        return_state: bool. Whether to return the last states too. Defaults to `False`.

    Call arguments:
        inputs: Float tensor `[batch, time, features]`.
        padding_mask: Boolean tensor `[batch, time]`, true at valid steps. With
            `padding="right"` these must be the first of each row, which is checked outside of
            compiled graphs. Defaults to Keras' mask of the inputs, or else to all true.
        initial_state: The initial states, in the structure in which states are returned.
            Defaults to zeros.
        training: bool. Whether to apply dropout.
        mask: Keras' mask of the inputs.

    Returns:
        Float tensor `[batch, time, units]`, or `[batch, time, 2 * units]` with both directions;
        zero at padding. With `return_state` a pair of it and the last states: for each layer a
        list, `[h]`, or `[h, c]` of an LSTM, of tensors `[batch, units]`, or
        `[batch, 2 * units]`: forward, then backward. They are the states after the last valid
        step, in the backward direction after the first; of a row without valid steps the
        initial ones.

    Raises:
        ValueError: if `cell` or `padding` is unknown, `units` or `num_layers` is not positive,
            or the mask or the initial state does not fit.

    Example:

    >>> encoder = RecurrentEncoder("gru", units=4, bidirectional=True)
    >>> encoder(keras.random.normal((2, 5, 3))).shape
    (2, 5, 8)

    References:
        - LSTM: Hochreiter and Schmidhuber 1997. GRU: Cho et al. 2014.
        - Both directions: Schuster and Paliwal 1997.
        - Residual layers: Wu et al. 2016, section 3.1.
        - Weight dropout: Merity et al. 2017, "Regularizing and optimizing LSTM language models",
          section 2.
    """

    def __init__(
        self,
        cell,
        units,
        num_layers=1,
        bidirectional=False,
        dropout=0.0,
        recurrent_dropout=0.0,
        weight_dropout=0.0,
        residual=False,
        padding="right",
        return_state=False,
        **kwargs,
    ):
        super().__init__(**kwargs)
        check_choice("cell", cell, CELLS)
        if units < 1 or num_layers < 1:
            raise ValueError(
                "`units` and `num_layers` must be at least 1. "
                f"Received: units={units}, num_layers={num_layers}"
            )
        if padding not in ("right", "any"):
            raise ValueError(f"`padding` must be 'right' or 'any'. Received: padding={padding!r}")
        check(weight_dropout_conflicts(cell, weight_dropout, recurrent_dropout))
        self.supports_masking = True
        self.cell = cell
        self.units = units
        self.num_layers = num_layers
        self.bidirectional = bidirectional
        self.dropout = dropout
        self.recurrent_dropout = recurrent_dropout
        self.weight_dropout = weight_dropout
        self.residual = residual
        self.padding = padding
        self.return_state = return_state
        directions = ("forward", "backward") if bidirectional else ("forward",)
        self.stack = [
            [
                make_recurrent(
                    cell,
                    units,
                    recurrent_dropout,
                    dtype=self.dtype_policy,
                    name=f"{direction}_{i}",
                )
                for direction in directions
            ]
            for i in range(num_layers)
        ]
        self.between = keras.layers.SpatialDropout1D(dropout, dtype=self.dtype_policy)
        self.drop_weights = None  # no random state, for which older files have no place
        if weight_dropout:
            self.drop_weights = keras.layers.Dropout(weight_dropout, dtype=self.dtype_policy)

    def build(self, input_shape):
        for directions in self.stack:
            for layer in directions:
                layer.build(input_shape)
            input_shape = self.compute_output_shape(input_shape)
        self.between.build(input_shape)
        if self.drop_weights is not None:
            self.drop_weights.build((self.units, None))
        super().build(input_shape)

    def call(self, inputs, padding_mask=None, initial_state=None, training=None, mask=None):
        mask = mask if padding_mask is None else padding_mask
        self._check(inputs, mask, initial_state)
        inputs, initial_state = as_float((inputs, initial_state), self.compute_dtype)
        outputs, restore = inputs, None
        if mask is not None:
            mask = ops.cast(mask, "bool")
            if self.padding == "any":
                outputs, mask, restore = _move_together(outputs, mask)
            else:
                _check_right_padded(mask)
        flip = _flip_prefix(mask)
        states = []
        for depth, directions in enumerate(self.stack):
            below = outputs
            if depth:
                outputs = self.between(outputs, training=training)
            hidden, last = [], []
            for index, layer in enumerate(directions):
                sequence, state = run_recurrent(
                    layer,
                    flip(outputs) if index else outputs,
                    mask,
                    self._part(initial_state, depth, index),
                    self.return_state,
                    training,
                    self._dropped_kernel(layer, training),
                )
                hidden.append(flip(sequence) if index else sequence)
                last.append(state)
            outputs = _concatenate(hidden)
            if self.residual and depth:
                outputs = outputs + below
            if self.return_state:
                states.append([_concatenate(parts) for parts in zip(*last, strict=True)])
        if mask is not None:
            outputs = outputs * ops.cast(mask, outputs.dtype)[:, :, None]
        if restore is not None:
            outputs = _reorder(outputs, restore)
        return (outputs, states) if self.return_state else outputs

    def _dropped_kernel(self, layer, training):
        """The recurrent kernel of a layer with dropped weights, or `None` for its own."""
        if self.drop_weights is None or not training:
            return None
        return self.drop_weights(layer.cell.recurrent_kernel, training=True)

    def _part(self, initial_state, depth, index):
        """The initial state of one direction of one layer."""
        if initial_state is None:
            return None
        part = slice(index * self.units, (index + 1) * self.units)
        return [state[:, part] for state in initial_state[depth]]

    def _check(self, inputs, mask, initial_state):
        if mask is not None and not _fit(mask.shape, inputs.shape[:2]):
            raise ValueError(
                "`padding_mask` must have the shape [batch, time] of `inputs`. Received: "
                f"padding_mask of shape {tuple(mask.shape)}, inputs of shape {tuple(inputs.shape)}"
            )
        if initial_state is None:
            return
        expected = self._state_shapes(inputs.shape)
        received = [[tuple(state.shape) for state in states] for states in initial_state]
        fits = [len(states) for states in received] == [len(shapes) for shapes in expected]
        fits = fits and all(map(_fit, sum(received, []), sum(expected, [])))
        if not fits:
            raise ValueError(
                "`initial_state` must hold the states of each layer, as `return_state` returns "
                f"them: {expected}. Received: {received}"
            )

    def _state_shapes(self, input_shape):
        shape = self.compute_output_shape(input_shape)
        count = len(self.stack[0][0].state_size)
        return [[(shape[0], shape[-1])] * count for _ in self.stack]

    def compute_output_shape(self, input_shape, padding_mask_shape=None):
        return (*input_shape[:-1], self.units * (2 if self.bidirectional else 1))

    def compute_output_spec(
        self, inputs, padding_mask=None, initial_state=None, training=None, mask=None
    ):
        self._check(inputs, padding_mask, initial_state)
        outputs = keras.KerasTensor(
            self.compute_output_shape(inputs.shape), dtype=self.compute_dtype
        )
        if not self.return_state:
            return outputs
        return outputs, [
            [keras.KerasTensor(shape, dtype=self.compute_dtype) for shape in shapes]
            for shapes in self._state_shapes(inputs.shape)
        ]

    def get_config(self):
        return super().get_config() | {
            "cell": self.cell,
            "units": self.units,
            "num_layers": self.num_layers,
            "bidirectional": self.bidirectional,
            "dropout": self.dropout,
            "recurrent_dropout": self.recurrent_dropout,
            "weight_dropout": self.weight_dropout,
            "residual": self.residual,
            "padding": self.padding,
            "return_state": self.return_state,
        }


def _concatenate(parts):
    return parts[0] if len(parts) == 1 else ops.concatenate(parts, axis=-1)


def _fit(shape, expected):
    """True if a shape is the expected one, as far as both are known."""
    if len(shape) != len(expected):
        return False
    return all(a == b or None in (a, b) for a, b in zip(shape, expected, strict=True))


def _check_right_padded(mask):
    values = known_values(mask)
    if values is None:
        return
    (wrong,) = np.nonzero((values[:, 1:] & ~values[:, :-1]).any(axis=1))
    if len(wrong):
        raise ValueError(
            "`padding_mask` must be true on the first steps of each row and false after. For "
            "padding on the left or in between make the layer with `padding='any'`. Received: "
            f"row {wrong[0]} is {values[wrong[0]].astype(int).tolist()}"
        )


def _move_together(inputs, mask):
    """The inputs with valid steps first, their mask, and the order that moves steps back."""
    steps = ops.arange(ops.shape(mask)[1], dtype="int32")[None, :]  # [1, time]
    order = ops.argsort(ops.where(mask, steps, steps + ops.shape(mask)[1]), axis=1)
    return _reorder(inputs, order), steps < _lengths(mask), ops.argsort(order, axis=1)


def _flip_prefix(mask):
    """A function that reverses the valid prefix of each row. It is its own inverse."""
    if mask is None:
        return lambda sequence: ops.flip(sequence, axis=1)
    steps = ops.arange(ops.shape(mask)[1], dtype="int32")[None, :]  # [1, time]
    order = ops.where(steps < _lengths(mask), _lengths(mask) - 1 - steps, steps)
    return lambda sequence: _reorder(sequence, order)


def _lengths(mask):
    return count_valid(mask)[:, None]  # [batch, 1]


def _reorder(sequence, order):
    """The steps of each row in another order `[batch, time]`.

    It gathers rows of a matrix, which is several times faster than `take_along_axis`, as is its
    gradient.
    """
    batch, time, units = ops.shape(sequence)[0], ops.shape(sequence)[1], sequence.shape[2]
    rows = ops.arange(batch, dtype="int32")[:, None] * time + ops.cast(order, "int32")
    steps = ops.take(ops.reshape(sequence, (-1, units)), ops.reshape(rows, (-1,)), axis=0)
    return ops.reshape(steps, (batch, time, units))
