"""Multi-head attention."""

import keras
from keras import ops

from zoo.conflicts import check, head_conflicts
from zoo.layers.attention.base import Attention, check_positive


@keras.saving.register_keras_serializable("zoo")
class MultiHeadAttention(Attention):
    """Scaled dot-product attention in several heads, each on its own projections.

    It has the weights of `keras.layers.MultiHeadAttention`, in the same order, and with them the
    same outputs. Unlike that layer it takes projected keys, and a fully masked row has weights of
    zero.

    Args:
        num_heads: int. Number of heads.
        key_dim: int. Size of each head's queries and keys.
        value_dim: int. Size of each head's values. Defaults to `key_dim`.
        output_units: int. Size of the output. Defaults to the size of the query.
        use_bias: bool. Whether the projections have biases. Defaults to `True`.
        per_head_scores: bool. Whether to return the weights of each head, `[batch, num_heads,
            target, source]`, instead of their mean, `[batch, target, source]`. Defaults to
            `False`.
        **kwargs: See `Attention`.

    References:
        - Vaswani et al. 2017, section 3.2.2.
    """

    def __init__(
        self,
        num_heads,
        key_dim,
        value_dim=None,
        output_units=None,
        use_bias=True,
        per_head_scores=False,
        **kwargs,
    ):
        value_dim = key_dim if value_dim is None else value_dim
        check_positive(num_heads=num_heads, key_dim=key_dim, value_dim=value_dim)
        super().__init__(**kwargs)
        self.num_heads = num_heads
        self.key_dim = key_dim
        self.value_dim = value_dim
        self.output_units = output_units
        self.use_bias = use_bias
        self.per_head_scores = per_head_scores

    @classmethod
    def make(cls, units, num_heads=4, **options):
        check(head_conflicts(units, num_heads))
        return cls(num_heads, units // num_heads, **options)

    def build(self, query_shape, value_shape, key_shape=None):
        super().build(query_shape, value_shape, key_shape)
        key_shape = key_shape or value_shape
        keys, values = (self.num_heads, self.key_dim), (self.num_heads, self.value_dim)
        self.query_dense = self._dense("query", "btu,uhd->bthd", query_shape, keys)
        self.key_dense = self._dense("key", "bsu,uhd->bshd", key_shape, keys)
        self.value_dense = self._dense("value", "bsu,uhd->bshd", value_shape, values)
        units = (self.output_units or query_shape[-1],)
        shape = (*query_shape[:2], *values)
        self.output_dense = self._dense("attention_output", "bthd,hdu->btu", shape, units)

    def _dense(self, name, equation, input_shape, units):
        dense = keras.layers.EinsumDense(
            equation,
            output_shape=(None, *units),
            bias_axes=equation[-len(units) :] if self.use_bias else None,
            dtype=self.dtype_policy,
            name=name,
        )
        dense.supports_masking = True  # else it warns of a mask that its output has no use for
        dense.build(input_shape)
        return dense

    def project_keys(self, key, value=None):
        value = key if value is None else value
        return self.key_dense(key), self.value_dense(value)  # [batch, source, heads, dim] each

    def score(self, query, keys):
        query = self.query_dense(query) / self.key_dim**0.5
        return ops.einsum("bthd,bshd->bhts", query, keys[0])

    def weigh(self, scores, mask, query, position):
        mask = None if mask is None else mask[:, None]  # [batch or 1, 1, target or 1, source]
        return super().weigh(scores, mask, query, position)

    def combine(self, weights, value, keys):
        return self.output_dense(ops.einsum("bhts,bshd->bthd", weights, keys[1]))

    def report(self, weights):
        return weights if self.per_head_scores else ops.mean(weights, axis=1)

    def compute_output_shape(self, query_shape, value_shape, key_shape=None):
        return (*query_shape[:2], self.output_units or query_shape[-1])

    def _weights_shape(self, query_shape, value_shape):
        heads = (self.num_heads,) if self.per_head_scores else ()
        return (query_shape[0], *heads, query_shape[1], value_shape[1])

    def get_config(self):
        return super().get_config() | {
            "num_heads": self.num_heads,
            "key_dim": self.key_dim,
            "value_dim": self.value_dim,
            "output_units": self.output_units,
            "use_bias": self.use_bias,
            "per_head_scores": self.per_head_scores,
        }
