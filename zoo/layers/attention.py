"""Attention: how a query weighs the values it is given.

The base class does all that the mechanisms share: masking, the softmax, dropout and the
weighted sum. A mechanism is its score.
"""

import keras
from keras import ops

# Far below any score, and finite: a softmax over nothing but masked scores stays a number.
MASKED_SCORE = -1e9


class Attention(keras.layers.Layer):
    """Base of the attention mechanisms. A subclass writes `score` and nothing else.

    Args:
        dropout: float. Share of the weights dropped in training. Defaults to `0.0`.

    Call arguments:
        query: Float tensor `[batch, target, query_units]`.
        value: Float tensor `[batch, source, units]`.
        key: Float tensor `[batch, source, key_units]`. Defaults to `value`.
        query_mask: Boolean tensor `[batch, target]`; the output is zero where false.
        value_mask: Boolean tensor `[batch, source]`; the weight is zero where false.
        key_mask: Boolean tensor `[batch, source]`. Defaults to `value_mask`.
        return_attention_scores: bool. Whether to return the weights too.
        training: bool. Whether to drop out.

    Returns:
        The weighted sums `[batch, target, units]`; with `return_attention_scores` a pair of
        them and the weights `[batch, target, source]`, float32 or wider, which sum to one
        over the source, or to zero where all of it is masked.
    """

    def __init__(self, dropout=0.0, **kwargs):
        super().__init__(**kwargs)
        self.dropout = dropout
        self.drop = keras.layers.Dropout(dropout, dtype="float32")

    def build(self, query_shape, value_shape, key_shape=None):
        super().build(query_shape)

    def score(self, query, key):
        """The score of each query against each key.

        Args:
            query: Float tensor `[batch, target, query_units]`.
            key: Float tensor `[batch, source, key_units]`.

        Returns:
            Float tensor `[batch, target, source]`.
        """
        raise NotImplementedError(f"{type(self).__name__} must define `score(query, key)`.")

    def call(
        self,
        query,
        value,
        key=None,
        query_mask=None,
        value_mask=None,
        key_mask=None,
        return_attention_scores=False,
        training=None,
    ):
        key = value if key is None else key
        key_mask = value_mask if key_mask is None else key_mask
        scores = ops.cast(self.score(query, key), "float32")  # [batch, target, source]
        if key_mask is not None:
            key_mask = ops.cast(key_mask, "bool")[:, None, :]  # [batch, 1, source]
            scores = ops.where(key_mask, scores, MASKED_SCORE)
        weights = ops.softmax(scores, axis=-1)
        if key_mask is not None:
            weights = weights * ops.cast(key_mask, weights.dtype)
        dropped = ops.cast(self.drop(weights, training=training), value.dtype)
        outputs = ops.matmul(dropped, value)  # [batch, target, units]
        if query_mask is not None:
            outputs = outputs * ops.cast(query_mask, outputs.dtype)[:, :, None]
        return (outputs, weights) if return_attention_scores else outputs

    def get_config(self):
        return super().get_config() | {"dropout": self.dropout}


@keras.saving.register_keras_serializable("zoo")
class BahdanauAttention(Attention):
    """Additive attention: the score is `vᵀ tanh(W q + U k)`.

    Args:
        units: int. Size of the space in which query and key are added.
        **kwargs: See `Attention`.

    References:
        - Bahdanau et al. 2015, equation 6 and appendix A.1.2.
    """

    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.units = units

    def build(self, query_shape, value_shape, key_shape=None):
        key_units = (key_shape or value_shape)[-1]
        self.query_kernel = self.add_weight((query_shape[-1], self.units), name="query_kernel")
        self.key_kernel = self.add_weight((key_units, self.units), name="key_kernel")
        self.scale = self.add_weight((self.units, 1), name="scale")
        super().build(query_shape, value_shape, key_shape)

    def score(self, query, key):
        query = ops.matmul(query, self.query_kernel)[:, :, None, :]  # [batch, target, 1, units]
        key = ops.matmul(key, self.key_kernel)[:, None, :, :]  # [batch, 1, source, units]
        return ops.matmul(ops.tanh(query + key), self.scale)[..., 0]

    def get_config(self):
        return super().get_config() | {"units": self.units}


@keras.saving.register_keras_serializable("zoo")
class LuongGeneralAttention(Attention):
    """Multiplicative attention: the score is `qᵀ W k`.

    References:
        - Luong et al. 2015, equation 8, "general".
    """

    def build(self, query_shape, value_shape, key_shape=None):
        key_units = (key_shape or value_shape)[-1]
        self.kernel = self.add_weight((query_shape[-1], key_units), name="kernel")
        super().build(query_shape, value_shape, key_shape)

    def score(self, query, key):
        return ops.einsum("btq,qk,bsk->bts", query, self.kernel, key)


@keras.saving.register_keras_serializable("zoo")
class ScaledDotProductAttention(Attention):
    """The score is `qᵀ k / √d`, with `d` the size of query and key.

    References:
        - Vaswani et al. 2017, equation 1.
    """

    def score(self, query, key):
        return ops.einsum("btd,bsd->bts", query, key) / query.shape[-1] ** 0.5
