"""Embeddings of words: trained, pretrained, or both side by side."""

import keras
from keras import ops

from zoo.tokenizers.words import UNKNOWN


def build_embeddings(vocabulary_size, dim, vector_dim, trained_words, dtype, name):
    """The trained embedding of words and the one for pretrained vectors.

    Args:
        vocabulary_size: int. Number of ids.
        dim: int. Size of the trained embedding; `0` for none.
        vector_dim: int. Size of the pretrained vectors; `0` for none.
        trained_words: int. Ids from this number on have no trained embedding of their own: they
            share that of the unknown word. `None` if all have one.
        dtype: A dtype or dtype policy.
        name: Name of the trained embedding.

    Returns:
        Two `keras.layers.Embedding`, or `None` for a size of 0. The vectors are zero.

    Raises:
        ValueError: if both sizes are 0, or `trained_words` does not fit.
    """
    if not dim and not vector_dim:
        raise ValueError(
            "Words need an embedding, trained or of vectors: set a size above 0. Received: 0 and 0"
        )
    if trained_words is not None and not (vector_dim and 1 < trained_words <= vocabulary_size):
        raise ValueError(
            "`trained_words` is for models with vectors, and at most the size of the vocabulary. "
            f"Received: trained_words={trained_words}, vocabulary_size={vocabulary_size}, "
            f"vector_dim={vector_dim}"
        )
    # Keras' default of ±0.05 is so small that a small model needs epochs to grow it.
    embedding = dim and keras.layers.Embedding(
        vocabulary_size if trained_words is None else trained_words,
        dim,
        embeddings_initializer=keras.initializers.RandomNormal(stddev=0.5),
        dtype=dtype,
        name=name,
    )
    vectors = vector_dim and keras.layers.Embedding(
        vocabulary_size, vector_dim, "zeros", dtype=dtype, name="word_vectors"
    )
    return embedding or None, vectors or None


def embed(ids, embedding, vectors):
    """Embeds ids with what `build_embeddings` returned: `[batch, words, dim + vector_dim]`."""
    if vectors is None:
        return embedding(ids)
    if embedding is None:
        return vectors(ids)
    trained = ids
    if embedding.input_dim < vectors.input_dim:
        trained = ops.where(ids < embedding.input_dim, ids, UNKNOWN)
    return keras.layers.Concatenate(dtype=vectors.dtype_policy, name="embedded")(
        [embedding(trained), vectors(ids)]
    )
