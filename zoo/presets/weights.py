"""Weights files of a preset: what they hold is known and bounded before Keras makes an array.

HDF5 stores a gigabyte of zeros in kilobytes, and may refer to other files. The sizes that a
configuration claims are bounded by the weights that the files hold: a model of the zoo has at least
one weight for each pair of a token and a dimension of its embedding, of which rarer tokens may have
fewer, and of two hidden units of a layer.
"""

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zoo.presets.card import PresetError

MAX_RATIO, FREE_BYTES = (
    20,
    16 << 20,
)  # bytes in memory to bytes in the file; weights compress little
MAX_OBJECTS, MAX_DEPTH = 100_000, 32
MAX_WITHOUT_FILES = 10_000_000  # weights of a model that comes without weights
# A cell of a user's own may have fewer weights than pairs of units; and tiny models have few.
SLACK, FREE_WEIGHTS = 4, 65_536
MAX_LENGTH = 1 << 20  # tokens, pixels or characters to which a preprocessor pads

_LAYERS = ("num_layers", "decoder_layers")
_REPETITIONS = ("num_inner_repetitions",)  # of each layer, in ALBERT
_VOCABULARIES = ("vocabulary_size", "vocab_size", "source_vocabulary_size")
_WIDTHS = (
    *("units", "decoder_units", "hidden_dim", "embedding_dim", "word_dim"),
    *("character_dim", "character_units", "widths"),
)
_OTHERS = (
    *("character_vocabulary_size", "intermediate_dim", "max_sequence_length", "num_heads"),
    "language_dim",
)
# Rows of `hidden_dim` numbers, in the encoders of KerasHub.
_ROWS = ("intermediate_dim", "max_sequence_length", "num_segments", "bucket_size")
_LENGTHS = (
    *("sequence_length", "encoder_sequence_length", "decoder_sequence_length"),
    *("character_length", "image_size"),
)
_NAMES = ("tags", "labels", "intents")


@dataclass(frozen=True)
class Stored:
    """The weights in the files of a preset.

    Attributes:
        weights: Their number.
        arrays: The number of arrays.
    """

    weights: int
    arrays: int


def measure(files: list[Path]) -> Stored:
    """Counts the weights in HDF5 files, from the headers of the arrays alone.

    Raises:
        PresetError: if a file is not HDF5, holds anything but arrays of numbers, refers to other
            files or places, or is far smaller than what it claims to hold.
    """
    import h5py

    if not files:
        return Stored(MAX_WITHOUT_FILES, MAX_OBJECTS)
    weights = arrays = 0
    for path in files:
        claimed, size = 0, path.stat().st_size
        try:
            with h5py.File(path, "r") as file:
                for array in _arrays(path, file):
                    count = math.prod(array.shape)
                    weights, arrays = weights + count, arrays + 1
                    claimed += count * array.dtype.itemsize
        except (OSError, RuntimeError, KeyError, TypeError) as error:
            raise PresetError(
                f"The weights of a preset must be readable HDF5: download it again. "
                f"Received: {path} ({type(error).__name__}: {error})"
            ) from error
        if claimed > MAX_RATIO * size + FREE_BYTES:
            raise PresetError(
                f"Weights must not take more than {MAX_RATIO} times the size of their file in "
                f"memory; nothing was loaded. Received: {path.name} of {size:,} bytes, which "
                f"claims to hold {claimed:,}"
            )
    return Stored(weights, arrays)


def _arrays(path: Path, file: Any) -> Iterator[Any]:
    """Walks the arrays of an open file without following links."""
    import h5py

    pending, seen = [(file, 0)], 0
    while pending:
        group, depth = pending.pop()
        for name in group:
            seen += 1
            if seen > MAX_OBJECTS or depth > MAX_DEPTH:
                raise _refused(path, name, "too many or too deeply nested arrays")
            if (
                group.id.links.get_info(name.encode(errors="surrogateescape")).type
                != h5py.h5l.TYPE_HARD
            ):
                raise _refused(path, name, "a link")
            item = group[name]
            if isinstance(item, h5py.Group):
                pending.append((item, depth + 1))
                continue
            if not isinstance(item, h5py.Dataset) or item.dtype.kind not in "fiub":
                raise _refused(path, name, "no array of numbers")
            storage = item.id.get_create_plist()
            if storage.get_layout() == h5py.h5d.VIRTUAL or storage.get_external_count():
                raise _refused(path, name, "an array in another file")
            yield item


