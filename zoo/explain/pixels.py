"""Images as arrays: resizing, lighting by weights, and encoding as data URIs."""

import base64
import io

import numpy as np
from PIL import Image

DARKNESS = 0.4  # brightness of regions without weight
GLOW = np.array([255, 176, 59], "float32")  # colour over regions with the greatest weight
STRENGTH = 0.2  # of the glow
GREY = np.array([0.299, 0.587, 0.114], "float32")  # brightness of red, green, blue: ITU-R BT.601


def sized(image: np.ndarray, side: int) -> np.ndarray:
    """Resizes an image, keeping its proportions.

    Args:
        image: `uint8`, `[height, width, 3]`.
        side: int. The longer side of the result, in pixels.

    Returns:
        The resized image.
    """
    height, width = image.shape[:2]
    factor = side / max(height, width)
    size = max(1, round(width * factor)), max(1, round(height * factor))
    return np.asarray(Image.fromarray(image).resize(size, Image.Resampling.LANCZOS))


def lit(image: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Lights an image by weights: colour where the weight is greatest, dark grey where it is 0.

    Args:
        image: `uint8`, `[height, width, 3]`.
        weights: `[rows, columns]`, a grid over the image. Light is relative to the greatest.

    Returns:
        The lit image, of the same shape.
    """
    height, width = image.shape[:2]
    shares = (weights / (weights.max() or 1.0)).astype("float32")
    smooth = Image.fromarray(shares).resize((width, height), Image.Resampling.BICUBIC)
    light = np.asarray(smooth).clip(0, 1)[..., None]  # [height, width, 1]
    dark = DARKNESS * (image @ GREY)[..., None]
    bright = (1 - STRENGTH) * image + STRENGTH * GLOW
    return np.rint(dark + light * (bright - dark)).astype("uint8")


def data_uri(image: np.ndarray) -> str:
    """An image as a data URI, encoded as JPEG."""
    buffer = io.BytesIO()
    # No chroma subsampling, which would blur the colours of small images.
    Image.fromarray(image).save(buffer, "JPEG", quality=82, subsampling=0, optimize=True)
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}"
