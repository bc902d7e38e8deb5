"""Attention weights between words as potentials of tags that are numbers of words."""

import keras
from keras import ops

from zoo.layers.tensors import as_float

ITSELF = -1  # the place of a tag whose words point at themselves
SMALLEST = 1e-9  # weight; with its logarithm, the potential of what a word does not point at


@keras.saving.register_keras_serializable("zoo")
class WordPointer(keras.layers.Layer):
    """Self-attention as the answer: a word points at the word that it attends to most.

    The potential of the tag `k` of a word is the logarithm of its attention weight on the word `k`.
    A word that refers to no other one points at itself. The layer has no weights.

    Args:
        places: The index of the word that each tag stands for, or -1 for the tag of words that
            point at themselves.

    Call arguments:
        weights: Float tensor `[batch, words, words]`: attention weights of each word, in its row.

    Returns:
        Potentials, float32 or wider, `[batch, words, tags]`.

    Raises:
        ValueError: if a place is not an integer of at least -1, or occurs twice.

    References:
        - Vinyals et al. 2015, "Pointer networks", equation 3.
    """

    def __init__(self, places, **kwargs):
        super().__init__(**kwargs)
        self.places = [int(place) for place in places]
        if not self.places or min(self.places) < ITSELF or len(set(self.places)) < len(self.places):
            raise ValueError(
                "`places` must be different integers of at least -1. "
                f"Received: places={list(places)}"
            )

    def call(self, weights):
        (weights,) = as_float((weights,), "float32")
        words = ops.shape(weights)[1]
        places = ops.convert_to_tensor(self.places, "int32")
        own = ops.arange(words, dtype="int32")[:, None]  # [words, 1]
        diagonal = ops.cast(own == own[:, 0], weights.dtype)
        itself = ops.sum(weights * diagonal, axis=-1, keepdims=True)  # [batch, words, 1]
        padded = ops.pad(weights, ((0, 0), (0, 0), (0, max(self.places) + 1)))
        others = ops.take(padded, ops.maximum(places, 0), axis=-1)  # [batch, words, tags]
        # A word's own number is no tag of it: that is what the tag for itself is for.
        others = ops.where(own == places, 0.0, others)
        return ops.log(ops.maximum(ops.where(places == ITSELF, itself, others), SMALLEST))

    def compute_output_shape(self, weights_shape):
        return (*weights_shape[:2], len(self.places))

    def get_config(self):
        return super().get_config() | {"places": self.places}
