"""Pictures: where their bytes lie, and reading them as pixels, whatever was given."""

from __future__ import annotations

import hashlib
import io
import struct
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import PIL.Image

# What Pillow may read. Others are refused: EPS, for one, would run Ghostscript.
FORMATS = ("PNG", "JPEG", "GIF", "BMP", "WEBP", "TIFF", "PPM")
MAX_PIXELS = 50_000_000


class ImageError(ValueError):
    """What was given is no picture that can be read."""


@dataclass(frozen=True)
class ImageFile:
    """A picture of a dataset, read when it is needed.

    Its bytes are `content`, or else `length` bytes of the file `path` from `start` on: a file of
    its own, or a part of an archive.

    Attributes:
        name: What to call it where it is shown.
        path: The file.
        start: Where in the file it begins. Defaults to `0`.
        length: Its length in bytes; -1 for all up to the end of the file. Defaults to `-1`.
        content: Its bytes, if they are in no file.
    """

    name: str
    path: Path | None = None
    start: int = 0
    length: int = -1
    content: bytes | None = field(default=None, repr=False)

    def read(self) -> bytes:
        """The bytes, as they are in the file."""
        if self.content is not None:
            return self.content
        if self.path is None:
            raise ValueError(
                f"An image file needs a path or its content. Received: name={self.name!r} alone"
            )
        with open(self.path, "rb") as file:
            file.seek(self.start)
            return file.read(self.length)

    @cached_property
    def sha256(self) -> str:
        """Of the bytes, as 64 hexadecimal digits."""
        return hashlib.sha256(self.read()).hexdigest()


def zipped_pictures(archive: Path, names: Sequence[str]) -> list[ImageFile]:
    """Pictures that are members of a zip archive, stored in it without compression.

    Where each begins is looked up once, here: to read one, the archive need not be opened as
    such, and any number of threads and processes may do so at a time.

    Args:
        archive: Path.
        names: The members' names.

    Returns:
        A list of `ImageFile`, one for each name.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is no zip archive, lacks a member, or has compressed it.
    """
    pictures = []
    try:
        with open(archive, "rb") as file, zipfile.ZipFile(file) as members:
            for name in names:
                member = members.getinfo(name)
                # A member's header is 30 bytes, of which the last four are the lengths of its
                # name and of what else comes before the content.
                file.seek(member.header_offset)
                lengths = struct.unpack("<26xHH", file.read(30))
                if member.compress_type != zipfile.ZIP_STORED:
                    raise ValueError(f"its member {name!r} is compressed")
                start = member.header_offset + 30 + sum(lengths)
                pictures.append(ImageFile(name, Path(archive), start, member.file_size))
    except (zipfile.BadZipFile, struct.error, KeyError, ValueError) as error:
        raise ValueError(
            f"The file must be a zip archive that holds each picture, uncompressed "
            f"({error}). Received: {str(archive)!r}"
        ) from error
    return pictures


def read_image(
    source: str | Path | bytes | PIL.Image.Image | np.ndarray | ImageFile,
    size: tuple[int, int] | None = None,
) -> np.ndarray:
    """Reads a picture as RGB.

    The rotation that a camera noted is applied, what is transparent is laid on white, 16-bit
    greys become 8-bit ones, and of several frames the first is taken.

    Args:
        source: The path of a file, the bytes of one, a Pillow image, a `ImageFile`, or an array of
            dtype uint8 of shape `[height, width]` or `[height, width, channels]` with 1, 3 (RGB)
            or 4 (RGBA) channels. Files may be PNG, JPEG, GIF, BMP, WebP, TIFF or PPM.
        size: `(height, width)` to resize to, bilinear and antialiased. The whole picture is
            squeezed into it, whatever its shape, so that nothing that could be described is cut
            off. Defaults to `None`, the picture's own size.

    Returns:
        An array of uint8, `[height, width, 3]`.

    Raises:
        FileNotFoundError: if there is no such file.
        ImageError: if it is no picture, is damaged or cut short, or has more than 50 million
            pixels, which is seen before they are read.
        TypeError: if `source` is none of the above.
        ValueError: if `size` is not two whole numbers of at least 1.
    """
    import numpy as np
    import PIL.Image

    _check_size(size)
    if isinstance(source, np.ndarray):
        return _pixels(_from_array(source), "the array", size)
    if isinstance(source, PIL.Image.Image):
        return _pixels(source, "the image", size)
    if isinstance(source, bytes):
        return _read(io.BytesIO(source), f"{len(source)} bytes", size)
    if isinstance(source, ImageFile):
        return _read(io.BytesIO(source.read()), source.name, size)
    if not isinstance(source, str | Path):
        raise TypeError(
            f"A picture must be given as a path, bytes, a Pillow image, an array or a `ImageFile`. "
            f"Received: {source!r:.80} of type {type(source).__name__}"
        )
    if not Path(source).is_file():
        raise FileNotFoundError(f"There is no such file. Received: {str(source)!r}")
    with open(source, "rb") as file:
        return _read(file, str(source), size)


