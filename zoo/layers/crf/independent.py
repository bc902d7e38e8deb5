"""Decoding of tags that are independent of each other."""

import keras
from keras import ops

from zoo.layers.crf.inference import IMPOSSIBLE
from zoo.layers.tensors import argmax


class IndependentTags(keras.layers.Layer):
    """The best tags of words and their probabilities, where no tag depends on another.

    The same as those of a `LinearChainCRF` whose transitions are zero, but nothing of size
    tags × tags is computed, of which there may be thousands each.

    Called on potentials `[batch, time, tags]`, it returns the tags, int32 `[batch, time]`, and the
    probabilities `[batch, time, tags]`, both 0 at padding, where all potentials are `IMPOSSIBLE`.
    """

    def call(self, potentials):
        probabilities = ops.softmax(potentials, axis=-1)
        return argmax(potentials), ops.where(potentials > IMPOSSIBLE / 2, probabilities, 0.0)
