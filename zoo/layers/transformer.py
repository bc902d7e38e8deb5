"""Transformer decoders: with attention to a memory, and of one sequence alone."""

from typing import Any, NotRequired, TypedDict

import keras
from keras import ops

from zoo.conflicts import check, head_conflicts
from zoo.layers.attention import MultiHeadAttention
from zoo.layers.attention.base import check_positive
from zoo.layers.tensors import as_float, like

Tensor = Any


class TransformerDecoderState(TypedDict):
    """Tensors `[rows, ...]` that each step changes.

    Attributes:
        position: int32 `[rows]`: the index of the step.
        written: For each layer the keys and the values of the target steps so far, both
            `[rows, max_length, heads, dim]`.
    """

    position: Tensor
    written: list[tuple[Tensor, Tensor]]


class TransformerDecoderConstants(TypedDict):
    """Tensors `[batch, ...]` that are the same for all steps and beams.

    Attributes:
        memory: `[batch, source, memory_units]`.
        keys: For each layer the projected keys and values of the memory.
        mask: Boolean `[batch, source]`, false at padding; if a mask was given.
    """

    memory: Tensor
    keys: list[tuple[Tensor, Tensor]]
    mask: NotRequired[Tensor]


class CausalTransformerState(TypedDict):
    """Tensors `[rows, ...]` that each step changes.

    Attributes:
        position: int32 `[rows]`: the number of steps so far.
        written: For each layer the keys and the values of these steps, both
            `[rows, max_length, heads, dim]`.
    """

    position: Tensor
    written: list[tuple[Tensor, Tensor]]