def _check_size(size: tuple[int, int] | None) -> None:
    if size is None:
        return
    if (
        not isinstance(size, tuple | list)
        or len(size) != 2
        or not all(isinstance(side, int) and side >= 1 for side in size)
    ):
        raise ValueError(
            f"size must be (height, width), two whole numbers of at least 1. Received: size={size}"
        )


def _from_array(array: np.ndarray) -> PIL.Image.Image:
    import PIL.Image

    if array.dtype != "uint8":
        raise ImageError(
            f"An array must have the dtype uint8, values from 0 to 255; one of values from 0 to 1 "
            f"becomes so by `(255 * array).round().astype('uint8')`. Received: dtype {array.dtype}"
        )
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[:, :, 0]
    if array.size == 0 or array.ndim != 2 and array.shape[2:] not in ((3,), (4,)):
        raise ImageError(
            f"An array must have the shape [height, width] or [height, width, channels], with 1, "
            f"3 or 4 channels, and at least one pixel. Received: shape {array.shape}"
        )
    return PIL.Image.fromarray(array)


def _read(file: IO[bytes], name: str, size: tuple[int, int] | None) -> np.ndarray:
    import PIL.Image

    try:
        image = PIL.Image.open(file, formats=FORMATS)
    except (PIL.Image.DecompressionBombError, PIL.Image.DecompressionBombWarning) as error:
        raise _too_large(name, "far more") from error
    except Exception as error:  # what Pillow raises for damaged headers is of many kinds
        file.seek(0)
        raise ImageError(
            f"A picture must be a whole file, and one of {', '.join(FORMATS)}. Received: {name}, "
            f"which begins with {file.read(16)!r}"
        ) from error
    if size and image.width * image.height <= MAX_PIXELS:
        # A large JPEG is decoded at a half, a fourth or an eighth of its size, where that is
        # still twice what is needed. Square, for the picture may yet be rotated.
        image.draft(None, (2 * max(size), 2 * max(size)))
    return _pixels(image, name, size)


def _pixels(image: PIL.Image.Image, name: str, size: tuple[int, int] | None) -> np.ndarray:
    import numpy as np
    import PIL.Image
    import PIL.ImageOps

    if image.width * image.height > MAX_PIXELS:
        raise _too_large(name, f"{image.width:,} by {image.height:,}")
    try:
        image.load()
        rgb = _rgb(PIL.ImageOps.exif_transpose(image))
    except Exception as error:  # as above, and of as many kinds
        raise ImageError(
            f"A picture must be whole, in colours or in greys of at most 16 bits: fetch it, or "
            f"save it, again. Received: {name}, of mode {image.mode} ({error})"
        ) from error
    if size:
        height, width = size
        rgb = rgb.resize((width, height), PIL.Image.Resampling.BILINEAR)
    return np.array(rgb)


def _rgb(image: PIL.Image.Image) -> PIL.Image.Image:
    import numpy as np
    import PIL.Image

    if image.mode == "F":
        raise ValueError("its values are not whole numbers")
    if image.mode.startswith("I"):
        values = np.asarray(image)
        if values.min() < 0 or values.max() > 65_535:
            raise ValueError("its values take more than 16 bits")
        return PIL.Image.fromarray((values >> 8).astype("uint8")).convert("RGB")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        white = PIL.Image.new("RGBA", image.size, "white")
        return PIL.Image.alpha_composite(white, image).convert("RGB")
    return image.convert("RGB")


def _too_large(name: str, pixels: str) -> ImageError:
    return ImageError(
        f"A picture may have at most {MAX_PIXELS:,} pixels: save it smaller. Received: {name}, "
        f"which has {pixels}"
    )
