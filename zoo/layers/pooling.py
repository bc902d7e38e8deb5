"""Pooling of a sequence to one vector."""

import keras
from keras import ops

from zoo.choices import ATTENTIONS, POOLINGS, check_choice
from zoo.conflicts import check, head_conflicts
from zoo.layers.attention import BahdanauAttention, make_attention
from zoo.layers.tensors import as_float


@keras.saving.register_keras_serializable("zoo")
class SequencePooling(keras.layers.Layer):
    """Reduces the states of a sequence to one vector, and returns the weight of each step.

    - `last`: the last state of each direction, whose weight is one (in both directions one half
      each).
    - `max`: the maximum of each unit. The weight of a step is its share of the maxima.
    - `mean`: the mean state.
    - `concat`: these three, one after the other. The weight of a step is its mean weight in them.
    - `bahdanau`, `luong_general`, `scaled_dot`, and names given by
      `zoo.choices.register_attention`: attention of a learned query to the states.
    - `multi_head`: the mean state after residual self-attention. The weight of a step, for each
      head, is the mean attention to it.

    Args:
        pooling: One of these names.
        bidirectional: bool. Whether the second half of the units is of the backward direction,
            whose last state is at the first step. Only `last` and `concat` depend on it.
            Defaults to `False`.
        num_heads: int. Heads of `multi_head`. Defaults to `4`.
        dropout: float. Dropout rate of the attention weights. Defaults to `0.0`.

    Call arguments:
        states: Float tensor `[batch, time, units]`, zero where padded.
        padding_mask: Boolean tensor `[batch, time]`, true at valid steps.
        training: bool.

    Returns:
        A pair: the vector `[batch, units]` (`[batch, 3 * units]` for `concat`), and the weights
        `[batch, heads, time]` (several heads only for `multi_head`), which sum to one over the
        valid steps and are zero at padding. The vector of a row without valid steps is zero (for
        `multi_head` only finite).

    Raises:
        ValueError: if `pooling` is unknown, or the units cannot be divided among the heads.

    References:
        - A learned query over recurrent states: Yang et al. 2016, "Hierarchical Attention
          Networks", equations 5 to 7.
        - `concat`: Howard and Ruder 2018, "Universal language model fine-tuning", section 3.3.
        - Self-attention: Vaswani et al. 2017, section 3.2.2.
    """

    def __init__(self, pooling, bidirectional=False, num_heads=4, dropout=0.0, **kwargs):
        super().__init__(**kwargs)
        check_choice("pooling", pooling, POOLINGS)
        self.pooling = pooling
        self.bidirectional = bidirectional
        self.num_heads = num_heads
        self.dropout = dropout

    def build(self, states_shape, padding_mask_shape=None):
        units = states_shape[-1]
        options = {"dropout": self.dropout, "dtype": self.dtype_policy, "name": "attention"}
        if self.pooling == "multi_head":
            check(head_conflicts(units, self.num_heads))
            self.attention = keras.layers.MultiHeadAttention(
                self.num_heads, units // self.num_heads, **options
            )
            self.attention.build(states_shape, states_shape)
            self.norm = keras.layers.LayerNormalization(dtype=self.dtype_policy, name="norm")
            self.norm.build(states_shape)
        elif self.pooling in ATTENTIONS:
            self.attention = make_attention(self.pooling, units, self.num_heads, **options)
            query_shape = (states_shape[0], 1, units)
            self.query = self.add_weight((1, 1, units), name="query", initializer="glorot_uniform")
            self.attention.build(query_shape, states_shape)
        super().build(states_shape)

    def call(self, states, padding_mask, training=None):
        states = as_float(states, self.compute_dtype)
        mask = ops.cast(padding_mask, "float32")  # [batch, time]
        lengths = ops.maximum(ops.sum(mask, axis=1, keepdims=True), 1.0)  # [batch, 1]
        if self.pooling == "last":
            return self._last(states, mask)
        if self.pooling == "max":
            return self._max(states, mask)
        if self.pooling == "mean":
            return self._mean(states, mask, lengths)
        if self.pooling == "concat":
            parts = (
                self._last(states, mask),
                self._max(states, mask),
                self._mean(states, mask, lengths),
            )
            vectors, weights = zip(*parts, strict=True)
            return ops.concatenate(vectors, axis=-1), sum(weights) / len(weights)
        if self.pooling == "multi_head":
            return self._multi_head(states, mask, lengths, training)
        query = ops.broadcast_to(
            ops.cast(self.query, states.dtype), (ops.shape(states)[0], 1, states.shape[-1])
        )
        vector, weights = self.attention(
            query,
            states,
            value_mask=padding_mask,
            return_attention_scores=True,
            training=training,
        )
        return vector[:, 0], weights

    def fold_query(self):
        """Makes the learned query and its projection by `bahdanau` one row of numbers.

        Their product is a constant, so `units` numbers do what a matrix of `units²` did: the query
        becomes the first unit vector, and all rows of the matrix but the first are zero, which
        take no space in a compressed file. The outputs stay the same.
        """
        if isinstance(getattr(self, "attention", None), BahdanauAttention):
            kernel = self.attention.query_kernel
            product = ops.matmul(self.query[0], kernel)  # [1, units]
            kernel.assign(ops.concatenate([product, ops.zeros_like(kernel[1:])], axis=0))
            self.query.assign(ops.one_hot([[0]], self.query.shape[-1], dtype=self.query.dtype))

    def _last(self, states, mask):
        following = ops.concatenate([mask[:, 1:], ops.zeros_like(mask[:, :1])], axis=1)
        final = mask - following  # one at the last valid step, [batch, time]
        if not self.bidirectional:
            return _weighted_sum(final, states), final[:, None, :]
        first = ops.concatenate([mask[:, :1], ops.zeros_like(mask[:, 1:])], axis=1)
        forward, backward = ops.split(states, 2, axis=-1)
        vector = ops.concatenate(
            [_weighted_sum(final, forward), _weighted_sum(first, backward)], axis=-1
        )
        return vector, ((final + first) / 2)[:, None, :]

    def _max(self, states, mask):
        valid = mask[:, :, None] > 0  # [batch, time, 1]
        lowest = ops.cast(-1e4, states.dtype)
        candidates = ops.where(valid, states, lowest)
        largest = ops.max(candidates, axis=1, keepdims=True)  # [batch, 1, units]
        won = ops.cast(ops.logical_and(candidates == largest, valid), "float32")
        shares = won / ops.maximum(ops.sum(won, axis=1, keepdims=True), 1.0)
        any_valid = ops.cast(ops.max(mask, axis=1, keepdims=True), states.dtype)  # [batch, 1]
        return largest[:, 0] * any_valid, ops.mean(shares, axis=-1)[:, None, :]

    def _mean(self, states, mask, lengths):
        weights = mask / lengths
        return _weighted_sum(weights, states), weights[:, None, :]

    def _multi_head(self, states, mask, lengths, training):
        attended, weights = self.attention(
            states,
            states,
            attention_mask=mask[:, None, :] > 0,
            return_attention_scores=True,
            training=training,
        )
        states = self.norm(states + attended)
        weights = ops.cast(weights, "float32")  # [batch, heads, target, source]
        targets = (mask / lengths)[:, None, :, None]
        return (
            _weighted_sum(mask / lengths, states),
            ops.sum(weights * targets, axis=2) * mask[:, None, :],
        )

    def compute_mask(self, states, previous_mask=None):
        return None  # the vector has no steps

    def compute_output_spec(self, states, padding_mask, training=None):
        batch, time, units = states.shape
        heads = self.num_heads if self.pooling == "multi_head" else 1
        units = 3 * units if self.pooling == "concat" else units
        return (
            keras.KerasTensor((batch, units), dtype=self.compute_dtype),
            keras.KerasTensor((batch, heads, time), dtype="float32"),
        )

    def get_config(self):
        return super().get_config() | {
            "pooling": self.pooling,
            "bidirectional": self.bidirectional,
            "num_heads": self.num_heads,
            "dropout": self.dropout,
        }


def _weighted_sum(weights, states):
    """`[batch, time]` and `[batch, time, units]` to `[batch, units]`."""
    return ops.einsum("bt,btu->bu", ops.cast(weights, states.dtype), states)
