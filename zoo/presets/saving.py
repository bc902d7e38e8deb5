"""Saves a model as a preset: atomically, with float16 weights by default."""

import errno
import io
import json
import os
import shutil
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from zoo.files import atomic_directory, atomic_write
from zoo.presets.card import (
    CARD_FILE,
    README_FILE,
    Card,
    PresetError,
    digest_of,
    read_card,
)
from zoo.presets.history import write_history
from zoo.presets.readme import readme
from zoo.presets.validation import check, hash_files
from zoo.tasks import TASKS, task_of

if TYPE_CHECKING:
    import keras_hub

    from zoo.data import Dataset

_DTYPES = ("float16", "float32")
OTHER_FILES_BYTES = 1 << 20  # upper bound of the files besides the weights
MIN_COMPRESSED_BYTES = 1 << 10
FLOAT16_BITS = 11  # significant bits, the first of which is not stored
LAYOUT = ("v110", "v110")  # HDF5 version: a preset of 300 arrays is 10 % smaller than in the oldest


def save(
    model: "keras_hub.models.Task",
    directory: str | Path,
    *,
    name: str,
    dataset: "Dataset | str",
    metrics: Mapping[str, float] | None = None,
    recipe: str = "",
    training: Mapping | None = None,
    licence: str | None = None,
    languages: Sequence[str] | None = None,
    citation: str | None = None,
    description: str = "",
    history: Sequence[tuple[int, Mapping[str, float]]] = (),
    dtype: str = "float16",
    significant_bits: int = 8,
    overwrite: bool = False,
) -> Card:
    """Saves a model with its card and README.

    The directory is written atomically. The optimizer and the compile configuration are not
    saved. The model is not changed.

    Args:
        model: A task of `zoo.models`, compiled or not.
        directory: Path of the preset.
        name: Name of the preset: letters, digits, `_`, `-` and `.`.
        dataset: The training data: a `zoo.data.Dataset`, or its name.
        metrics: Measured values by metric, such as `{"test/accuracy": 0.87}`. Defaults to `None`.
        recipe: The recipe that trained the model. Defaults to `""`.
        training: Facts of the training run: `command`, `seed`, `backend`, `versions`,
            `wall_time_s`, `machine`. Defaults to `None`.
        licence: Licence of the weights. Defaults to `None`: the dataset's, or `"unknown"`.
        languages: Language codes. Defaults to `None`: the dataset's.
        citation: Citation of the data. Defaults to `None`: the dataset's.
        description: One or two sentences. Defaults to `""`.
        history: Metrics after each epoch, for the learning curves: the epoch, and values by name.
            Defaults to none.
        dtype: `"float16"` or `"float32"`: the type in which weights are stored. Loading casts
            them to the dtype of the model. Defaults to `"float16"`.
        significant_bits: int, 2 to 11. Matrices in `"float16"` are rounded to as many, because
            zeros compress: with the 8 of bfloat16 the file is a fifth smaller than with all 11,
            with 5 it is two fifths smaller. Below 8 measure what is stored. Defaults to 8.
        overwrite: Whether to replace a directory that is not empty. Defaults to `False`.

    Returns:
        The card.

    Raises:
        FileExistsError: if the directory is not empty and `overwrite` is false.
        OSError: if the disk is full; no partial preset is left.
        ValueError: if the model is not a task of the zoo, `dtype` is unknown, a value of the card
            is invalid, or a weight is not finite or too large for `dtype`.
    """
    if dtype not in _DTYPES:
        raise ValueError(f"`dtype` must be one of {_DTYPES}. Received: dtype={dtype!r}")
    if significant_bits not in range(2, FLOAT16_BITS + 1):
        raise ValueError(
            f"`significant_bits` must be an integer from 2 to {FLOAT16_BITS}, those of float16. "
            f"Received: significant_bits={significant_bits!r}"
        )
    task = task_of(type(model))
    if task is None:
        raise ValueError(
            f"Only a task of `zoo.models` can be saved as a preset: {', '.join(TASKS)}. "
            f"Received: {type(model)}"
        )
    policies = {layer.dtype_policy.name for layer in model.backbone._flatten_layers()}
    if lower := sorted(name for name in policies if "bfloat16" in name or "mixed" in name):
        raise ValueError(
            "A preset is saved from a model in float32: load the model without a dtype, or build "
            "it so, and give it these weights by `set_weights(model.get_weights())`. "
            f"Received: a model with the dtype policy {', '.join(lower)}"
        )
    with atomic_directory(directory, overwrite=overwrite) as temporary:
        _require_room(temporary, model)
        model.save_to_preset(str(temporary), max_shard_size=None)
        for path in sorted(temporary.glob("*.h5")):
            _rewrite(path, dtype, significant_bits)
        if history:
            write_history(temporary, history)
        files = hash_files(temporary)
        card = Card(
            name=name,
            task=task.name,
            dataset=dataset if isinstance(dataset, str) else dataset.name,
            languages=tuple(_or_of(languages, dataset, "languages", ())),
            parameters=model.count_params(),
            bytes=sum((temporary / file).stat().st_size for file in files),
            sha256=digest_of(files),
            licence=_or_of(licence, dataset, "licence", "unknown"),
            metrics={key: float(value) for key, value in (metrics or {}).items()},
            description=description,
            recipe=recipe,
            citation=_or_of(citation, dataset, "citation", ""),
            training=dict(training or {}),
            files=files,
        )
        _write_card(temporary, card)
        check(temporary)
    return card


