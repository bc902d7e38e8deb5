"""Character-level features of words."""

import keras
from keras import ops

from zoo.choices import CHARACTER_FEATURES, check_choice
from zoo.conflicts import character_conflicts, check
from zoo.layers.attention.base import MASKED_SCORE
from zoo.layers.recurrent import RecurrentEncoder


@keras.saving.register_keras_serializable("zoo")
class CharacterFeatures(keras.layers.Layer):
    """A feature vector for each word, computed from its characters.

    - `"cnn"`: a convolution over the embedded characters, then the maximum over the word.
    - `"lstm"`: the last states of a bidirectional LSTM, concatenated.

    Args:
        vocabulary_size: int. Number of character ids; `0` is padding.
        kind: `"cnn"` or `"lstm"`. Defaults to `"cnn"`.
        embedding_dim: int. Size of the embedded characters. Defaults to `32`.
        units: int. Size of the vector; even for `"lstm"`. Defaults to `64`.
        kernel_size: int. Width of the convolution, in characters. Defaults to `3`.
        dropout: float. Dropout rate of the embedded characters. Defaults to `0.0`.

    Call arguments:
        inputs: Integer tensor `[batch, words, characters]`: character ids, padded with zeros.
        training: bool.

    Returns:
        Float tensor `[batch, words, units]`; zeros for a word without characters.

    Raises:
        ValueError: if an argument is out of its range.

    Example:

    >>> CharacterFeatures(100, units=8)(np.array([[[5, 6, 7], [8, 0, 0]]])).shape
    (1, 2, 8)

    References:
        - Convolution: dos Santos and Zadrozny 2014; Ma and Hovy 2016, section 2.1.
        - LSTM: Lample et al. 2016, section 4.1.
    """

    def __init__(
        self,
        vocabulary_size,
        kind="cnn",
        embedding_dim=32,
        units=64,
        kernel_size=3,
        dropout=0.0,
        **kwargs,
    ):
        super().__init__(**kwargs)
        check_choice("kind", kind, CHARACTER_FEATURES)
        if min(vocabulary_size, embedding_dim, units, kernel_size) < 1:
            raise ValueError(
                "Sizes must be at least 1. Received: "
                f"vocabulary_size={vocabulary_size}, embedding_dim={embedding_dim}, "
                f"units={units}, kernel_size={kernel_size}"
            )
        check(character_conflicts(kind, units))
        self.vocabulary_size = vocabulary_size
        self.kind = kind
        self.embedding_dim = embedding_dim
        self.units = units
        self.kernel_size = kernel_size
        self.dropout = dropout
        options = {"dtype": self.dtype_policy}
        self.embedding = keras.layers.Embedding(
            vocabulary_size,
            embedding_dim,
            embeddings_initializer=keras.initializers.RandomNormal(stddev=0.5),
            name="embedding",
            **options,
        )
        self.drop = keras.layers.Dropout(dropout, name="drop", **options)
        if kind == "cnn":
            self.reader = keras.layers.Conv1D(
                units, kernel_size, padding="same", name="convolution", **options
            )
        else:
            self.reader = RecurrentEncoder(
                "lstm", units // 2, bidirectional=True, return_state=True, name="lstm", **options
            )

    def build(self, input_shape):
        shape = (None, input_shape[-1])  # [batch * words, characters]
        self.embedding.build(shape)
        self.reader.build((*shape, self.embedding_dim))
        super().build(input_shape)

    def call(self, inputs, training=None):
        batch, words, characters = ops.shape(inputs)
        ids = ops.reshape(inputs, (batch * words, characters))
        mask = ops.not_equal(ids, 0)
        embedded = self.drop(self.embedding(ids), training=training)
        if self.kind == "lstm":
            _, states = self.reader(embedded, padding_mask=mask, training=training)
            features = states[-1][0]
        else:
            valid = ops.expand_dims(mask, -1)
            hidden = self.reader(embedded * ops.cast(valid, embedded.dtype))
            lowest = ops.cast(MASKED_SCORE, hidden.dtype)
            features = ops.max(ops.where(valid, hidden, lowest), axis=1)
            features = ops.where(ops.any(valid, axis=1), features, 0)
        return ops.reshape(features, (batch, words, self.units))

    def compute_output_shape(self, input_shape):
        return (*input_shape[:2], self.units)

    def compute_output_spec(self, inputs, training=None):
        shape = self.compute_output_shape(inputs.shape)
        return keras.KerasTensor(shape, dtype=self.compute_dtype)

    def get_config(self):
        return super().get_config() | {
            "vocabulary_size": self.vocabulary_size,
            "kind": self.kind,
            "embedding_dim": self.embedding_dim,
            "units": self.units,
            "kernel_size": self.kernel_size,
            "dropout": self.dropout,
        }
