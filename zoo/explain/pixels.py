"""Images as arrays: resizing, lighting by weights, and encoding as data URIs."""

import base64
import io

import numpy as np
from PIL import Image

DARKNESS = 0.4  # brightness of regions without weight
GLOW = np.array([255, 176, 59], "float32")  # colour over regions with the greatest weight
STRENGTH = 0.2  # of the glow
GREY = np.array([0.299, 0.587, 0.114], "float32")  # brightness of red, green, blue: ITU-R BT.601
FOR, AGAINST = np.array([61, 133, 208], "float32"), np.array([224, 86, 74], "float32")


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


def shown(image: np.ndarray, grid: np.ndarray, greatest: float, signed: bool) -> np.ndarray:
    """An image with a grid over it: tinted if the grid has a sign, or else lit."""
    return tinted(image, grid, greatest) if signed else lit(image, grid, greatest)


def lit(image: np.ndarray, weights: np.ndarray, greatest: float | None = None) -> np.ndarray:
    """Lights an image by weights: colour where the weight is greatest, dark grey where it is 0.

    Args:
        image: `uint8`, `[height, width, 3]`.
        weights: `[rows, columns]`, a grid over the image. Negative weights count as 0.
        greatest: float. The weight that gives full light. Defaults to `None`: the greatest.

    Returns:
        The lit image, of the same shape.
    """
    most = float(weights.max()) if greatest is None else greatest
    light = _smooth(weights / most if most > 1e-9 else 0 * weights, image).clip(0, 1)
    dark = DARKNESS * (image @ GREY)[..., None]
    bright = (1 - STRENGTH) * image + STRENGTH * GLOW
    return np.rint(dark + light * (bright - dark)).astype("uint8")


def tinted(image: np.ndarray, effects: np.ndarray, strongest: float) -> np.ndarray:
    """Tints an image by effects: blue where they are positive, red where negative, grey at 0.

    Args:
        image: `uint8`, `[height, width, 3]`.
        effects: `[rows, columns]`, a grid over the image.
        strongest: float. The absolute value that gives full colour.

    Returns:
        The tinted image, of the same shape.
    """
    share = _smooth(effects / (strongest or 1.0), image).clip(-1, 1)
    grey = 60 + 0.6 * (image @ GREY)[..., None]
    color = np.where(share >= 0, FOR, AGAINST)
    mixed = grey + 0.75 * np.abs(share) * (color - grey)
    return np.rint(mixed).clip(0, 255).astype("uint8")


def _smooth(grid, image):
    """A grid, interpolated over an image: `[height, width, 1]`."""
    height, width = image.shape[:2]
    values = Image.fromarray(grid.astype("float32"))
    return np.asarray(values.resize((width, height), Image.Resampling.BICUBIC))[..., None]


def data_uri(image: np.ndarray) -> str:
    """An image as a data URI, encoded as JPEG."""
    buffer = io.BytesIO()
    # No chroma subsampling, which would blur the colours of small images.
    Image.fromarray(image).save(buffer, "JPEG", quality=82, subsampling=0, optimize=True)
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}"