def update_card(directory: str | Path, **changes) -> Card:
    """Rewrites the card and README of a saved preset; its other files are not changed.

    Args:
        directory: The preset.
        **changes: New values of the card, such as `metrics`, measured with the stored weights.

    Returns:
        The new card.

    Raises:
        PresetError: if there is no card, or a value is invalid.
    """
    card = read_card(directory)
    if card is None:
        raise PresetError(f"The preset has no card.json to update. Received: {directory}")
    card = replace(card, **changes)
    _write_card(Path(directory), card)
    return card


def _write_card(directory: Path, card: Card) -> None:
    content = json.dumps(card.to_dict(), ensure_ascii=False, indent=2, allow_nan=False)
    for name, text in ((CARD_FILE, content + "\n"), (README_FILE, readme(card))):
        with atomic_write(directory / name) as temporary:
            temporary.write_text(text, "utf-8")


def _or_of(value, dataset, attribute, default):
    """The value unless it is `None`, else the dataset's; a dataset's bare name has none."""
    return getattr(dataset, attribute, default) if value is None else value


def _require_room(directory, model):
    """Raises an OSError if the disk is too full: HDF5 may crash the process while writing."""
    needed = 4 * model.count_params() + OTHER_FILES_BYTES
    if shutil.disk_usage(directory).free < needed:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(directory))


def _rewrite(path, dtype, significant_bits):
    """Rewrites a weights file in another dtype, compressed and without the optimizer."""
    import h5py
    import numpy as np

    # Written in memory first: see `_require_room`.
    content = io.BytesIO()
    with h5py.File(path, "r") as old, h5py.File(content, "w", libver=LAYOUT) as new:

        def copy(name, item):
            if name.split("/")[0] == "optimizer":
                return
            if isinstance(item, h5py.Group):
                new.require_group(name).attrs.update(item.attrs)
                return
            value = item[()]
            if np.issubdtype(value.dtype, np.floating):
                with np.errstate(over="ignore"):
                    if dtype == "float16" and value.ndim > 1:
                        value = _rounded(value, significant_bits)
                    value = value.astype(dtype)
                if not np.isfinite(value).all():
                    raise PresetError(
                        f"Weights must be finite and at most the maximum of {dtype} "
                        f"({np.finfo(dtype).max:.0f}): train again, or save with "
                        f"`dtype='float32'`. Received: {name} of {path.name}"
                    )
            if value.nbytes < MIN_COMPRESSED_BYTES or value.dtype.hasobject:
                dataset = new.create_dataset(name, data=value)
            else:
                # One chunk: the index of several takes a kilobyte or more.
                options = {"chunks": value.shape, "compression": "gzip", "shuffle": True}
                dataset = new.create_dataset(name, value.shape, value.dtype, **options)
                dataset.id.write_direct_chunk((0,) * value.ndim, _compressed(value))
            dataset.attrs.update(item.attrs)

        old.visititems(copy)
    path.write_bytes(content.getbuffer())


def _rounded(value, significant_bits):
    """Numbers of so many significant bits, the nearest ones."""
    import numpy as np

    fraction, exponent = np.frexp(value)
    return np.ldexp(np.round(np.ldexp(fraction, significant_bits)), exponent - significant_bits)


def _compressed(value):
    """The chunk of an array as HDF5's filters `shuffle` and `gzip` would store it, but smaller.

    Lossless. The first bytes of all weights, which have the exponents, come first, then the second
    ones. Each group has Huffman codes of its own, and no repetitions are looked for: weights have
    none, and those that are found by chance cost 4 % more than they save.
    """
    import numpy as np

    groups = np.frombuffer(value.tobytes(), "uint8").reshape(-1, value.itemsize).T
    deflate, content = zlib.compressobj(strategy=zlib.Z_RLE), b""
    for group in groups:
        content += deflate.compress(group.tobytes()) + deflate.flush(zlib.Z_SYNC_FLUSH)
    return content + deflate.flush()
