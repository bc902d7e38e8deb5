"""Masks of frequencies and times in a spectrogram, as augmentation."""

import keras
from keras import ops

from zoo.checks import check_integer, check_number


@keras.saving.register_keras_serializable("zoo")
class SpecAugment(keras.layers.Layer):
    """Sets random bands and spans of frames of a spectrogram to zero, in training alone.

    Each row has masks of its own. The width of a mask is uniform from 0 to the largest, and its
    place is uniform.

    Args:
        frequency_mask: int. Largest number of features of a band, `F` in the paper. Defaults to
            `0`.
        time_mask: float. Largest share of a row's valid frames in a span, `p` in the paper.
            Defaults to `0.0`.
        num_masks: int. Number of bands, and of spans. Defaults to `2`.
        seed: int. Defaults to `None`.

    Call arguments:
        inputs: Float tensor `[batch, frames, features]`, of mean 0.
        padding_mask: Boolean tensor `[batch, frames]`, true on the first frames of each row.
        training: bool.

    Raises:
        ValueError: if an argument is out of its range.

    References:
        - Park et al. 2019, "SpecAugment", section 2, without time warping.
    """

    def __init__(self, frequency_mask=0, time_mask=0.0, num_masks=2, seed=None, **kwargs):
        super().__init__(**kwargs)
        self.supports_masking = True
        check_integer("frequency_mask", frequency_mask, 0)
        check_number("time_mask", time_mask, 0, 1)
        check_integer("num_masks", num_masks, 0, 100)
        self.frequency_mask = frequency_mask
        self.time_mask = time_mask
        self.num_masks = num_masks
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)

    def build(self, inputs_shape, padding_mask_shape):
        check_integer("frequency_mask", self.frequency_mask, 0, inputs_shape[-1])
        self.built = True

    def call(self, inputs, padding_mask, training=False):
        if not training or not self.num_masks or not (self.frequency_mask or self.time_mask):
            return inputs
        _, frames, features = ops.shape(inputs)
        size = ops.full_like(inputs[:, :1, 0], features)  # [batch, 1]
        length = ops.sum(ops.cast(padding_mask, size.dtype), axis=1, keepdims=True)
        bands = self._masked(features, size, self.frequency_mask + 0.999)
        spans = self._masked(frames, length, self.time_mask * length)
        keep = ops.logical_not(ops.logical_or(spans[:, :, None], bands[:, None, :]))
        return inputs * ops.cast(keep, inputs.dtype)

    def _masked(self, count, size, widest):
        """Which of `count` places of each row are in one of its masks, bool `[batch, count]`."""
        shape = (ops.shape(size)[0], self.num_masks)
        width, place = (
            keras.random.uniform(shape, dtype=size.dtype, seed=self.seed_generator)
            for _ in range(2)
        )
        width = ops.floor(width * widest)
        start = ops.floor(place * (size - width + 1))
        places = ops.arange(count, dtype="int32")[None, None, :]
        start, width = ops.cast(start, "int32")[:, :, None], ops.cast(width, "int32")[:, :, None]
        return ops.any(ops.logical_and(places >= start, places < start + width), axis=1)

    def compute_output_shape(self, inputs_shape, padding_mask_shape=None):
        return inputs_shape

    def get_config(self):
        return super().get_config() | {
            "frequency_mask": self.frequency_mask,
            "time_mask": self.time_mask,
            "num_masks": self.num_masks,
            "seed": self.seed,
        }
