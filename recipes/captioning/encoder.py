"""The CNN of a captioner in training: what it starts from, and what of it stays as it is."""

import math
import zipfile
from pathlib import Path

import keras
import numpy as np

FORMATS = (".npz", ".weights.h5")


def load_weights(encoder: keras.Model, name: str, weights: str, output: str | None = None) -> None:
    """Puts pretrained weights into the CNN of a captioner.

    Args:
        encoder: What `zoo.layers.image.make_image_encoder` made.
        name: The name of the CNN.
        weights: `"imagenet"`, those that Keras downloads; or the path of a file of the same CNN
            without its classifier: `.weights.h5` of Keras, or `.npz` whose arrays are called
            `LAYER/WEIGHT`, such as `Conv1/kernel`. What the captioner has not is left out.
        output: The layer with which the CNN of the captioner ends. Defaults to `None`: its last.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the file is none of these, or not of this CNN.
    """
    if weights == "imagenet":
        source = getattr(keras.applications, name)(include_top=False, weights="imagenet")
        if output is not None:
            source = keras.Model(source.input, source.get_layer(output).output)
        # By place: some of its layers are named anew each time.
        for mine, theirs in zip(encoder.weights, source.weights, strict=True):
            mine.assign(theirs)
        return
    arrays = _read(encoder, name, Path(weights))
    if arrays is None:
        return
    wanted = {_path(layer, w): w for layer in encoder.layers for w in layer.weights}
    missing = sorted(set(wanted) - set(arrays))
    misshaped = [
        path for path in wanted if path in arrays and arrays[path].shape != wanted[path].shape
    ]
    if missing or misshaped:
        raise ValueError(
            f"The weights must be those of {name} without its classifier: {len(missing)} are "
            f"missing, {len(misshaped)} have another shape. Received: {weights}, without "
            f"{', '.join(missing[:3] or misshaped[:3])}"
        )
    for path, weight in wanted.items():
        weight.assign(arrays[path])


def split(encoder: keras.Model, train: str) -> tuple[keras.Model | None, keras.Model | None]:
    """What of a CNN stays as it is, so that it is computed once, and what training changes.

    They are made of the CNN's own layers, and the second takes what the first gives. A CNN stays
    in one piece where a shortcut leads past the cut, or where there is less in a picture than in
    what would be kept of it.

    Args:
        encoder: What `zoo.layers.image.make_image_encoder` made.
        train: What it was given.

    Returns:
        Two models, of which one may be `None`.
    """
    if train == "none":
        return encoder, None
    if train == "all":
        return None, encoder
    pictures, cut = encoder.input, encoder.get_layer(train).input
    if not isinstance(cut, keras.KerasTensor) or _bytes(cut, "float16") > _bytes(pictures, "uint8"):
        return None, encoder
    try:
        return keras.Model(pictures, cut), keras.Model(cut, encoder.output)
    except ValueError:
        return None, encoder


def _bytes(tensor, dtype):
    return math.prod(tensor.shape[1:]) * np.dtype(dtype).itemsize


def _read(encoder, name, file):
    """The arrays of a file; `None` if Keras has read it by itself."""
    if not file.is_file():
        raise FileNotFoundError(
            f"There is no such file of weights: name one that exists, imagenet, or null. "
            f"Received: model.weights={str(file)!r}"
        )
    if not file.name.endswith(FORMATS):
        raise ValueError(
            f"Weights are read from {' or '.join(FORMATS)}. Received: model.weights={str(file)!r}"
        )
    try:
        if file.suffix == ".npz":
            with np.load(file, allow_pickle=False) as arrays:
                return dict(arrays)
        encoder.load_weights(file)
    except (ValueError, OSError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(
            f"The weights must be those of {name} without its classifier ({error}). "
            f"Received: model.weights={str(file)!r}"
        ) from error
    return None


def _path(layer, weight):
    return f"{layer.name}/{weight.name}"