@keras.saving.register_keras_serializable("zoo")
class TransformerDecoder(keras.layers.Layer):
    """Stack of causal self-attention, attention to a memory, and a feed-forward network.

    Each of the three is a residual block with the normalization first, `x + f(LayerNorm(x))`. The
    last output is normalized too. The inputs must already contain positions.

    `call` computes all target steps (teacher forcing). `start` and `step` compute one at a time,
    for generation, with the same results: keys and values of the memory are constants, those of
    earlier target steps are part of the state.

    Args:
        num_layers: int.
        num_heads: int. Must divide the size of the inputs.
        intermediate_dim: int. Size of the hidden layer of the feed-forward networks.
        dropout: float. Dropout rate of the outputs of the three blocks. Defaults to `0.0`.
        inner_dropout: float. Dropout rate of attention weights and of hidden layers. Defaults to
            `None`: `dropout`.

    Call arguments:
        inputs: Float tensor `[batch, target, units]`: the embedded previous tokens.
        memory: Float tensor `[batch, source, memory_units]`.
        memory_mask: Boolean tensor `[batch, source]`, false where the memory is padding.
        return_attention_scores: bool. Whether to return the attention weights too.
        training: bool.

    Returns:
        The outputs `[batch, target, units]`, each of which depends on no later step; with
        `return_attention_scores` a pair of them and the attention weights of the memory
        `[batch, target, source]`, float32 or wider, means over heads and layers.

    Raises:
        ValueError: if a size is below 1, or the units are not divisible by the heads.

    Example:

    >>> decoder = TransformerDecoder(num_layers=2, num_heads=2, intermediate_dim=16)
    >>> inputs, memory = keras.random.normal((2, 3, 8)), keras.random.normal((2, 5, 6))
    >>> decoder(inputs, memory).shape
    (2, 3, 8)
    >>> state, constants = decoder.start(memory, max_length=4)
    >>> output, state, weights = decoder.step(inputs[:, 0], state, constants)
    >>> output.shape, weights.shape
    ((2, 8), (2, 5))

    References:
        - Vaswani et al. 2017, section 3.1. Normalization first: Xiong et al. 2020.
    """

    def __init__(
        self,
        num_layers,
        num_heads,
        intermediate_dim,
        dropout=0.0,
        inner_dropout=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        if min(num_layers, num_heads, intermediate_dim) < 1:
            raise ValueError(
                "`num_layers`, `num_heads` and `intermediate_dim` must be at least 1. Received: "
                f"num_layers={num_layers}, num_heads={num_heads}, "
                f"intermediate_dim={intermediate_dim}"
            )
        self.supports_masking = True
        self.num_layers = num_layers
        self.num_heads = num_heads
        self.intermediate_dim = intermediate_dim
        self.dropout = dropout
        self.inner_dropout = inner_dropout

    def build(self, inputs_shape, memory_shape):
        units = inputs_shape[-1]
        if units % self.num_heads:
            raise ValueError(
                "The size of the inputs must be divisible by `num_heads`. "
                f"Received: inputs of shape {tuple(inputs_shape)}, num_heads={self.num_heads}"
            )
        self.units = units
        self.layers = [
            _Layer(
                self.num_heads,
                self.intermediate_dim,
                self.dropout,
                self.inner_dropout,
                dtype=self.dtype_policy,
                name=f"layer_{i}",
            )
            for i in range(self.num_layers)
        ]
        for layer in self.layers:
            layer.build(inputs_shape, memory_shape)
        self.norm = keras.layers.LayerNormalization(dtype=self.dtype_policy, name="norm")
        self.norm.build(inputs_shape)
        super().build(inputs_shape)

    def call(self, inputs, memory, memory_mask=None, return_attention_scores=False, training=None):
        outputs, memory = as_float((inputs, memory), self.compute_dtype)
        weights = []
        for layer in self.layers:
            outputs, scores = layer(outputs, memory, memory_mask=memory_mask, training=training)
            weights.append(scores)
        outputs = self.norm(outputs)
        return (outputs, sum(weights) / len(weights)) if return_attention_scores else outputs

    def start(self, memory, memory_mask=None, max_length=128):
        """The state before the first step, and the constants. The layer must be built.

        Args:
            memory, memory_mask: See the layer.
            max_length: int. Most target steps, whose keys and values the state holds.

        Returns:
            `TransformerDecoderState` and `TransformerDecoderConstants`.
        """
        memory = ops.convert_to_tensor(memory, self.compute_dtype)
        shape = (ops.shape(memory)[0], max_length, self.num_heads, self.units // self.num_heads)
        zeros = ops.zeros(shape, self.compute_dtype)
        state = TransformerDecoderState(
            position=ops.zeros(shape[:1], "int32"),
            written=[(zeros, zeros) for _ in self.layers],  # keys and values
        )
        keys = [layer.cross_attention.project_keys(memory) for layer in self.layers]
        constants = TransformerDecoderConstants(memory=memory, keys=keys)
        if memory_mask is not None:
            constants["mask"] = ops.cast(memory_mask, "bool")
        return state, constants

    def step(self, inputs, state, constants):
        """One step of generation.

        Args:
            inputs: Float tensor `[rows, units]`: the embedded previous tokens. Each row of the
                memory may have several rows, next to each other: beams, which share it.
            state: As returned by `start` or by the step before, of as many rows.
            constants: As returned by `start`.

        Returns:
            The outputs `[rows, units]`, the next state, and the attention weights
            `[rows, source]`.
        """
        outputs = ops.cast(inputs, self.compute_dtype)[:, None]  # [rows, 1, units]
        written, weights = [], []
        for layer, before, keys in zip(
            self.layers, state["written"], constants["keys"], strict=True
        ):
            outputs, after, scores = layer.step(
                outputs, state["position"], before, constants["memory"], keys, constants.get("mask")
            )
            written.append(after)
            weights.append(scores)
        state = TransformerDecoderState(position=state["position"] + 1, written=written)
        return self.norm(outputs)[:, 0], state, sum(weights) / len(weights)

    def compute_output_shape(self, inputs_shape, memory_shape=None):
        return tuple(inputs_shape)

    def compute_output_spec(
        self, inputs, memory, memory_mask=None, return_attention_scores=False, training=None
    ):
        outputs = keras.KerasTensor(inputs.shape, dtype=self.compute_dtype)
        dtype = keras.backend.result_type(self.compute_dtype, "float32")
        weights = keras.KerasTensor((*inputs.shape[:2], memory.shape[1]), dtype=dtype)
        return (outputs, weights) if return_attention_scores else outputs

    def get_config(self):
        return super().get_config() | {
            "num_layers": self.num_layers,
            "num_heads": self.num_heads,
            "intermediate_dim": self.intermediate_dim,
            "dropout": self.dropout,
            "inner_dropout": self.inner_dropout,
        }


@keras.saving.register_keras_serializable("zoo")
class CausalTransformer(keras.layers.Layer):
    """Stack of causal self-attention and a feed-forward network: a decoder without memory.

    The layers are those of `TransformerDecoder` without attention to a memory. The inputs must
    already contain positions. With a state it reads the steps that follow those of the state,
    whose keys and values the state holds, with the results of the whole sequence.

    Args:
        num_layers: int.
        num_heads: int. Must divide the size of the inputs.
        intermediate_dim: int. Size of the hidden layer of the feed-forward networks.
        dropout: float. Dropout rate of attention weights, of hidden layers, and of the outputs
            of the two blocks. Defaults to `0.0`.

    Call arguments:
        inputs: Float tensor `[batch, time, units]`.
        state: A `CausalTransformerState`, as `initial_state` or an earlier call returns it; the
            steps must fit its `max_length`. Defaults to `None`: the sequence begins here.
        num_steps: int32 tensor `[batch]`. How many of the inputs are no padding. Defaults to all.
        training: bool.

    Returns:
        The outputs `[batch, time, units]`, the weights, means over heads and layers,
        `[batch, time, source]`, and with a state the next one. The source is the sequence, or with
        a state its `max_length` steps.

    Raises:
        ValueError: if a size is below 1, or the units are not divisible by the heads.

    References:
        - Vaswani et al. 2017, section 3.1; a decoder alone: Radford et al. 2018.
    """

    def __init__(self, num_layers, num_heads, intermediate_dim, dropout=0.0, **kwargs):
        super().__init__(**kwargs)
        check_positive(
            num_layers=num_layers, num_heads=num_heads, intermediate_dim=intermediate_dim
        )
        self.supports_masking = True
        self.num_layers = num_layers
        self.num_heads = num_heads
        self.intermediate_dim = intermediate_dim
        self.dropout = dropout

    def build(self, inputs_shape):
        self.units, options = inputs_shape[-1], {"dtype": self.dtype_policy}
        check(head_conflicts(self.units, self.num_heads))
        sizes = self.num_heads, self.intermediate_dim, self.dropout
        self.layers = [_Layer(*sizes, name=f"layer_{i}", **options) for i in range(self.num_layers)]
        for layer in self.layers:
            layer.build(inputs_shape)
        self.norm = keras.layers.LayerNormalization(name="norm", **options)
        self.norm.build(inputs_shape)
        super().build(inputs_shape)

    def initial_state(self, batch_size, max_length):
        """The state before the first step. The layer must be built.

        Args:
            batch_size: int.
            max_length: int. Most steps, whose keys and values the state holds.
        """
        shape = (batch_size, max_length, self.num_heads, self.units // self.num_heads)
        zeros = ops.zeros(shape, self.compute_dtype)
        return CausalTransformerState(
            position=ops.zeros((batch_size,), "int32"), written=[(zeros, zeros)] * self.num_layers
        )

    def call(self, inputs, state=None, num_steps=None, training=None):
        (outputs,) = as_float((inputs,), self.compute_dtype)
        scores, written = [], []
        for i, layer in enumerate(self.layers):
            if state is None:
                outputs, weights = layer(outputs, training=training)
            else:
                outputs, after, weights = layer.call_with_state(
                    outputs, state["position"], state["written"][i], training
                )
                written.append(after)
            scores.append(weights)
        outputs, weights = self.norm(outputs), sum(scores) / len(scores)
        if state is None:
            return outputs, weights
        steps = ops.shape(inputs)[1] if num_steps is None else num_steps
        position = state["position"] + ops.cast(steps, "int32")
        return outputs, weights, CausalTransformerState(position=position, written=written)

    def compute_output_spec(self, inputs, state=None, num_steps=None, training=None):
        dtype = keras.backend.result_type(self.compute_dtype, "float32")
        source = inputs.shape[1] if state is None else state["written"][0][0].shape[1]
        weights = keras.KerasTensor((*inputs.shape[:2], source), dtype=dtype)
        outputs = keras.KerasTensor(inputs.shape, dtype=self.compute_dtype)
        return (outputs, weights) if state is None else (outputs, weights, like(state))

    def get_config(self):
        return super().get_config() | {
            "num_layers": self.num_layers,
            "num_heads": self.num_heads,
            "intermediate_dim": self.intermediate_dim,
            "dropout": self.dropout,
        }


class _Layer(keras.layers.Layer):
    """One layer of the stack. Its class and its attributes name the weights in saved files."""

    def __init__(self, num_heads, intermediate_dim, dropout, inner_dropout=None, **kwargs):
        super().__init__(**kwargs)
        self.supports_masking = True
        self.num_heads = num_heads
        self.intermediate_dim = intermediate_dim
        self.dropout = dropout
        self.inner_dropout = dropout if inner_dropout is None else inner_dropout

    def build(self, inputs_shape, memory_shape=None):
        units, options = inputs_shape[-1], {"dtype": self.dtype_policy}

        def attention(name):
            return MultiHeadAttention(
                self.num_heads,
                units // self.num_heads,
                dropout=self.inner_dropout,
                name=name,
                **options,
            )

        # The names are those of KerasHub's TransformerDecoder.
        self.self_attention = attention("self_attention")
        parts = ["self_attention", "feedforward"]
        if memory_shape is not None:
            parts.insert(1, "cross_attention")
            self.cross_attention = attention("cross_attention")
        self.norms = [
            keras.layers.LayerNormalization(name=f"{part}_layer_norm", **options) for part in parts
        ]
        self.hidden = keras.layers.Dense(
            self.intermediate_dim, "relu", name="feedforward_intermediate_dense", **options
        )
        self.output_dense = keras.layers.Dense(units, name="feedforward_output_dense", **options)
        self.drop = keras.layers.Dropout(self.dropout, name="drop", **options)
        self.drop_hidden = keras.layers.Dropout(self.inner_dropout, name="drop_hidden", **options)
        self.self_attention.build(inputs_shape, inputs_shape)
        if memory_shape is not None:
            self.cross_attention.build(inputs_shape, memory_shape)
        for norm in self.norms:
            norm.build(inputs_shape)
        self.hidden.build(inputs_shape)
        self.output_dense.build((*inputs_shape[:2], self.intermediate_dim))
        super().build(inputs_shape)

    def call(self, inputs, memory=None, memory_mask=None, training=None):
        query = self.norms[0](inputs)
        if memory is None:
            attended, weights = self.self_attention(
                query, query, use_causal_mask=True, return_attention_scores=True, training=training
            )
            outputs = inputs + self.drop(attended, training=training)
            return self._transform(outputs, training), weights
        attended = self.self_attention(query, query, use_causal_mask=True, training=training)
        outputs = inputs + self.drop(attended, training=training)
        attended, weights = self.cross_attention(
            self.norms[1](outputs),
            memory,
            value_mask=memory_mask,
            return_attention_scores=True,
            training=training,
        )
        outputs = outputs + self.drop(attended, training=training)
        return self._transform(outputs, training), weights

    def step(self, inputs, position, written, memory, keys, memory_mask):
        """The same for one target step `[rows, 1, units]`, with the keys and values before it."""
        outputs, written, _ = self.extend(inputs, position, written)
        rows = ops.shape(inputs)[0]
        batch, source = ops.shape(memory)[:2]
        units = inputs.shape[-1]
        query = ops.reshape(self.norms[1](outputs), (batch, -1, units))  # [batch, beams, units]
        attended, weights = self.cross_attention(
            query,
            memory,
            value_mask=memory_mask,
            projected_keys=keys,
            return_attention_scores=True,
        )
        outputs = outputs + ops.reshape(attended, (rows, 1, units))
        return self._transform(outputs, False), written, ops.reshape(weights, (rows, source))

    def extend(self, inputs, position, written, training=None):
        """Self-attention of the steps `[rows, steps, units]` from `position` on.

        Returns:
            The outputs, the keys and values with those of these steps, and the weights
            `[rows, steps, max_length]`.
        """
        query = self.norms[0](inputs)
        written = tuple(
            _fill_in(old, position, new)
            for old, new in zip(written, self.self_attention.project_keys(query), strict=True)
        )
        rows, length, units = ops.shape(inputs)[0], ops.shape(written[1])[1], inputs.shape[-1]
        attended, weights = self.self_attention(
            query,
            ops.reshape(written[1], (rows, length, units)),
            projected_keys=written,
            use_causal_mask=True,
            position=position,
            return_attention_scores=True,
            training=training,
        )
        return inputs + self.drop(attended, training=training), written, weights

    def call_with_state(self, inputs, position, written, training=None):
        """All of a layer without memory, as `extend`."""
        outputs, written, weights = self.extend(inputs, position, written, training)
        return self._transform(outputs, training), written, weights

    def _transform(self, inputs, training):
        hidden = self.drop_hidden(self.hidden(self.norms[-1](inputs)), training=training)
        return inputs + self.drop(self.output_dense(hidden), training=training)


def _fill_in(history, position, values):
    """Writes steps `[rows, steps, heads, dim]` from `position` on into a longer history."""
    length = ops.shape(history)[1]
    places = ops.arange(length, dtype="int32")[None, :] - position[:, None]
    here = places == 0  # [rows, length]
    if values.shape[1] != 1:
        here = ops.logical_and(places >= 0, places < ops.shape(values)[1])
        places = ops.clip(places, 0, ops.shape(values)[1] - 1)
        values = ops.take_along_axis(values, places[:, :, None, None], axis=1)
    return ops.where(here[:, :, None, None], values, history)
