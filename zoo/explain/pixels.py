"""Pictures as arrays: sized, lit by weights, and as addresses that hold the picture itself."""

import base64
import io

import numpy as np
from PIL import Image

DARKNESS = 0.4  # of what has no weight: its share of the light
GLOW = np.array([255, 176, 59], "float32")  # over what has the greatest
STRENGTH = 0.2  # of the glow
GREY = np.array([0.299, 0.587, 0.114], "float32")  # brightness of red, green, blue: ITU-R BT.601


def sized(image: np.ndarray, side: int) -> np.ndarray:
    """The picture with its longer side of that many pixels, larger or smaller than it was.

    Args:
        image: `uint8`, `[height, width, 3]`.
        side: int.

    Returns:
        The same, in another size.
    """
    height, width = image.shape[:2]
    factor = side / max(height, width)
    size = max(1, round(width * factor)), max(1, round(height * factor))
    return np.asarray(Image.fromarray(image).resize(size, Image.Resampling.LANCZOS))


def lit(image: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The picture in colour where the weight is greatest; grey and dark where there is none.

    Args:
        image: `uint8`, `[height, width, 3]`.
        weights: `[rows, columns]`, a grid over the picture. Light is relative to the greatest.

    Returns:
        The picture, of the same shape.
    """
    height, width = image.shape[:2]
    shares = (weights / (weights.max() or 1.0)).astype("float32")
    smooth = Image.fromarray(shares).resize((width, height), Image.Resampling.BICUBIC)
    light = np.asarray(smooth).clip(0, 1)[..., None]  # [height, width, 1]
    dark = DARKNESS * (image @ GREY)[..., None]
    bright = (1 - STRENGTH) * image + STRENGTH * GLOW
    return np.rint(dark + light * (bright - dark)).astype("uint8")


def data_uri(image: np.ndarray) -> str:
    """The picture as an address that needs no file: a JPEG within."""
    buffer = io.BytesIO()
    # Colours as fine as brightness (`subsampling`), or those of small drawings would smear.
    Image.fromarray(image).save(buffer, "JPEG", quality=82, subsampling=0, optimize=True)
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}"
