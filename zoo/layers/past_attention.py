"""Attention of a recurrent language model to its past states."""

from typing import Any, TypedDict

import keras
from keras import ops

from zoo.checks import MAX_LENGTH, check_integer
from zoo.choices import PAST_ATTENTIONS, check_choice
from zoo.layers.attention import make_attention
from zoo.layers.tensors import as_float, count_valid, like

Tensor = Any


class PastAttentionState(TypedDict):
    """Tensors `[batch, ...]` that each call changes.

    Attributes:
        count: int32 `[batch]`: the number of past states, at most `span`.
        memory: `[batch, span, units]`: the last of them, the latest at the end.
    """

    count: Tensor
    memory: Tensor


@keras.saving.register_keras_serializable("zoo")
class PastAttention(keras.layers.Layer):
    """Attention of each hidden state to those before it, within a span.

    With h the hidden states and c the weighted sum of the last `span` of them, the output of a
    step is `tanh(W [c; h])`. The first step has nothing to attend to: its c is zero.

    Args:
        attention: A name for `make_attention`.
        span: int. How many past states a step attends to. Defaults to `64`.
        num_heads: int. `num_heads` for `make_attention`. Defaults to `4`.

    Call arguments:
        hidden: Float tensor `[batch, time, units]`.
        state: A `PastAttentionState`, as `initial_state` or an earlier call returns it. Defaults
            to `None`: the sequence begins here.
        padding_mask: Boolean tensor `[batch, time]`, true on the first steps of each row: with a
            state, the others do not enter it. Defaults to all true.
        training: bool.

    Returns:
        The outputs `[batch, time, units]`, the weights `[batch, time, source]`, and with a state
        the next one. The source is the sequence, with a state after its `span` past states.

    Raises:
        ValueError: if the attention is unknown, or `span` is not positive.

    References:
        - Daniluk et al. 2017, "Frustratingly short attention spans in neural language modeling",
          section 2.1.
    """

    def __init__(self, attention, span=64, num_heads=4, **kwargs):
        super().__init__(**kwargs)
        check_choice("attention", attention, PAST_ATTENTIONS)
        check_integer("span", span, 1, MAX_LENGTH)
        self.supports_masking = True
        self.attention_name = attention
        self.span = span
        self.num_heads = num_heads

    def build(self, hidden_shape):
        units, options = hidden_shape[-1], {"dtype": self.dtype_policy}
        self.attention = make_attention(
            self.attention_name, units, num_heads=self.num_heads, name="attention", **options
        )
        self.attention.build(hidden_shape, hidden_shape)
        self.combine = keras.layers.Dense(
            units, "tanh", use_bias=False, name="attentional", **options
        )
        self.combine.build((*hidden_shape[:-1], 2 * units))
        self.units = units
        super().build(hidden_shape)

    def initial_state(self, batch_size):
        """The state before the first step. The layer must be built.

        Args:
            batch_size: int.
        """
        return PastAttentionState(
            count=ops.zeros((batch_size,), "int32"),
            memory=ops.zeros((batch_size, self.span, self.units), self.compute_dtype),
        )

    def call(self, hidden, state=None, padding_mask=None, training=None):
        (hidden,) = as_float((hidden,), self.compute_dtype)
        steps = ops.shape(hidden)[1]
        source, past = hidden, 0
        if state is not None:
            memory = ops.cast(state["memory"], hidden.dtype)
            source, past = ops.concatenate([memory, hidden], axis=1), self.span
        targets = past + ops.arange(steps, dtype="int32")
        places = ops.arange(past + steps, dtype="int32")
        distance = targets[:, None] - places[None, :]  # [time, source]
        mask = ops.logical_and(distance >= 1, distance <= self.span)[None]
        if state is not None:
            is_filled = places[None, :] >= past - state["count"][:, None]  # [batch, source]
            mask = ops.logical_and(mask, is_filled[:, None, :])
        attended, weights = self.attention(
            hidden, source, attention_mask=mask, return_attention_scores=True, training=training
        )
        outputs = self.combine(ops.concatenate([attended, hidden], axis=-1))
        if state is None:
            return outputs, weights
        if padding_mask is None:
            memory, added = source[:, -self.span :], ops.cast(steps, "int32")
        else:
            added = count_valid(padding_mask)  # [batch]
            places = added[:, None] + ops.arange(self.span, dtype="int32")[None, :]
            memory = ops.take_along_axis(source, places[:, :, None], axis=1)
        count = ops.minimum(state["count"] + added, self.span)
        return outputs, weights, PastAttentionState(count=count, memory=memory)

    def compute_output_spec(self, hidden, state=None, padding_mask=None, training=None):
        time = hidden.shape[1]
        source = time if state is None or time is None else time + self.span
        dtype = keras.backend.result_type(self.compute_dtype, "float32")
        weights = keras.KerasTensor((hidden.shape[0], time, source), dtype=dtype)
        outputs = keras.KerasTensor(hidden.shape, dtype=self.compute_dtype)
        if state is None:
            return outputs, weights
        return outputs, weights, like(state)

    def get_config(self):
        return super().get_config() | {
            "attention": self.attention_name,
            "span": self.span,
            "num_heads": self.num_heads,
        }
