"""Pointer-generator: a decoder that writes tokens of the vocabulary or copies those it reads."""

import keras
from keras import ops

from zoo.layers.attention import ScaledDotProductAttention
from zoo.layers.attention.base import check_positive
from zoo.layers.tensors import as_float

SMALLEST = 1e-30  # probability; its logarithm and the inverse of it are finite in float32


@keras.saving.register_keras_serializable("zoo")
class PointerGenerator(keras.layers.Layer):
    """Mixes the distribution over the vocabulary with one over the tokens of the source.

    With `a` the attention weights of a step, `c` the weighted sum of the memory and `h` the output
    of the decoder, a token `w` has the probability

    `P(w) = g softmax(logits)[w] + (1 - g) sum_{i: source_i = w} a_i`, `g = sigmoid(v [h; c] + b)`.

    Source and target share one vocabulary. It must be able to spell every text, as a subword
    vocabulary with bytes can: then a copied word is a sequence of copied tokens, and no token of
    the source is outside the vocabulary. The previous token, a third input of `g` in the paper,
    is left out: `h` depends on it.

    The result has the form of logits, of which `P` is the softmax: those of the tokens that the
    source has are raised, the others stay as they are. It is computed from logarithms in float32
    or wider, so that neither a `g` near 0 or 1 nor an attention of zero makes it infinite.

    Args:
        units: int. Size of the space of an attention of its own, a scaled dot product of projected
            queries and keys, for decoders whose attention has several heads and layers. Defaults
            to `None`: the weights are given.

    Call arguments:
        logits: Float tensor `[batch, target, vocabulary]`.
        states: Float tensor `[batch, target, units]`: the outputs of the decoder.
        memory: Float tensor `[batch, source, memory_units]`: those of the encoder.
        source_ids: Integer tensor `[batch, source]`: the tokens of the source.
        memory_mask: Boolean tensor `[batch, source]`, false at padding. Defaults to `None`.
        weights: Float tensor `[batch, target, source]`: attention weights, zero at padding. Needed
            without `units`.
        projected_keys: As returned by `project_keys(memory)`. Defaults to `None`.

    Returns:
        A tuple: the logits of the mixture `[batch, target, vocabulary]`; the weights
        `[batch, target, source]`; and `g`, `[batch, target]`. All float32 or wider.

    Raises:
        ValueError: if `units` is below 1, or neither `units` nor weights are given.

    Example:

    >>> layer = PointerGenerator(units=8)
    >>> states, memory = keras.random.normal((2, 3, 8)), keras.random.normal((2, 4, 6))
    >>> source_ids = keras.ops.array([[5, 6, 5, 3], [7, 8, 9, 3]])
    >>> logits, weights, generated = layer(keras.ops.zeros((2, 3, 20)), states, memory, source_ids)
    >>> logits.shape, weights.shape, generated.shape
    ((2, 3, 20), (2, 3, 4), (2, 3))

    References:
        - See et al. 2017, "Get To The Point", equations 8 and 9.
    """

    def __init__(self, units=None, **kwargs):
        super().__init__(**kwargs)
        if units is not None:
            check_positive(units=units)
        self.supports_masking = True
        self.units = units
        self.switch = keras.layers.Dense(1, dtype=self.dtype_policy, name="switch")
        self.attention = None
        if units is not None:
            self.query_dense, self.key_dense = (
                keras.layers.Dense(units, use_bias=False, dtype=self.dtype_policy, name=name)
                for name in ("query", "key")
            )
            self.attention = ScaledDotProductAttention(dtype=self.dtype_policy, name="attention")

    def build(self, logits_shape, states_shape, memory_shape):
        width = states_shape[-1] + memory_shape[-1]
        self.switch.build((*states_shape[:2], width))
        if self.attention is not None:
            self.query_dense.build(states_shape)
            self.key_dense.build(memory_shape)
            self.attention.build(
                (*states_shape[:2], self.units), memory_shape, (*memory_shape[:2], self.units)
            )
        super().build(logits_shape)

    def project_keys(self, memory):
        """The keys of its own attention, once per sequence; `None` if the weights are given."""
        return None if self.attention is None else self.key_dense(memory)

    def call(
        self,
        logits,
        states,
        memory,
        source_ids,
        memory_mask=None,
        weights=None,
        projected_keys=None,
    ):
        states, memory = as_float((states, memory), self.compute_dtype)
        if self.attention is not None:
            if projected_keys is None:
                projected_keys = self.project_keys(memory)
            _, weights = self.attention(
                self.query_dense(states),
                memory,
                value_mask=memory_mask,
                projected_keys=projected_keys,
                return_attention_scores=True,
            )
        elif weights is None:
            raise ValueError(
                "A PointerGenerator needs attention weights: give `weights`, or make it with "
                "`units` for an attention of its own. Received: units=None, weights=None"
            )
        weights = ops.cast(weights, self._wide_dtype)
        context = ops.matmul(ops.cast(weights, memory.dtype), memory)  # [batch, target, units]
        switch = self.switch(ops.concatenate([states, context], axis=-1))
        switch = ops.cast(switch, self._wide_dtype)  # [batch, target, 1]
        logits = _mix(ops.cast(logits, self._wide_dtype), switch, weights, source_ids)
        return logits, weights, ops.sigmoid(switch[:, :, 0])

    @property
    def _wide_dtype(self):
        return keras.backend.result_type(self.compute_dtype, "float32")

    def compute_output_spec(
        self,
        logits,
        states,
        memory,
        source_ids,
        memory_mask=None,
        weights=None,
        projected_keys=None,
    ):
        steps = tuple(states.shape[:2])
        shapes = tuple(logits.shape), (*steps, memory.shape[1]), steps
        return tuple(keras.KerasTensor(shape, dtype=self._wide_dtype) for shape in shapes)

    def get_config(self):
        return super().get_config() | {"units": self.units}


def _mix(logits, switch, weights, source_ids):
    """The logits of the mixture.

    Multiplied by `Z / g`, with `Z = sum exp(logits)`, `P(w)` is `exp(logits[w]) + (1 - g) / g Z
    c_w`, where `c_w` is the sum of the weights of the tokens `w` of the source. So each such token
    is raised by `softplus(log Z - switch + log c_w - logits[w])`, once.
    """
    source_ids = ops.cast(source_ids, "int32")
    (batch, target, vocabulary), source = ops.shape(logits), ops.shape(source_ids)[1]
    same = source_ids[:, :, None] == source_ids[:, None, :]  # [batch, source, source]
    copied = ops.einsum("bts,bsr->btr", weights, ops.cast(same, weights.dtype))
    steps = ops.arange(source, dtype="int32")
    repeated = ops.any(ops.logical_and(same, steps[:, None] < steps[None, :]), axis=1)
    rows = ops.arange(batch * target, dtype="int32")
    places = ops.reshape(rows, (batch, target, 1)) * vocabulary + source_ids[:, None, :]
    places = ops.reshape(places, (-1,))  # of the source's tokens among the logits
    flat = ops.reshape(logits, (-1,))
    written = ops.reshape(ops.take(flat, places), (batch, target, source))
    total = ops.logsumexp(logits, axis=-1, keepdims=True) - switch
    raised = ops.softplus(total + ops.log(ops.maximum(copied, SMALLEST)) - written)
    raised = ops.where(repeated[:, None, :], 0.0, raised)
    raised = ops.segment_sum(ops.reshape(raised, (-1,)), places, batch * target * vocabulary)
    return logits + ops.reshape(raised, (batch, target, vocabulary))
