"""What is computed once of each picture, and kept in a file: pixels, or what a frozen CNN sees."""

import hashlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from keras import ops
from tqdm import tqdm

from zoo.files import write_beside
from zoo.home import home

if TYPE_CHECKING:
    from zoo.images import Picture
    from zoo.models import ImageToText

BATCH = 32


def pixels(model: "ImageToText", pictures: "Sequence[Picture]") -> np.ndarray:
    """The pictures in the model's size: uint8 `[pictures, height, width, 3]`."""
    read = model.preprocessor.read
    return _kept(
        "pixels",
        [str(model.preprocessor.size)],
        pictures,
        lambda some: read(some).astype("uint8"),
    )


def features(
    model: "ImageToText", pictures: "Sequence[Picture]", flipped: bool = False
) -> np.ndarray:
    """What the model's CNN sees: float16 `[pictures, rows, columns, channels]`.

    Args:
        model: The captioner.
        pictures: The pictures.
        flipped: bool. Of the pictures mirrored, left to right. Defaults to `False`.
    """
    encoder, backbone = model.backbone.image_encoder, model.backbone
    content = hashlib.sha256()
    for weight in sorted(encoder.weights, key=lambda it: it.path):
        content.update(np.ascontiguousarray(ops.convert_to_numpy(weight)))
    step = -1 if flipped else 1
    return _kept(
        "features",
        [backbone.encoder, str(backbone.image_size), str(flipped), content.hexdigest()],
        pictures,
        lambda some: model.features(
            list(model.preprocessor.read(some).astype("uint8")[:, :, ::step])
        ).astype("float16"),
    )


def _kept(
    what: str,
    settings: list[str],
    pictures: "Sequence[Picture]",
    compute: Callable[[list], np.ndarray],
) -> np.ndarray:
    """The array of all pictures, from its file in the zoo's home, written first if need be."""
    digest = hashlib.sha256("\n".join(settings).encode())
    for picture in pictures:
        digest.update(picture.sha256.encode())
    file = home() / "pictures" / f"{what}-{digest.hexdigest()[:24]}.npy"
    if not file.is_file():
        starts = range(0, len(pictures), BATCH)
        with write_beside(file) as beside:
            array = None
            for start in tqdm(starts, desc=f"{what} of {len(pictures):,} pictures", disable=None):
                some = compute(list(pictures[start : start + BATCH]))
                if array is None:
                    array = np.lib.format.open_memmap(
                        beside, "w+", some.dtype, (len(pictures), *some.shape[1:])
                    )
                array[start : start + len(some)] = some
            array.flush()
    return np.load(file, mmap_mode="r", allow_pickle=False)
