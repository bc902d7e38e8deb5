"""Image files, and reading images from files, bytes, arrays and archives as RGB."""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING

from zoo.files import DataFile

if TYPE_CHECKING:
    import numpy as np
    import PIL.Image

# The formats that Pillow may read. Others are refused: EPS, for example, would run Ghostscript.
FORMATS = ("PNG", "JPEG", "GIF", "BMP", "WEBP", "TIFF", "PPM")
MAX_PIXELS = 50_000_000
# The transposition that undoes each orientation of EXIF, by its name in `PIL.Image.Transpose`.
ORIENTATIONS = {
    2: "FLIP_LEFT_RIGHT",
    3: "ROTATE_180",
    4: "FLIP_TOP_BOTTOM",
    5: "TRANSPOSE",
    6: "ROTATE_270",
    7: "TRANSVERSE",
    8: "ROTATE_90",
}


class ImageError(ValueError):
    """The input is no image that can be read."""


class ImageFile(DataFile):
    """An image of a dataset."""


def zipped_images(archive: Path, names: Sequence[str]) -> list[ImageFile]:
    """Images that are uncompressed members of a zip archive.

    The position of each member is looked up once, so that images can then be read without opening
    the archive, by several threads and processes at the same time.

    Args:
        archive: The path of the archive.
        names: The names of the members.

    Returns:
        A list of `ImageFile`, one for each name.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is no zip archive, or a member is missing or compressed.
    """
    images = []
    try:
        with open(archive, "rb") as file, zipfile.ZipFile(file) as members:
            for name in names:
                member = members.getinfo(name)
                # A member's header has 30 bytes, of which the last four are the lengths of the
                # name and of the extra field, which both precede the content.
                file.seek(member.header_offset)
                lengths = struct.unpack("<26xHH", file.read(30))
                if member.compress_type != zipfile.ZIP_STORED:
                    raise ValueError(f"its member {name!r} is compressed")
                start = member.header_offset + 30 + sum(lengths)
                images.append(ImageFile(name, Path(archive), start, member.file_size))
    except (zipfile.BadZipFile, struct.error, KeyError, ValueError) as error:
        raise ValueError(
            f"The file must be a zip archive with each image as an uncompressed member "
            f"({error}). Received: {str(archive)!r}"
        ) from error
    return images


def read_image(
    source: str | Path | bytes | PIL.Image.Image | np.ndarray | ImageFile,
    size: tuple[int, int] | None = None,
) -> np.ndarray:
    """Reads an image as RGB.

    The EXIF orientation is applied, unless the metadata are damaged; transparent regions become
    white, 16-bit greys are converted to 8 bits, and of several frames the first is read.

    Args:
        source: The path of a file, the bytes of a file, a Pillow image, an `ImageFile`, or an
            array of dtype uint8 of shape `[height, width]` or `[height, width, channels]` with 1,
            3 (RGB) or 4 (RGBA) channels. Files may be PNG, JPEG, GIF, BMP, WebP, TIFF or PPM.
        size: `(height, width)` to resize to, bilinear and antialiased. The image is not cropped:
            its aspect ratio changes, so that everything in it stays visible. Defaults to `None`,
            the original size.

    Returns:
        An array of uint8, `[height, width, 3]`.

    Raises:
        FileNotFoundError: if there is no such file.
        ImageError: if the input is no image, is damaged or truncated, or has more than 50 million
            pixels, which is checked before decoding.
        TypeError: if `source` is of another type.
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
            f"An image must be given as a path, bytes, a Pillow image, an array or an `ImageFile`. "
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
            f"is converted by `(255 * array).round().astype('uint8')`. "
            f"Received: dtype {array.dtype}"
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
    except Exception as error:  # Pillow raises many kinds for damaged headers
        file.seek(0)
        raise ImageError(
            f"An image must be a whole file in one of the formats {', '.join(FORMATS)}. "
            f"Received: {name}, which begins with {file.read(16)!r}"
        ) from error
    if size and image.width * image.height <= MAX_PIXELS:
        # A large JPEG is decoded at a half, a quarter or an eighth of its size, if that is still
        # twice the size needed. The limit is square because the image may yet be rotated.
        image.draft(None, (2 * max(size), 2 * max(size)))
    return _pixels(image, name, size)


def _pixels(image: PIL.Image.Image, name: str, size: tuple[int, int] | None) -> np.ndarray:
    import numpy as np
    import PIL.Image

    if image.width * image.height > MAX_PIXELS:
        raise _too_large(name, f"{image.width:,} by {image.height:,}")
    try:
        image.load()
        rgb = _rgb(_upright(image), image.format)
    except Exception as error:  # many kinds, as above
        raise ImageError(
            f"An image must be whole, in colours or in greys of at most 16 bits: download it, or "
            f"save it, again. Received: {name}, of mode {image.mode} ({error})"
        ) from error
    if size:
        height, width = size
        rgb = rgb.resize((width, height), PIL.Image.Resampling.BILINEAR)
    return np.array(rgb)


def _upright(image: PIL.Image.Image) -> PIL.Image.Image:
    """The image, rotated as its metadata says."""
    import PIL.ExifTags
    import PIL.Image

    try:
        orientation = image.getexif().get(PIL.ExifTags.Base.Orientation)
    except Exception:  # many kinds, for a damaged block; the pixels are whole
        return image
    name = ORIENTATIONS.get(orientation) if isinstance(orientation, int) else None
    return image if name is None else image.transpose(PIL.Image.Transpose[name])


def _rgb(image: PIL.Image.Image, format: str | None) -> PIL.Image.Image:
    import numpy as np
    import PIL.Image

    if image.mode == "F":
        raise ValueError("its values are not whole numbers")
    if image.mode.startswith("I"):
        values = np.asarray(image)
        if values.min() < 0 or values.max() > 65_535:
            raise ValueError("its values take more than 16 bits")
        # Mode I, of arrays and files of 32-bit integers, holds 8-bit values too; but a PGM of
        # 16 bits is read into it as well.
        is_wide = image.mode == "I" and format != "PPM"
        shift = 0 if is_wide and values.max() <= 255 else 8
        greys = (values >> shift).astype("uint8")
        if (clear := image.info.get("transparency")) is not None:
            greys[values == clear] = 255  # white
        return PIL.Image.fromarray(greys).convert("RGB")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        white = PIL.Image.new("RGBA", image.size, "white")
        return PIL.Image.alpha_composite(white, image).convert("RGB")
    return image.convert("RGB")


def _too_large(name: str, pixels: str) -> ImageError:
    return ImageError(
        f"An image may have at most {MAX_PIXELS:,} pixels: save it smaller. Received: {name}, "
        f"which has {pixels}"
    )