def check_sizes(file: str, node: dict, stored: Stored, has_clusters: bool = False) -> None:
    """Refuses an object's configuration that claims a larger model than the files hold.

    Args:
        file: Name of the JSON file, for the error.
        node: The configuration.
        stored: What the files hold.
        has_clusters: bool. Whether the class cuts its vocabulary at `embedding_cutoffs`; of others
            the key says nothing. Defaults to `False`.
    """
    layers = max([1, *_numbers(node, _LAYERS)]) * max([1, *_numbers(node, _REPETITIONS)])
    if layers > stored.arrays:
        raise _too_large(file, f"num_layers={layers}", f"{stored.arrays:,} arrays")
    most = SLACK * stored.weights + FREE_WEIGHTS
    hidden = _numbers(node, ("units", "hidden_dim"))
    width = max([1, *(_numbers(node, ("embedding_dim", "word_dim")) or hidden)])
    claims = {name: layers * size * size for name in _WIDTHS for size in _numbers(node, (name,))}
    claims |= {
        name: _clusters(node, size, width) if has_clusters else size * width
        for name in _VOCABULARIES
        for size in _numbers(node, (name,))
    }
    claims |= {name: size for name in _OTHERS for size in _numbers(node, (name,))}
    for dim in _numbers(node, ("hidden_dim",)):
        claims |= {name: size * dim for name in _ROWS for size in _numbers(node, (name,))}
    claims |= {name: len(node[name]) for name in _NAMES if isinstance(node.get(name), list)}
    if "tags" in claims:
        claims["tags"] *= claims["tags"]  # the transitions of a CRF
    for name, least in claims.items():
        if least > most:
            value = node[name] if not isinstance(node[name], list) else f"{len(node[name])} names"
            raise _too_large(
                file, f"{name}={value}", f"{stored.weights:,} weights, and that needs {least:,}"
            )
    for name in _LENGTHS:
        for length in _numbers(node, (name,)):
            if length > MAX_LENGTH:
                raise PresetError(
                    f"A preprocessor pads to at most {MAX_LENGTH:,} steps; nothing was loaded. "
                    f"Received: {name}={length} in {file}"
                )


def _clusters(node: dict, size: float, width: float) -> float:
    """The weights of the embedding of a vocabulary that may be cut into clusters."""
    cutoffs, factor = node.get("embedding_cutoffs"), node.get("embedding_factor", 4)
    if not isinstance(cutoffs, list) or not all(map(_is_size, [*cutoffs, factor])):
        return size * width
    factor = int(min(max(factor, 1), 64))
    clusters = enumerate(itertools.pairwise([0, *cutoffs[:64], size]))
    weights = sum(max(end - first, 0) * width // factor**c for c, (first, end) in clusters)
    return max(weights, size)


def _numbers(node: dict, names: tuple[str, ...]) -> list[float]:
    """The numbers under these names, of lists the largest."""
    found: list[float] = []
    for name in names:
        value = node.get(name)
        values: list[Any] = value if isinstance(value, list) else [value]
        if values and all(map(_is_size, values)):
            found.append(max(values))
    return found


def _is_size(value: Any) -> bool:
    if isinstance(value, float) and not math.isfinite(value):
        return False
    return isinstance(value, int | float) and not isinstance(value, bool)


def _refused(path: Path, name: str, kind: str) -> PresetError:
    return PresetError(
        "The weights of a preset must be arrays of numbers within the file; nothing was loaded. "
        f"Received: {name} in {path.name}, {kind}"
    )


def _too_large(file: str, received: str, held: str) -> PresetError:
    return PresetError(
        "The configuration of a preset claims a larger model than its weights; nothing was loaded. "
        f"Received: {received} in {file}, where the files hold {held}"
    )
