"""Streaming readers of files of word vectors.

A row is `(place, word, values)`; `values` is a function that reads the numbers of the row, so that
those of other words are never parsed.
"""

import gzip
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

import numpy as np

Row = tuple[str, str, Callable[[], np.ndarray]]

WORDS_FILE, VECTORS_FILE = "words.txt", "vectors.npy"  # of a folder
TEXT_SUFFIXES = (".txt", ".vec", ".txt.gz", ".vec.gz")
SUFFIXES = (*TEXT_SUFFIXES, ".npz")
FORMATS = (
    f"a text file with a word and its numbers in each line ({', '.join(TEXT_SUFFIXES)}), an .npz "
    f"file with `words` and `vectors`, or a folder with {WORDS_FILE} and {VECTORS_FILE}"
)


class VectorFileError(ValueError):
    """A file of word vectors that cannot be read."""


def read_rows(path: str | Path) -> tuple[int, Iterator[Row]]:
    """The size of the vectors of a file or folder, and an iterator over its rows.

    Args:
        path: One of `FORMATS`. A text file may begin with a header, the number of words and the
            size, as word2vec and fastText write it.

    Raises:
        VectorFileError: if the file has another format, or when the iterator reaches a row that is
            damaged.
        FileNotFoundError: if there is no such file.
    """
    path = Path(path)
    if path.is_dir():
        return _folder(path)
    if not path.is_file():
        raise FileNotFoundError(f"There is no file of word vectors here. Received: {path}")
    if path.name.endswith(".npz"):
        return _npz(path)
    if path.name.endswith(TEXT_SUFFIXES):
        return _text(path)
    remedy = ""
    if path.suffix == ".bin":
        remedy = (
            "; gensim converts word2vec's binary format: KeyedVectors.load_word2vec_format(FILE, "
            'binary=True).save_word2vec_format("vectors.vec")'
        )
    elif path.suffix == ".zip":
        remedy = "; unpack the archive, and give one of the files in it"
    raise VectorFileError(f"Word vectors are {FORMATS}{remedy}. Received: {path}")


def _open(path) -> IO[str]:
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8-sig", newline="\n")
    return open(path, encoding="utf-8-sig", newline="\n")


def _text(path):
    with _open(path) as lines:
        first = _fields(path, lines)
        second = _fields(path, lines)
    has_header = len(first) == 2 and all(field.isdigit() for field in first)
    size = int(first[1]) if has_header else len(first) - 1
    example = second if has_header else first
    if size < 1 or len(example) <= size or not all(map(_is_number, example[-size:])):
        raise VectorFileError(
            f"Each line must hold a word and its numbers, separated by spaces. Received: {path}, "
            f"whose first line is {' '.join(first)[:60]!r}"
        )
    return size, _text_rows(path, size, int(first[0]) if has_header else None)


def _fields(path, lines):
    try:
        return next(lines, "").split()
    except (UnicodeDecodeError, EOFError, gzip.BadGzipFile) as error:
        raise _damaged(path, 1, f"cannot be read ({error})") from error


def _text_rows(path, size, promised):
    """The rows of a text file; `promised` is the number of words by its header, if it has one."""
    number = count = 0
    with _open(path) as lines:
        try:
            for number, line in enumerate(lines, 1):
                if number == 1 and promised is not None:
                    continue
                line = line.rstrip()
                if line:
                    count += 1
                    yield _text_row(path, number, line, size)
        except (UnicodeDecodeError, EOFError, gzip.BadGzipFile) as error:
            raise _damaged(path, number + 1, f"cannot be read ({error})") from error
    if promised is not None and count < promised:
        raise VectorFileError(
            "Word vectors must have as many words as their first line says: download them again, "
            f'or change that line to "{count} {size}" if they were shortened on purpose. '
            f"Received: {path}, with {count:,} of {promised:,} words"
        )


def _text_row(path, number, line, size) -> Row:
    # From the right: a few words of GloVe 840B contain spaces.
    word, *numbers = line.replace("\t", " ").rsplit(" ", size)
    if len(numbers) != size or (" " in word and _is_number(word.rpartition(" ")[2])):
        count = len(line.split()) - 1
        raise _damaged(path, number, f"has {count} numbers, where the file has {size} a word")

    def values():
        try:
            return _finite(path, number, word, np.array(numbers, "float32"))
        except ValueError as error:
            raise _damaged(path, number, f"has a value that is no number ({error})") from error

    return f"line {number}", word, values


def _npz(path):
    try:
        with np.load(path, allow_pickle=False) as file:
            words, vectors = file["words"], file["vectors"]
    except (ValueError, KeyError, OSError, zipfile.BadZipFile) as error:
        raise VectorFileError(
            "An .npz file of word vectors has `words`, an array of strings, and `vectors`, an "
            f"array [words, size] (`numpy.savez(FILE, words=…, vectors=…)`). Received: {path} "
            f"({error})"
        ) from error
    return _arrays(path, words.tolist(), vectors)


def _folder(path):
    if missing := [name for name in (WORDS_FILE, VECTORS_FILE) if not (path / name).is_file()]:
        raise VectorFileError(
            f"A folder of word vectors has {WORDS_FILE} and {VECTORS_FILE}. "
            f"Received: {path}, which lacks {' and '.join(missing)}"
        )
    words = (path / WORDS_FILE).read_text("utf-8").removesuffix("\n").split("\n")
    try:
        vectors = np.load(path / VECTORS_FILE, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise VectorFileError(
            f"{VECTORS_FILE} must be an array that `numpy.save` wrote. Received: {path} ({error})"
        ) from error
    return _arrays(path, words, vectors)


def _arrays(path, words, vectors):
    if vectors.ndim != 2 or len(vectors) != len(words) or not vectors.size:
        raise VectorFileError(
            "The vectors must be an array [words, size], with a row for each word. Received: "
            f"{path} with {len(words)} words and an array {list(vectors.shape)}"
        )

    def rows():
        for i, word in enumerate(words):
            yield (
                f"row {i + 1}",
                word,
                lambda i=i, word=word: _finite(path, i + 1, word, np.array(vectors[i], "float32")),
            )

    return vectors.shape[1], rows()


def _finite(path, number, word, values):
    if not np.isfinite(values).all():
        raise _damaged(path, number, f"has a value that is not finite, for the word {word!r}")
    return values


def _damaged(path, number, what):
    return VectorFileError(
        f"Line {number} of the word vectors {what}: mend or remove that line. Received: {path}"
    )


def _is_number(field):
    try:
        float(field)
    except ValueError:
        return False
    return True
