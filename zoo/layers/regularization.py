"""Regularisation of language models: word dropout of an embedding, penalties of activations."""

import keras
from keras import ops


@keras.saving.register_keras_serializable("zoo")
class EmbeddingDropout(keras.layers.Layer):
    """Drops words: all occurrences of a word in a batch have the embedding zero.

    The others are scaled by `1 / (1 - rate)`, as in other dropout.

    Args:
        vocabulary_size: int. Number of token ids.
        rate: float. The share of the vocabulary that is dropped in a batch.
        seed: int. Defaults to `None`.

    Call arguments:
        embedded: Float tensor `[batch, time, embedding_dim]`.
        token_ids: Integer tensor `[batch, time]`.
        training: bool. Whether to drop.

    References:
        - Gal and Ghahramani 2016, section 4.2; Merity et al. 2017, section 4.3.
    """

    def __init__(self, vocabulary_size, rate, seed=None, **kwargs):
        super().__init__(**kwargs)
        self.vocabulary_size = vocabulary_size
        self.rate = rate
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)
        self.built = True

    def call(self, embedded, token_ids, training=None):
        if not training or not self.rate:
            return embedded
        drawn = keras.random.uniform((self.vocabulary_size,), seed=self.seed_generator)
        kept = ops.cast(drawn >= self.rate, embedded.dtype) / (1 - self.rate)
        return embedded * ops.take(kept, token_ids, axis=0)[:, :, None]

    def compute_output_shape(self, embedded_shape, token_ids_shape=None):
        return embedded_shape

    def get_config(self):
        return super().get_config() | {
            "vocabulary_size": self.vocabulary_size,
            "rate": self.rate,
            "seed": self.seed,
        }


@keras.saving.register_keras_serializable("zoo")
class ActivationRegularization(keras.layers.Layer):
    """Penalties of hidden states in training: large ones (AR), and large changes (TAR).

    They are added to the losses of the model: `activation · mean(dropped²)`, and
    `temporal · mean((h_{t+1} - h_t)²)` of the states without dropout.

    Args:
        activation: float. The weight of AR, alpha. Defaults to `0.0`.
        temporal: float. The weight of TAR, beta. Defaults to `0.0`.

    Call arguments:
        dropped: Float tensor `[batch, time, units]`: the states after dropout, which are returned.
        hidden: Float tensor `[batch, time, units]`: the states before it.
        training: bool. Whether to add the losses.

    References:
        - Merity et al. 2017, "Revisiting activation regularization for language RNNs".
    """

    def __init__(self, activation=0.0, temporal=0.0, **kwargs):
        super().__init__(**kwargs)
        self.activation = activation
        self.temporal = temporal
        self.built = True

    def call(self, dropped, hidden, training=None):
        if training and self.activation:
            states = ops.cast(dropped, "float32")
            self.add_loss(self.activation * ops.mean(ops.square(states)))
        if training and self.temporal and hidden.shape[1] != 1:
            states = ops.cast(hidden, "float32")
            change = ops.square(states[:, 1:] - states[:, :-1])
            self.add_loss(self.temporal * ops.mean(change))
        return dropped

    def compute_output_shape(self, dropped_shape, hidden_shape=None):
        return dropped_shape

    def get_config(self):
        return super().get_config() | {"activation": self.activation, "temporal": self.temporal}
