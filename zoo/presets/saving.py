"""Saves a model as a preset: whole or not at all, in less than half the bytes."""

import errno
import io
import json
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from zoo.files import atomic_directory, atomic_write
from zoo.presets.builtin import tasks
from zoo.presets.card import (
    CARD_FILE,
    README_FILE,
    Card,
    PresetError,
    digest_of,
    read_card,
)
from zoo.presets.readme import readme
from zoo.presets.validation import check, hash_files

if TYPE_CHECKING:
    import keras_hub

    from zoo.data import Dataset

_DTYPES = ("float16", "float32")
ROOM_FOR_THE_REST = 1 << 20  # bytes, of what a preset holds besides weights
# Nothing is lost by it: the bytes with the exponents, put together, are a few different ones.
PACKED = {"compression": "gzip", "shuffle": True}
WORTH_PACKING = 1 << 10  # bytes
LAYOUT = ("v110", "v110")  # of HDF5; a preset of 300 arrays is a tenth smaller than in the oldest


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
    dtype: str = "float16",
    overwrite: bool = False,
) -> Card:
    """Saves a model with its card and README.

    The directory appears complete or not at all. The optimizer and what else compiling adds is
    left out. The model itself stays as it is.

    Args:
        model: A task of `zoo.models`, compiled or not.
        directory: Where the preset shall be.
        name: Name of the preset: letters, digits, `_`, `-` and `.`.
        dataset: What it was trained on: a `zoo.data.Dataset`, or its name.
        metrics: What was measured. Defaults to `None`: nothing.
        recipe: The recipe that made it. Defaults to `""`.
        training: How it was made: `command`, `seed`, `backend`, `versions`, `wall_time_s`,
            `machine`. Defaults to `None`.
        licence: Licence of the weights. Defaults to `None`: the dataset's, or `"unknown"`.
        languages: Language codes. Defaults to `None`: the dataset's.
        citation: Whom to cite. Defaults to `None`: as the dataset says.
        description: One or two sentences. Defaults to `""`.
        dtype: `"float16"` or `"float32"`: how the weights are stored. Keras casts them when it
            loads. Defaults to `"float16"`.
        overwrite: Whether a directory that holds something is replaced. Defaults to `False`.

    Returns:
        The card.

    Raises:
        FileExistsError: if the directory holds something and `overwrite` is false.
        OSError: if the disk is full; nothing of the preset remains.
        ValueError: if the model is no task of the zoo, `dtype` is another, a value of the card
            is wrong, or weights are not finite or too large for `dtype`.
    """
    if dtype not in _DTYPES:
        raise ValueError(f"`dtype` must be one of {_DTYPES}. Received: dtype={dtype!r}")
    task = type(model).__module__.removeprefix("zoo.models.").partition(".")[0]
    if task not in tasks() or not type(model).__module__.startswith("zoo.models."):
        raise ValueError(
            f"Only a task of `zoo.models` can be saved as a preset. Received: {type(model)}"
        )
    with atomic_directory(directory, overwrite=overwrite) as beside:
        _require_room(beside, model)
        model.save_to_preset(str(beside), max_shard_size=None)
        for path in sorted(beside.glob("*.h5")):
            _rewrite(path, dtype)
        files = hash_files(beside)
        card = Card(
            name=name,
            task=task,
            dataset=getattr(dataset, "name", dataset),
            languages=tuple(_or_of(languages, dataset, "languages", ())),
            parameters=model.count_params(),
            bytes=sum((beside / file).stat().st_size for file in files),
            sha256=digest_of(files),
            licence=_or_of(licence, dataset, "licence", "unknown"),
            metrics={key: float(value) for key, value in (metrics or {}).items()},
            description=description,
            recipe=recipe,
            citation=_or_of(citation, dataset, "citation", ""),
            training=dict(training or {}),
            files=files,
        )
        _write_card(beside, card)
        check(beside)
    return card


def update_card(directory: str | Path, **changes) -> Card:
    """Rewrites the card and README of a saved preset, whose other files stay as they are.

    Args:
        directory: The preset.
        **changes: Values of the card, such as `metrics`, measured from the very files.

    Returns:
        The new card.

    Raises:
        PresetError: if there is no card, or a value is wrong.
    """
    card = read_card(directory)
    if card is None:
        raise PresetError(f"There is no card to update_card. Received: {directory}")
    card = replace(card, **changes)
    _write_card(Path(directory), card)
    return card


def _write_card(directory: Path, card: Card) -> None:
    content = json.dumps(card.to_dict(), ensure_ascii=False, indent=2, allow_nan=False)
    for name, text in ((CARD_FILE, content + "\n"), (README_FILE, readme(card))):
        with atomic_write(directory / name) as beside:
            beside.write_text(text, "utf-8")


def _or_of(value, dataset, attribute, default):
    """The value if there is one, else what the dataset says (a bare name says nothing)."""
    return getattr(dataset, attribute, default) if value is None else value


def _require_room(directory, model):
    """HDF5, where a disk fills up under it, may take the whole process down."""
    needed = 4 * model.count_params() + ROOM_FOR_THE_REST
    if shutil.disk_usage(directory).free < needed:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(directory))


def _rewrite(path, dtype):
    """Stores a weights file in another dtype and packed, without the optimizer."""
    import h5py
    import numpy as np

    # In memory first: see `_require_room`.
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
                    value = value.astype(dtype)
                if not np.isfinite(value).all():
                    raise PresetError(
                        f"Weights must be finite, and no larger than {dtype} can hold "
                        f"({np.finfo(dtype).max:.0f}): train again, or save with "
                        f"`dtype='float32'`. Received: {name} of {path.name}"
                    )
            # In one piece: each has its own search tree, which is a kilobyte or more.
            packed = PACKED | {"chunks": value.shape} if value.nbytes >= WORTH_PACKING else {}
            new.create_dataset(name, data=value, **packed).attrs.update(item.attrs)

        old.visititems(copy)
    path.write_bytes(content.getbuffer())
