"""Readers of files of arrays: torch state dicts, safetensors, Keras 2's HDF5.

Nothing in a file is run, and nothing large is read before its size is known.
"""

import json
import math
import re
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from zoo.extras import need

MAX_BYTES = 4 * 1024**3  # of all arrays of a file
MAX_ARRAYS = 10_000
MAX_HEADER = 16 * 1024**2  # bytes of JSON, and of one attribute
SHOWN = 20  # arrays in a message

_DTYPES = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2",
    "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "i1", "U8": "u1", "BOOL": "?",
}  # fmt: skip


class FileError(ValueError):
    """Error for a file that cannot be read, or lacks the weights that were expected."""


@dataclass(frozen=True)
class WeightFile:
    """The arrays of a file.

    Attributes:
        path: The file.
        framework: `"torch"` or `"keras"`.
        arrays: By name, `layer/weight` in files of Keras.
        configs: The configuration of each layer of Keras, where the file has one.
    """

    path: Path
    framework: str
    arrays: Mapping[str, np.ndarray]
    configs: Mapping[str, dict[str, Any]] = field(default_factory=dict)


def read(path: str | Path) -> WeightFile:
    """Reads the arrays of a file.

    Args:
        path: `.pt` or `.pth` (a state dict saved by torch), `.safetensors`, or `.h5` or `.hdf5`
            (a model or weights saved by Keras 2).

    Raises:
        FileError: if the file is of another kind, damaged, partial or too large.
        FileNotFoundError: if it does not exist.
        MissingExtra: if it needs torch, which is not installed.
    """
    path = Path(path)
    readers = {
        ".pt": _read_torch, ".pth": _read_torch, ".safetensors": _read_safetensors,
        ".h5": _read_keras, ".hdf5": _read_keras,
    }  # fmt: skip
    if path.suffix.lower() not in readers:
        raise FileError(
            f"Weights are imported from {', '.join(readers)}: a state dict of torch, or a model or "
            f"weights saved by Keras 2. Received: {path}"
        )
    if not path.is_file():
        raise FileNotFoundError(f"There is no such file. Received: {path}")
    _check_size(path.stat().st_size, path)
    file = readers[path.suffix.lower()](path)
    for name, array in file.arrays.items():
        if not np.isfinite(array).all():
            raise FileError(f"All weights must be finite. Received: {name} in {path}")
    return file


def described(arrays: Mapping[str, Any]) -> str:
    """Names and shapes of arrays for a message: `weight_ih_l0 (32, 6), …`."""
    shown = [f"{name} {tuple(array.shape)}" for name, array in list(arrays.items())[:SHOWN]]
    more = f", and {len(arrays) - SHOWN} more" if len(arrays) > SHOWN else ""
    return ", ".join(shown) + more if arrays else "no arrays"


def _check_size(count: int, path: Path) -> None:
    if count > MAX_BYTES:
        raise FileError(
            f"The arrays of a file may have {MAX_BYTES / 1e9:.1f} GB together: save the recurrent "
            f"layer alone. Received: {count / 1e9:.1f} GB in {path}"
        )


def _check_count(count: int, path: Path) -> None:
    if count > MAX_ARRAYS:
        raise FileError(f"A file may have {MAX_ARRAYS:,} arrays. Received: {count:,} in {path}")


def _damaged(path: Path, kind: str, reason: object) -> FileError:
    return FileError(
        f"The file is not a whole {kind}: save or download it again. Received: {path} ({reason})"
    )


def _read_torch(path: Path) -> WeightFile:
    """A state dict: torch unpickles tensors and plain containers only, with `weights_only`."""
    try:
        with zipfile.ZipFile(path) as archive:
            _check_size(sum(entry.file_size for entry in archive.infolist()), path)
            _check_count(len(archive.infolist()), path)
    except zipfile.BadZipFile as error:
        raise _damaged(path, "file of `torch.save` (1.6 or later)", error) from None
    need("torch", f"Reading {path} (unlike a state dict saved as .safetensors)")
    import torch

    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        # Of many types: pickle.UnpicklingError for a whole module, RuntimeError for a cut file.
        holds = re.search(r"GLOBAL ([\w.]+)", str(error))
        reason = f"it holds {holds[1]}" if holds else type(error).__name__
        raise FileError(
            "The file must hold a state dict alone, because objects of other classes would run "
            "code: torch.save(model.state_dict(), path). "
            f"Received: {path} ({reason})"
        ) from None
    if isinstance(content, Mapping) and isinstance(content.get("state_dict"), Mapping):
        content = content["state_dict"]  # as trainers store it
    tensors = content if isinstance(content, Mapping) else {}
    tensors = {name: it for name, it in tensors.items() if isinstance(it, torch.Tensor)}
    if not tensors:
        raise FileError(
            "The file must hold a state dict, a dictionary from names to tensors: "
            f"torch.save(model.state_dict(), path). Received: a {type(content).__name__} in {path}"
        )
    arrays = {str(name): _torch_array(it, path) for name, it in tensors.items()}
    return WeightFile(path, "torch", arrays)


