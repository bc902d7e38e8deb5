"""GRU whose reset gate is applied before the recurrent product."""

import keras


@keras.saving.register_keras_serializable("zoo")
class ResetBeforeGRU(keras.layers.GRU):
    """GRU as first published: `h~ = tanh(W x + U (r ⊙ h))`, with one bias.

    `keras.layers.GRU` and `torch.nn.GRU` compute `tanh(W x + r ⊙ (U h + b))`. Keras 1 and 2 have
    this one as `GRU(reset_after=False)`. It has no fused kernel.

    Args:
        units: int. Size of the hidden state.
        **kwargs: Other arguments of `keras.layers.GRU`.

    References:
        - Cho et al. 2014, "Learning phrase representations using RNN encoder–decoder", equations 5
          to 8.
    """

    def __init__(self, units, **kwargs):
        super().__init__(units, **{**kwargs, "reset_after": False})
