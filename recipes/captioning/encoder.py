"""CNN of a captioner in training: its initial weights, and its frozen and trained parts."""

import math
import zipfile
from pathlib import Path

import keras
import numpy as np

FORMATS = (".npz", ".weights.h5")


def load_weights(encoder: keras.Model, name: str, weights: str, output: str | None = None) -> None:
    """Loads pretrained weights into the CNN of a captioner.

    Args:
        encoder: The CNN, as `zoo.layers.image.make_image_encoder` returns it.
        name: Name of the CNN in `keras.applications`.
        weights: `"imagenet"` to download those of Keras; or the path of a file of the same CNN
            without its classifier: `.weights.h5` of Keras, or `.npz` with arrays named
            `LAYER/WEIGHT`, such as `Conv1/kernel`. Layers that the captioner lacks are ignored.
        output: The last layer of the captioner's CNN. Defaults to `None`, that of the whole CNN.

    Raises:
        FileNotFoundError: if the file does not exist.
        ValueError: if the file is of another format, or of another CNN.
    """
    if weights == "imagenet":
        source = getattr(keras.applications, name)(include_top=False, weights="imagenet")
        if output is not None:
            source = keras.Model(source.input, source.get_layer(output).output)
        # By position: Keras numbers the names of some layers per process.
        for variable, value in zip(encoder.weights, source.weights, strict=True):
            variable.assign(value)
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
    """Splits a CNN into a frozen part, whose features can be cached, and a trained part.

    Both consist of the CNN's own layers; the output of the first is the input of the second. The
    CNN is left whole, as the trained part, where a shortcut bypasses the cut, or where the
    features would take more space than the images.

    Args:
        encoder: The CNN, as `zoo.layers.image.make_image_encoder` returns it.
        train: Its argument `train`: `"none"`, `"all"`, or the first layer to train.

    Returns:
        The frozen and the trained part; `None` for one that is empty.
    """
    if train == "none":
        return encoder, None
    if train == "all":
        return None, encoder
    images, cut = encoder.input, encoder.get_layer(train).input
    if not isinstance(cut, keras.KerasTensor) or _bytes(cut, "float16") > _bytes(images, "uint8"):
        return None, encoder
    try:
        return keras.Model(images, cut), keras.Model(cut, encoder.output)
    except ValueError:  # the graph is disconnected: a shortcut bypasses the cut
        return None, encoder


def _bytes(tensor, dtype):
    return math.prod(tensor.shape[1:]) * np.dtype(dtype).itemsize


def _read(encoder, name, file):
    """The arrays of a `.npz` file; `None` for a `.weights.h5` file, which Keras loads itself."""
    if not file.is_file():
        raise FileNotFoundError(
            "model.weights must be an existing file, imagenet, or null. "
            f"Received: model.weights={str(file)!r}"
        )
    if not file.name.endswith(FORMATS):
        raise ValueError(
            f"A file of weights must end in {' or '.join(FORMATS)}. "
            f"Received: model.weights={str(file)!r}"
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