def _torch_array(tensor: Any, path: Path) -> np.ndarray:
    if str(tensor.layout) != "torch.strided" or tensor.is_quantized:
        raise FileError(
            "Tensors must be dense and not quantized. "
            f"Received: {tensor.dtype}, {tensor.layout} in {path}"
        )
    _check_size(tensor.numel() * tensor.element_size(), path)  # an expanded tensor stores less
    return (tensor.float() if tensor.is_floating_point() else tensor).numpy()


def _read_safetensors(path: Path) -> WeightFile:
    """The format: a length, a JSON header with the place of each array, and the arrays."""
    kind = "file of safetensors"
    with open(path, "rb") as file:
        length = int.from_bytes(file.read(8), "little")
        size = path.stat().st_size
        if not 2 <= length <= min(MAX_HEADER, size - 8):
            raise _damaged(path, kind, f"a header of {length} bytes in {size}")
        try:
            header = json.loads(file.read(length))
            header.pop("__metadata__", None)
            _check_count(len(header), path)
            arrays = {}
            for name, it in header.items():
                start, end = (int(place) for place in it["data_offsets"])
                shape = [int(count) for count in it["shape"]]
                dtype = np.dtype(_DTYPES.get(it["dtype"], "<u2"))
                count = math.prod(shape) * dtype.itemsize
                if it["dtype"] not in (*_DTYPES, "BF16") or min([0, *shape]) < 0:
                    raise ValueError(f"{name} of {it['dtype']} {shape}")
                if not 0 <= start <= end <= size - 8 - length or end - start != count:
                    raise ValueError(f"{name} is at {start}–{end}, and has {count} bytes")
                file.seek(8 + length + start)
                array = np.frombuffer(file.read(count), dtype).reshape(shape)
                if it["dtype"] == "BF16":  # the upper half of a float32
                    array = (array.astype("<u4") << 16).view("<f4")
                arrays[name] = array
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            if isinstance(error, FileError):
                raise
            raise _damaged(path, kind, f"{type(error).__name__}: {error}") from None
    return WeightFile(path, "torch", arrays)


def _read_keras(path: Path) -> WeightFile:
    """One group a layer, with a dataset for each weight."""
    kind = "HDF5 file"
    try:
        with h5py.File(path, "r") as file:
            if "_layer_checkpoint_dependencies" in file or "layers" in file:
                raise FileError(
                    "Keras 3 wrote this file: load it with Keras 3 itself. HDF5 files are imported "
                    f"as Keras 2 wrote them. Received: {path} with {', '.join(file)}"
                )
            weights = file.get("model_weights", file)
            arrays: dict[str, np.ndarray] = {}
            total = 0
            for name, dataset in _datasets(weights, path):
                _check_count(len(arrays) + 1, path)
                total += dataset.size * dataset.dtype.itemsize
                _check_size(total, path)  # before a compressed one is read
                if dataset.dtype.kind not in "fiub":
                    raise FileError(
                        f"Weights must be numbers. Received: {name} of {dataset.dtype} in {path}"
                    )
                arrays[name] = dataset[()]
            configs = _layer_configs(file.attrs.get("model_config"))
    except FileError:
        raise
    except (OSError, KeyError, ValueError, TypeError, RuntimeError) as error:
        raise _damaged(path, kind, error) from None
    if not arrays:
        raise FileError(
            "The file has no weights: Keras 2's `model.save('it.h5')` or `save_weights('it.h5')` "
            f"writes one that has. Received: {path}"
        )
    return WeightFile(path, "keras", arrays, configs)


def _datasets(group: h5py.Group, path: Path, depth: int = 0) -> Iterator[tuple[str, h5py.Dataset]]:
    """Datasets with their paths, without `:0`. Those in other files are refused."""
    for key in group:
        if not isinstance(group.get(key, getlink=True), h5py.HardLink):
            raise FileError(f"The file must hold no links. Received: {group.name}/{key} in {path}")
        it = group[key]
        if isinstance(it, h5py.Dataset):
            if it.external or it.is_virtual:
                raise FileError(f"The arrays must be in the file. Received: {it.name} in {path}")
            yield key.removesuffix(":0"), it
        elif key != "optimizer_weights" and depth < 16:
            for name, dataset in _datasets(it, path, depth + 1):
                yield f"{key}/{name}", dataset


def _layer_configs(content: Any) -> dict[str, dict[str, Any]]:
    """The serialised layers of a model, by name: also those of models inside of it."""
    if content is None or len(content) > MAX_HEADER:
        return {}
    found: dict[str, dict[str, Any]] = {}
    pending = [json.loads(content)]
    while pending:
        node = pending.pop()
        if isinstance(node, list):  # of layers
            pending += node
        elif isinstance(node, dict):
            config = node.get("config")
            if not isinstance(config, dict):
                pending.append(config)  # of a Sequential before Keras 2.2
                continue
            if isinstance(config.get("name"), str):
                found[config["name"]] = node
            pending.append(config.get("layers"))
    return found
