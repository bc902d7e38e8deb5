"""Primitives that all drawings share: colours, texts, the scale, and writing figures to files.

All lengths are in points.
"""

import logging
from collections.abc import Callable
from typing import BinaryIO

import matplotlib
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.patches import Rectangle

from zoo.explain.fonts import drawable

DPI = 200
TEXT_SIZE = 14

INK, FAINT = "#1d2330", "#666d80"
PAPER_TO_MARKER = LinearSegmentedColormap.from_list(
    "marker", ["#f6f7f9", "#fdebc8", "#fdcf86", "#f9a73e"]
)
# Effects from the most negative to the most positive: against the answer, and for it.
AGAINST_TO_FOR = LinearSegmentedColormap.from_list(
    "effect", ["#e0564a", "#f3b3a9", "#f6f7f9", "#a5c8ee", "#3d85d0"]
)


def save(figure: Figure, file: BinaryIO, format: str) -> None:
    """Writes a figure; the same figure gives the same bytes each time.

    Args:
        figure: The figure.
        file: The file to write to.
        format: `"png"`, `"svg"` or `"pdf"`.
    """
    undated = {"png": {}, "svg": {"Date": None}, "pdf": {"CreationDate": None}}[format]
    logging.getLogger("fontTools.subset").setLevel(logging.ERROR)  # lists tables it leaves out
    with matplotlib.rc_context({"svg.hashsalt": "zoo"}):
        figure.savefig(file, format=format, metadata=undated, dpi=DPI)


def measurer(figure: Figure, font: FontProperties) -> Callable[[str], float]:
    """A function that returns the width of a text in a font."""
    renderer = FigureCanvasAgg(figure).get_renderer()

    def measure(text):
        pixels = renderer.get_text_width_height_descent(text, font, ismath=False)[0]
        return pixels * 72 / DPI

    return measure


def fitted(text: str, measure: Callable[[str], float], room: float) -> str:
    """The drawable part of a text, cut with an ellipsis if it is wider than `room`."""
    text, max_letters = drawable(text), int(room)  # no letter is narrower than a point
    if len(text) <= max_letters and measure(text) <= room:
        return text
    fitting = min(len(text) - 1, max_letters)
    while fitting > 1 and measure(text[:fitting] + "…") > room:
        fitting -= 1
    return text[:fitting] + "…"


def write(
    axes, x, y, text, family, size=TEXT_SIZE, color=INK, align="left", weight="normal", **settings
):
    """Draws a text literally (without TeX), vertically centred at `y`."""
    font = FontProperties(family=family, size=size, weight=weight)
    settings = {"ha": align, "va": "center", **settings}
    return axes.text(x, y, text, fontproperties=font, color=color, parse_math=False, **settings)


def scale(axes, right, y, greatest, label, family, colors=PAPER_TO_MARKER):
    """Draws a scale of colours from 0 to the greatest weight, which ends at `right`."""
    number, width = short(greatest), 90
    write(axes, right, y, number, family, 9, FAINT, "right")
    right -= 6 + 5 * len(number)
    for i in range(width):
        axes.add_patch(Rectangle((right - width + i, y - 4), 1.3, 8, fc=colors(i / width), lw=0))
    write(axes, right - width - 6, y, f"{label}   0", family, 9, FAINT, "right")


def effect_scale(axes, right, y, greatest, label, family):
    """Draws a scale of colours from the most negative effect to the most positive one."""
    width, number = 90, signed(greatest)
    write(axes, right, y, number, family, 9, FAINT, "right")
    right -= 6 + 5 * len(number)
    for i in range(width):
        color = AGAINST_TO_FOR(i / width)
        axes.add_patch(Rectangle((right - width + i, y - 4), 1.3, 8, fc=color, lw=0))
    write(axes, right - width - 6, y, f"{label}   {signed(-greatest)}", family, 9, FAINT, "right")


def wrapped(text: str, measure: Callable[[str], float], room: float) -> list[str]:
    """Breaks a text into lines between words; cuts words that are wider than a line."""
    lines: list[str] = []
    for word in drawable(" ".join(text.split())).split():
        if lines and measure(f"{lines[-1]} {word}") <= room:
            lines[-1] += f" {word}"
        else:
            lines.append(fitted(word, measure, room))
    return lines


def signed(effect: float) -> str:
    """An effect with its sign and two digits."""
    number = short(abs(effect))
    return number if not effect else f"+{number}" if effect > 0 else f"−{number}"


def short(weight: float) -> str:
    """A weight with two digits."""
    return f"{weight:.2f}" if weight >= 0.095 or not weight else f"{weight:.1g}"
