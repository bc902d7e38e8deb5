"""Word vectors: reading, look-up, coverage and training. Imports no Keras."""

from zoo.vectors.files import VectorFileError
from zoo.vectors.sources import check_vectors, find_vectors, named_vectors
from zoo.vectors.table import WordVectors, read_vectors

__all__ = [
    "VectorFileError",
    "WordVectors",
    "check_vectors",
    "find_vectors",
    "named_vectors",
    "read_vectors",
]
