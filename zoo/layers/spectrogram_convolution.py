"""Convolutions over the time and the frequency of a spectrogram."""

import keras
from keras import ops

from zoo.checks import check_integer

WIDTH = 3  # frames and bands that a convolution sees


@keras.saving.register_keras_serializable("zoo")
class SpectrogramConvolution(keras.layers.Layer):
    """Convolutions that read a spectrogram as a picture, in front of a recurrent encoder.

    A sound that is somewhat higher, as of another voice, or somewhat later has about the same
    features. Each convolution is of 3 frames × 3 bands, keeps the frames, takes each second band,
    and has a ReLU.

    Args:
        filters: Integers: the number of filters of each convolution. Defaults to `(32, 32)`.

    Call arguments:
        inputs: Float tensor `[batch, frames, bands]`.
        padding_mask: Boolean tensor `[batch, frames]`, true on the first frames of each row.

    Returns:
        Float tensor `[batch, frames, features]`, zero at padding: the filters of the remaining
        bands. Each convolution leaves half of the bands, rounded up.

    Raises:
        ValueError: if `filters` is empty, or one is not a positive integer.

    References:
        - Amodei et al. 2016, "Deep Speech 2", section 3.5.
    """

    def __init__(self, filters=(32, 32), **kwargs):
        super().__init__(**kwargs)
        self.supports_masking = True
        if not filters:
            raise ValueError(f"`filters` must have a number. Received: filters={filters!r}")
        for count in filters:
            check_integer("filters", count, 1)
        self.filters = tuple(filters)
        self.convolutions = [
            keras.layers.Conv2D(
                count,
                WIDTH,
                strides=(1, 2),
                padding="same",
                activation="relu",
                data_format="channels_last",
                dtype=self.dtype_policy,
                name=f"convolution_{place}",
            )
            for place, count in enumerate(self.filters)
        ]

    def build(self, inputs_shape, padding_mask_shape):
        shape = (*inputs_shape, 1)
        for convolution in self.convolutions:
            convolution.build(shape)
            shape = convolution.compute_output_shape(shape)
        self.built = True

    def call(self, inputs, padding_mask):
        valid = ops.cast(padding_mask, self.compute_dtype)[:, :, None, None]
        states = ops.cast(inputs, self.compute_dtype)[:, :, :, None] * valid
        for convolution in self.convolutions:
            states = convolution(states) * valid
        batch, frames, bands, filters = ops.shape(states)
        return ops.reshape(states, (batch, frames, bands * filters))

    def compute_mask(self, inputs, previous_mask):
        return previous_mask

    def compute_output_shape(self, inputs_shape, padding_mask_shape):
        bands = inputs_shape[-1]
        for _ in self.filters:
            bands = -(-bands // 2)
        return (*inputs_shape[:-1], bands * self.filters[-1])

    def get_config(self):
        return super().get_config() | {"filters": list(self.filters)}
