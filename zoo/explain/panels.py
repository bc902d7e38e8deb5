"""Draws an image and, for each word of its caption, a copy lit by the word's weights."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties

from zoo.explain.drawing import DPI, FAINT, INK, fitted, measurer, short, write
from zoo.explain.fonts import drawable, families
from zoo.explain.pixels import lit, sized

# All lengths in points.
MARGIN, GAP = 14, 8
PANEL = 112  # the longer side of an image
MIN_PANEL = 56  # width of a panel: room for its label
MAX_COLUMNS, MIN_COLUMNS = 5, 3
TEXT_SIZE, LINE = 13, 19  # of the caption
LABEL_SIZE, LABEL = 10, 15
NUMBER_SIZE = 7
FOOTER = 20


def draw(
    image: np.ndarray, caption: str, words: Sequence[tuple[str, np.ndarray]], note: str
) -> Figure:
    """Draws the panels in rows, the unlit image first.

    Args:
        image: `uint8`, `[height, width, 3]`.
        caption: The caption, written above.
        words: Each word with its weights, `[rows, columns]`. Light is relative to the greatest.
        note: A note to write below the panels, or `""`.

    Returns:
        The figure, which belongs to no window and need not be closed.
    """
    image = sized(image, round(PANEL / 72 * DPI))
    tall, wide = (72 / DPI * side for side in image.shape[:2])
    cell_width, cell_height = max(wide, MIN_PANEL), LABEL + tall
    columns = min(max(len(words) + 1, MIN_COLUMNS), MAX_COLUMNS)
    rows = -(-(len(words) + 1) // columns)

    family = families("".join(map(drawable, [caption, *(word for word, _ in words)])) + "…")
    figure = Figure(dpi=DPI, facecolor="white")
    width = max(2 * MARGIN + columns * (cell_width + GAP) - GAP, _width(figure, family, note))
    measure = measurer(figure, FontProperties(family=family, size=TEXT_SIZE))
    lines = _lines(caption, measure, width - 2 * MARGIN)
    top = MARGIN + LINE * max(len(lines), 1)
    height = top + rows * (cell_height + GAP) + (FOOTER if note else MARGIN - GAP)
    figure.set_size_inches(width / 72, height / 72)
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, width), ylim=(height, 0))
    axes.set_axis_off()

    for i, line in enumerate(lines):
        write(axes, MARGIN, MARGIN + LINE * (i + 0.4), line, family, TEXT_SIZE)
    if not lines:
        write(axes, MARGIN, MARGIN + LINE * 0.4, "(no text)", family, TEXT_SIZE, FAINT)
    labels = measurer(figure, FontProperties(family=family, size=LABEL_SIZE))
    for i, (word, weights) in enumerate([("", None), *words]):
        x = MARGIN + (i % columns) * (cell_width + GAP)
        y = top + (i // columns) * (cell_height + GAP) + LABEL
        pixels = image if weights is None else lit(image, weights)
        axes.imshow(pixels, extent=(x, x + wide, y + tall, y), aspect="auto")
        if weights is not None:
            number = short(float(weights.max()))
            room = cell_width - 5 * len(number)
            baseline = {"va": "baseline"}
            label = fitted(word, labels, room)
            write(axes, x, y - 4, label, family, LABEL_SIZE, INK, **baseline)
            right = x + cell_width
            write(axes, right, y - 4, number, family, NUMBER_SIZE, FAINT, "right", **baseline)
    if note:
        write(axes, MARGIN, height - FOOTER / 2 - 2, note, family, 8, FAINT)
    return figure


def _width(figure, family, note):
    """The width of a figure that has room for the note."""
    measure = measurer(figure, FontProperties(family=family, size=8))
    return measure(note) + 2 * MARGIN if note else 0


def _lines(text, measure, room):
    """Breaks a text into lines between words; cuts words that are wider than a line."""
    lines: list[str] = []
    for word in drawable(" ".join(text.split())).split():
        if lines and measure(f"{lines[-1]} {word}") <= room:
            lines[-1] += f" {word}"
        else:
            lines.append(fitted(word, measure, room))
    return lines
