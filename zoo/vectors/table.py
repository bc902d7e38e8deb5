"""Word vectors cut to a vocabulary, with look-up and coverage."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from zoo.unicode import compose
from zoo.vectors.files import VectorFileError, read_rows

# Typographic characters that vocabularies of word vectors write plainly.
_PLAIN = str.maketrans({"’": "'", "‘": "'", "“": '"', "”": '"', "–": "-", "—": "-", "‐": "-"})


@dataclass(frozen=True)
class WordVectors:
    """The vectors of some words.

    Attributes:
        source: The file or folder.
        most_frequent: The first words of the file, which are its most frequent ones, in NFC.
        rows: The row of `matrix` of each word, in NFC.
        matrix: float32 `[words, size]`.
    """

    source: Path
    most_frequent: tuple[str, ...]
    rows: Mapping[str, int]
    matrix: np.ndarray

    @cached_property
    def _folded(self) -> dict[str, int]:
        """The row of each folded form: that of its most frequent word."""
        folded: dict[str, int] = {}
        for word, row in self.rows.items():
            folded.setdefault(fold(word), row)
        return folded

    @property
    def size(self) -> int:
        """Size of a vector."""
        return self.matrix.shape[1]

    def __contains__(self, word: str) -> bool:
        return self.row(word) is not None

    def row(self, word: str) -> int | None:
        """The row of a word in `matrix`, or `None`.

        Looked up as it is in NFC, then in lower case, then by its folded form, in which case and
        typographic quotation marks and dashes do not differ: of several words with the same form,
        the most frequent one is found.
        """
        word = compose(word)
        for form in (word, word.lower()):
            if (row := self.rows.get(form)) is not None:
                return row
        return self._folded.get(fold(word))

    def matrix_of(self, words: Iterable[str]) -> np.ndarray:
        """The vectors of words, float32 `[words, size]`; zeros of words that have none."""
        rows = [self.row(word) for word in words]
        matrix = np.zeros((len(rows), self.size), "float32")
        for i, row in enumerate(rows):
            if row is not None:
                matrix[i] = self.matrix[row]
        return matrix

    def coverage(
        self, words: Iterable[str], vocabulary: Collection[str] | None = None
    ) -> dict[str, float]:
        """The shares of `words` (different ones) and of `tokens` that have a vector.

        Args:
            words: Each as often as it occurs.
            vocabulary: The words that may have one. Defaults to all.
        """
        counts = Counter(map(compose, words))
        known = {
            word: count
            for word, count in counts.items()
            if word in self and (vocabulary is None or word in vocabulary)
        }
        return {
            "words": len(known) / max(len(counts), 1),
            "tokens": sum(known.values()) / max(sum(counts.values()), 1),
        }


def read_vectors(path: str | Path, words: Iterable[str], most_frequent: int = 0) -> WordVectors:
    """Reads the vectors of a vocabulary from a file, without holding the others in memory.

    Args:
        path: A file or folder, see `zoo.vectors.files.read_rows`.
        words: The words to read, in any case. Of a word that occurs twice in the file, the first
            row counts.
        most_frequent: int. Number of words at the start of the file to read too. Defaults to `0`.

    Raises:
        VectorFileError: if the file is damaged, or has none of the words.
        FileNotFoundError: if there is no such file.
    """
    words = list(words)
    wanted = {fold(word) for word in words}
    _, source = read_rows(path)
    rows: dict[str, int] = {}
    vectors: list[np.ndarray] = []
    frequent: dict[str, None] = {}
    for i, (_, word, values) in enumerate(source):
        word = compose(word)
        if i < most_frequent:
            frequent[word] = None
        if (i < most_frequent or fold(word) in wanted) and word not in rows:
            rows[word] = len(vectors)
            vectors.append(values())
    if not vectors:
        raise VectorFileError(
            f"The word vectors have none of the {len(set(words)):,} words of the data: give those "
            f"of its language. Received: {path}"
        )
    return WordVectors(Path(path), tuple(frequent), rows, np.stack(vectors))


def fold(word: str) -> str:
    """The form of a word in which case and typographic variants do not differ.

    >>> fold("Don’t") == fold("DON'T")
    True
    """
    return compose(compose(word).translate(_PLAIN).casefold())
