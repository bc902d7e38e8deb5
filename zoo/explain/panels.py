"""Draws an image and, for each word of its caption, copies lit by weights and tinted by effects."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties

from zoo.explain.drawing import DPI, FAINT, INK, fitted, measurer, wrapped, write
from zoo.explain.fonts import drawable, families
from zoo.explain.pixels import shown, sized

if TYPE_CHECKING:
    from zoo.explain.caption_map import Panel

# All lengths in points.
MARGIN, GAP = 14, 8
PANEL = 112  # the longer side of an image
MIN_PANEL = 56  # width of a panel: room for its label
MAX_COLUMNS, MIN_COLUMNS = 5, 3
TEXT_SIZE, LINE = 13, 19  # of the caption
LABEL_SIZE, LABEL = 10, 15
NUMBER_SIZE = 7
NOTE_SIZE, NOTE_LINE = 8, 12
BETWEEN = 3  # pictures of one word


def draw(
    image: np.ndarray, caption: str, panels: "Sequence[Panel]", notes: Sequence[str]
) -> Figure:
    """Draws the panels in rows, the image itself first.

    Args:
        image: `uint8`, `[height, width, 3]`.
        caption: The caption, written above.
        panels: The panel of each word.
        notes: Sentences to write below the panels.

    Returns:
        The figure, which belongs to no window and need not be closed.
    """
    image = sized(image, round(PANEL / 72 * DPI))
    tall, wide = (72 / DPI * side for side in image.shape[:2])
    layers = max((len(panel.grids) for panel in panels), default=1)
    cell_width, cell_height = max(wide, MIN_PANEL), LABEL + layers * (tall + BETWEEN) - BETWEEN
    columns = min(max(len(panels) + 1, MIN_COLUMNS), MAX_COLUMNS)
    rows = -(-(len(panels) + 1) // columns)

    words = [panel.word for panel in panels]
    family = families("".join(map(drawable, [caption, *words, *notes])) + "…−")
    figure = Figure(dpi=DPI, facecolor="white")
    width = 2 * MARGIN + columns * (cell_width + GAP) - GAP
    measure = measurer(figure, FontProperties(family=family, size=TEXT_SIZE))
    lines = wrapped(caption, measure, width - 2 * MARGIN)
    measure = measurer(figure, FontProperties(family=family, size=NOTE_SIZE))
    written = [line for one in notes for line in wrapped(one, measure, width - 2 * MARGIN)]
    top = MARGIN + LINE * max(len(lines), 1)
    foot = top + rows * (cell_height + GAP)
    height = foot + NOTE_LINE * len(written) + MARGIN - GAP
    figure.set_size_inches(width / 72, height / 72)
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, width), ylim=(height, 0))
    axes.set_axis_off()

    for i, line in enumerate(lines):
        write(axes, MARGIN, MARGIN + LINE * (i + 0.4), line, family, TEXT_SIZE)
    if not lines:
        write(axes, MARGIN, MARGIN + LINE * 0.4, "(no text)", family, TEXT_SIZE, FAINT)
    labels = measurer(figure, FontProperties(family=family, size=LABEL_SIZE))
    for i, panel in enumerate([None, *panels]):
        x = MARGIN + (i % columns) * (cell_width + GAP)
        y = top + (i // columns) * (cell_height + GAP) + LABEL
        pictures = [image] if panel is None else [shown(image, *one) for one in panel.grids]
        for j, picture in enumerate(pictures):
            start = y + j * (tall + BETWEEN)
            axes.imshow(picture, extent=(x, x + wide, start + tall, start), aspect="auto")
        if panel is not None:
            room = cell_width - 5 * len(panel.number)
            baseline = {"va": "baseline"}
            label = fitted(panel.word, labels, room)
            write(axes, x, y - 4, label, family, LABEL_SIZE, INK, **baseline)
            right = x + cell_width
            number = panel.number
            write(axes, right, y - 4, number, family, NUMBER_SIZE, FAINT, "right", **baseline)
    for i, line in enumerate(written):
        write(axes, MARGIN, foot + NOTE_LINE * (i + 0.5), line, family, NOTE_SIZE, FAINT)
    return figure
