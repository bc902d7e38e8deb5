"""What is computed once of each picture, and kept in a file: pixels, or what a CNN sees."""

import hashlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import keras
import numpy as np
from keras import ops
from tqdm import tqdm

from zoo.files import atomic_write
from zoo.home import home

if TYPE_CHECKING:
    from zoo.images import ImageFile
    from zoo.models import ImageToText

BATCH = 32
VERSION = "1"  # another where the same picture would give other numbers


def pixels(model: "ImageToText", pictures: "Sequence[ImageFile]") -> np.ndarray:
    """The pictures in the model's size: uint8 `[pictures, height, width, 3]`."""
    read = model.preprocessor.read
    return _kept(
        "pixels",
        [str(model.preprocessor.size)],
        pictures,
        lambda some: read(some).astype("uint8"),
    )


def features(
    model: "ImageToText",
    frozen: keras.Model,
    pictures: "Sequence[ImageFile]",
    flipped: bool = False,
) -> np.ndarray:
    """What the CNN sees as far as it stays as it is: float16 `[pictures, rows, columns, channels]`.

    Args:
        model: The captioner.
        frozen: Its CNN, or the beginning of it: see `recipes.captioning.encoder.split`.
        pictures: The pictures.
        flipped: bool. Of the pictures mirrored, left to right. Defaults to `False`.
    """
    backbone, read = model.backbone, model.preprocessor.read
    content = hashlib.sha256()
    for layer in frozen.layers:  # in this order on every backend
        for weight in sorted(layer.weights, key=lambda it: it.name):
            content.update(np.ascontiguousarray(ops.convert_to_numpy(weight)))
    step = -1 if flipped else 1
    network = [backbone.encoder, str(backbone.widths), str(backbone.encoder_output)]
    network += [backbone.train_encoder, keras.__version__, content.hexdigest()]
    return _kept(
        "features",
        [*network, str(backbone.image_size), str(flipped)],
        pictures,
        lambda some: np.asarray(frozen.predict_on_batch(read(some)[:, :, ::step])).astype(
            "float16"
        ),
    )


def _kept(
    what: str,
    settings: list[str],
    pictures: "Sequence[ImageFile]",
    compute: Callable[[list], np.ndarray],
) -> np.ndarray:
    """The array of all pictures, from its file in the zoo's home, written first if need be."""
    digest = hashlib.sha256("\n".join([VERSION, *settings]).encode())
    for picture in pictures:
        digest.update(picture.sha256.encode())
    file = home() / "pictures" / f"{what}-{digest.hexdigest()[:24]}.npy"
    if not file.is_file():
        starts = range(0, len(pictures), BATCH)
        # Generation in turn: where a mapped file runs out of disk, the process is killed.
        with atomic_write(file) as beside, beside.open("wb") as out:
            for start in tqdm(starts, desc=f"{what} of {len(pictures):,} pictures", disable=None):
                some = compute(list(pictures[start : start + BATCH]))
                if not start:
                    shape = (len(pictures), *some.shape[1:])
                    kind = np.lib.format.dtype_to_descr(some.dtype)
                    header = {"descr": kind, "fortran_order": False, "shape": shape}
                    np.lib.format.write_array_header_1_0(out, header)
                out.write(np.ascontiguousarray(some).tobytes())
    return np.load(file, mmap_mode="r", allow_pickle=False)
