"""Cached inputs of a captioner: resized images, or the features of a frozen CNN."""

import hashlib
from collections.abc import Callable, Sequence

import keras
import numpy as np
from keras import ops
from tqdm import tqdm

from zoo.files import atomic_write
from zoo.home import home
from zoo.images import ImageFile
from zoo.models import ImageToText
from zoo.models.batching import predict

BATCH_SIZE = 32
VERSION = "1"  # change it where the same image would give other numbers


def pixels(model: ImageToText, images: Sequence[ImageFile]) -> np.ndarray:
    """Images resized to the model's input: uint8 `[images, height, width, 3]`."""
    read = model.preprocessor.read
    return _cached(
        "pixels",
        [str(model.preprocessor.size)],
        images,
        lambda batch: read(batch).astype("uint8"),
    )


def features(
    model: ImageToText,
    frozen: keras.Model,
    images: Sequence[ImageFile],
    flipped: bool = False,
) -> np.ndarray:
    """Output of the frozen part of the CNN: float16 `[images, rows, columns, channels]`.

    Args:
        model: The captioner.
        frozen: The frozen part of its CNN, as `recipes.captioning.encoder.split` returns it.
        images: The images.
        flipped: bool. Whether to mirror the images left to right. Defaults to `False`.
    """
    backbone, read = model.backbone, model.preprocessor.read
    content = hashlib.sha256()
    for layer in frozen.layers:  # in the same order on every backend
        for weight in sorted(layer.weights, key=lambda it: it.name):
            content.update(np.ascontiguousarray(ops.convert_to_numpy(weight)))
    step = -1 if flipped else 1
    network = [backbone.encoder, str(backbone.widths), str(backbone.encoder_output)]
    network += [backbone.train_encoder, keras.__version__, content.hexdigest()]
    return _cached(
        "features",
        [*network, str(backbone.image_size), str(flipped)],
        images,
        lambda batch: predict(frozen, read(batch)[:, :, ::step]).astype("float16"),
    )


def _cached(
    name: str,
    settings: list[str],
    images: Sequence[ImageFile],
    compute: Callable[[list], np.ndarray],
) -> np.ndarray:
    """Memory-maps the array of all images from the zoo's home, after computing it if missing."""
    digest = hashlib.sha256("\n".join([VERSION, *settings]).encode())
    for image in images:
        digest.update(image.sha256.encode())
    file = home() / "pictures" / f"{name}-{digest.hexdigest()[:24]}.npy"
    if not file.is_file():
        starts = range(0, len(images), BATCH_SIZE)
        # Written as a stream: a process that runs out of disk in a memory map is killed.
        with atomic_write(file) as temporary, temporary.open("wb") as out:
            for start in tqdm(starts, desc=f"{name} of {len(images):,} images", disable=None):
                batch = compute(list(images[start : start + BATCH_SIZE]))
                if not start:
                    header = {
                        "descr": np.lib.format.dtype_to_descr(batch.dtype),
                        "fortran_order": False,
                        "shape": (len(images), *batch.shape[1:]),
                    }
                    np.lib.format.write_array_header_1_0(out, header)
                out.write(np.ascontiguousarray(batch).tobytes())
    return np.load(file, mmap_mode="r", allow_pickle=False)
