"""Multiplicative attention: the dot, general and scaled dot-product scores."""

import keras
from keras import ops

from zoo.layers.attention.base import Attention


@keras.saving.register_keras_serializable("zoo")
class LuongDotAttention(Attention):
    """Dot-product attention: the score is `qᵀ k`. Query and key must have the same size.

    References:
        - Luong et al. 2015, equation 8, "dot".
    """

    def build(self, query_shape, value_shape, key_shape=None):
        key_shape = key_shape or value_shape
        if query_shape[-1] != key_shape[-1]:
            raise ValueError(
                "A dot product needs queries and keys of one size: project one of them, or use "
                "`LuongGeneralAttention`. "
                f"Received: query of shape {tuple(query_shape)}, key of shape {tuple(key_shape)}"
            )
        super().build(query_shape, value_shape, key_shape)

    def score(self, query, keys):
        return dot_score(query, keys)


@keras.saving.register_keras_serializable("zoo")
class LuongGeneralAttention(Attention):
    """General multiplicative attention: the score is `qᵀ W k`.

    References:
        - Luong et al. 2015, equation 8, "general".
    """

    def build(self, query_shape, value_shape, key_shape=None):
        key_units = (key_shape or value_shape)[-1]
        self.kernel = self.add_weight((query_shape[-1], key_units), name="kernel")
        super().build(query_shape, value_shape, key_shape)

    def project_keys(self, key, value=None):
        return ops.einsum("bsk,qk->bsq", key, ops.cast(self.kernel, key.dtype))

    def score(self, query, keys):
        return dot_score(query, keys)


@keras.saving.register_keras_serializable("zoo")
class ScaledDotProductAttention(LuongDotAttention):
    """Scaled dot-product attention: the score is `qᵀ k / √d`, with `d` the size of `q` and `k`.

    References:
        - Vaswani et al. 2017, equation 1.
    """

    def score(self, query, keys):
        return super().score(query, keys) / query.shape[-1] ** 0.5


def dot_score(query, keys):
    """The dot product of each query with each key."""
    return ops.matmul(query, ops.swapaxes(keys, 1, 2))  # [batch, target, source]
