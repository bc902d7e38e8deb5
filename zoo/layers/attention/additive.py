"""Additive attention: Bahdanau et al. 2015, and the concat score of Luong et al. 2015."""

import keras
from keras import ops

from zoo.layers.attention.base import Attention, check_positive, project


@keras.saving.register_keras_serializable("zoo")
class BahdanauAttention(Attention):
    """Additive attention: the score is `vᵀ tanh(W q + U k)`.

    In the paper the query is the decoder's previous state. Keras' `AdditiveAttention` has
    neither `W` nor `U`.

    Args:
        units: int. Size of the space in which query and key are added.
        **kwargs: See `Attention`.

    References:
        - Bahdanau et al. 2015, equation 6 and appendix A.1.2.
    """

    def __init__(self, units, **kwargs):
        check_positive(units=units)
        super().__init__(**kwargs)
        self.units = units

    @classmethod
    def make(cls, units, num_heads=4, **options):
        return cls(units, **options)

    def build(self, query_shape, value_shape, key_shape=None):
        key_units = (key_shape or value_shape)[-1]
        self.query_kernel = self.add_weight((query_shape[-1], self.units), name="query_kernel")
        self.key_kernel = self.add_weight((key_units, self.units), name="key_kernel")
        self.scale = self.add_weight((self.units, 1), name="scale")
        super().build(query_shape, value_shape, key_shape)

    def project_keys(self, key, value=None):
        return project(key, self.key_kernel)  # [batch, source, units]

    def score(self, query, keys):
        return additive_score(project(query, self.query_kernel), keys, self.scale)

    def get_config(self):
        return super().get_config() | {"units": self.units}


@keras.saving.register_keras_serializable("zoo")
class LuongConcatAttention(Attention):
    """The score is `vᵀ tanh(W [q; k])`.

    One matrix over both is two matrices side by side, so this is the arithmetic of
    `BahdanauAttention`. What differs in the papers is the query, here the decoder's current
    state.

    Args:
        units: int. Size of the hidden layer.
        **kwargs: See `Attention`.

    References:
        - Luong et al. 2015, equation 8, "concat".
    """

    def __init__(self, units, **kwargs):
        check_positive(units=units)
        super().__init__(**kwargs)
        self.units = units

    @classmethod
    def make(cls, units, num_heads=4, **options):
        return cls(units, **options)

    def build(self, query_shape, value_shape, key_shape=None):
        self.query_units, key_units = query_shape[-1], (key_shape or value_shape)[-1]
        self.kernel = self.add_weight((self.query_units + key_units, self.units), name="kernel")
        self.scale = self.add_weight((self.units, 1), name="scale")
        super().build(query_shape, value_shape, key_shape)

    def project_keys(self, key, value=None):
        return project(key, self.kernel[self.query_units :])  # [batch, source, units]

    def score(self, query, keys):
        query = project(query, self.kernel[: self.query_units])
        return additive_score(query, keys, self.scale)

    def get_config(self):
        return super().get_config() | {"units": self.units}


def additive_score(query, keys, scale):
    hidden = ops.tanh(query[:, :, None, :] + keys[:, None, :, :])  # [batch, target, source, units]
    return ops.einsum("btsu,ux->btsx", hidden, scale)[..., 0]
