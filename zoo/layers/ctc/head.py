"""Output layer of a CTC model."""

import keras
from keras import ops

from zoo.layers.ctc.likelihood import IMPOSSIBLE


@keras.saving.register_keras_serializable("zoo")
class CTCHead(keras.layers.Layer):
    """Log-probabilities of labels at each frame, of which label 0 is the blank.

    At padding the blank is certain. Blanks after the last frame change no probability of a
    labelling, so that what reads the output needs no lengths. It computes in float32 or wider.

    Args:
        vocabulary_size: int. Number of labels, the blank included.

    Call arguments:
        inputs: Float tensor `[batch, frames, features]`.
        padding_mask: Boolean tensor `[batch, frames]`, false at padding.

    Returns:
        Float tensor `[batch, frames, vocabulary_size]`.

    References:
        - Graves et al. 2006, "Connectionist temporal classification", section 3.1.
    """

    def __init__(self, vocabulary_size, **kwargs):
        super().__init__(**kwargs)
        self.supports_masking = True
        self.vocabulary_size = vocabulary_size
        self.projection = keras.layers.Dense(
            vocabulary_size, dtype=self.dtype_policy, name="projection"
        )

    def build(self, inputs_shape, padding_mask_shape):
        self.projection.build(inputs_shape)
        super().build(inputs_shape)

    def call(self, inputs, padding_mask):
        logits = ops.cast(self.projection(inputs), self._width)
        labels = ops.arange(self.vocabulary_size, dtype="int32")
        blank = ops.cast(ops.where(labels == 0, 0.0, IMPOSSIBLE), self._width)
        mask = ops.cast(padding_mask, "bool")[:, :, None]
        return ops.where(mask, ops.log_softmax(logits, axis=-1), blank)

    @property
    def _width(self):
        return keras.backend.result_type(self.compute_dtype, "float32")

    def compute_output_spec(self, inputs, padding_mask):
        return keras.KerasTensor((*inputs.shape[:-1], self.vocabulary_size), dtype=self._width)

    def get_config(self):
        return super().get_config() | {"vocabulary_size": self.vocabulary_size}
