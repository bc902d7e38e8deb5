"""Training of word vectors: skip-gram with subwords."""

import importlib
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from zoo.extras import need
from zoo.files import atomic_directory
from zoo.unicode import compose
from zoo.vectors.files import VECTORS_FILE, WORDS_FILE

BUCKETS = 200_000  # rows that the subwords share


def train_vectors(
    sentences: Iterable[Sequence[str]],
    size: int = 100,
    epochs: int = 5,
    min_count: int = 3,
    seed: int = 1,
) -> tuple[list[str], np.ndarray]:
    """Trains skip-gram vectors in which a word is the sum of its character n-grams.

    Args:
        sentences: Lists of words.
        size: int. Size of a vector. Defaults to `100`.
        epochs: int. Defaults to `5`.
        min_count: int. Number of occurrences from which a word has a vector. Defaults to `3`.
        seed: int. Of the initial vectors and the samples. Defaults to `1`.

    Returns:
        The words in NFC, the most frequent first, and their vectors, float32 `[words, size]`.

    Raises:
        MissingExtra: if gensim is not installed.
        ValueError: if no word occurs often enough.

    References:
        - Bojanowski et al. 2017, "Enriching word vectors with subword information".
    """
    need("vectors", "Training word vectors")
    fasttext = importlib.import_module("gensim.models.fasttext")  # heavy
    corpus = [[compose(word) for word in sentence] for sentence in sentences]
    model = fasttext.FastText(
        vector_size=size,
        window=5,
        min_count=min_count,
        sg=1,
        negative=5,
        min_n=2,
        max_n=5,
        bucket=BUCKETS,
        seed=seed,
        workers=1,  # the same vectors in every run
    )
    model.build_vocab(corpus)
    if not model.wv.index_to_key:
        raise ValueError(
            "Word vectors need words that occur often enough: give more text, or a lower "
            f"min_count. Received: {len(corpus)} sentences, min_count={min_count}"
        )
    model.train(corpus, total_examples=len(corpus), epochs=epochs)
    return list(model.wv.index_to_key), np.array(model.wv.vectors, "float32")


def save_vectors(folder: str | Path, words: Sequence[str], vectors: np.ndarray) -> None:
    """Writes vectors in half precision into a new folder, which `read_vectors` reads.

    Raises:
        FileExistsError: if the folder exists and is not empty.
    """
    with atomic_directory(folder) as new:
        (new / WORDS_FILE).write_text("".join(f"{word}\n" for word in words), "utf-8", newline="\n")
        np.save(new / VECTORS_FILE, vectors.astype("float16"))


def nearest(
    words: Sequence[str], vectors: np.ndarray, vector: np.ndarray, count: int
) -> list[tuple[str, float]]:
    """The words whose vectors have the largest cosine with a vector, and the cosines."""
    lengths = np.linalg.norm(vectors, axis=1) * np.linalg.norm(vector)
    cosines = vectors @ vector / np.maximum(lengths, 1e-9)
    best = np.argsort(-cosines, kind="stable")[:count]
    return [(words[i], float(cosines[i])) for i in best]
