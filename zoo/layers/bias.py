"""Bias of an output layer that has no other weights of its own."""

import keras


@keras.saving.register_keras_serializable("zoo")
class Bias(keras.layers.Layer):
    """Adds a trained vector to the last axis: the bias of logits by a tied embedding.

    It starts at zero, and learns how frequent each token is.
    """

    def build(self, input_shape):
        self.bias = self.add_weight((input_shape[-1],), initializer="zeros", name="bias")
        super().build(input_shape)

    def call(self, inputs):
        return inputs + self.bias
