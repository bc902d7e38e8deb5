"""Reduction of the frame rate between the layers of a pyramidal encoder."""

import keras
from keras import ops

from zoo.checks import check_integer


@keras.saving.register_keras_serializable("zoo")
class FrameStacking(keras.layers.Layer):
    """Concatenates each `factor` neighbouring steps to one.

    Args:
        factor: int. Steps that become one. Defaults to `2`.

    Call arguments:
        inputs: Float tensor `[batch, time, features]`.
        padding_mask: Boolean tensor `[batch, time]`, true on the first steps of each row.

    Returns:
        A pair: the steps, `[batch, ceil(time / factor), factor * features]`, where zeros fill up
        the last one of a row, and their mask, bool `[batch, ceil(time / factor)]`.

    References:
        - Chan et al. 2016, "Listen, Attend and Spell", equation 5.
    """

    def __init__(self, factor=2, **kwargs):
        super().__init__(**kwargs)
        self.supports_masking = True
        check_integer("factor", factor, 1, 16)
        self.factor = factor

    def build(self, inputs_shape, padding_mask_shape):
        self.built = True

    def call(self, inputs, padding_mask):
        factor = self.factor
        if factor == 1:
            return inputs, padding_mask
        inputs = inputs * ops.cast(padding_mask, inputs.dtype)[:, :, None]
        steps = (ops.shape(inputs)[1] + factor - 1) // factor
        inputs = ops.pad(inputs, [[0, 0], [0, factor - 1], [0, 0]])[:, : steps * factor]
        stacked = ops.reshape(inputs, (-1, steps, factor * inputs.shape[-1]))
        return stacked, padding_mask[:, ::factor]

    def compute_mask(self, inputs, previous_mask):
        return None  # it is an output

    def compute_output_spec(self, inputs, padding_mask):
        batch, time, features = inputs.shape
        steps = None if time is None else -(-time // self.factor)
        return (
            keras.KerasTensor((batch, steps, self.factor * features), dtype=self.compute_dtype),
            keras.KerasTensor((batch, steps), dtype="bool"),
        )

    def get_config(self):
        return super().get_config() | {"factor": self.factor}
