"""Draws a weight for each pair of tokens as a map of colours."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties

from zoo.explain.drawing import DPI, FAINT, INK, PAPER_TO_MARKER, fitted, measurer, scale, write
from zoo.explain.fonts import drawable, families

# All lengths in points.
MARGIN, GAP = 12, 4
LEAST_WIDTH = 220  # of the picture: room for the scale
FOOTER, LINE = 26, 14
ROOM, SMALLEST, LARGEST = 700, 8, 26  # for all cells of a side, and of one cell
LETTERS, MAX_LETTERS = 0.62, 12  # size of the letters: a share of the cell, and at most
LONGEST = 9  # label, in heights of its letters
SLOPE = 0.7072  # of a label at 45 degrees: its width, or height, by its length


def draw(
    source: Sequence[str], target: Sequence[str], weights: Sequence[Sequence[float]], note: str
) -> Figure:
    """Draws the map, the source along the top, the target down the side.

    Args:
        source: The label of each column.
        target: The label of each row.
        weights: Weights, `[target, source]`. Colours are relative to the greatest.
        note: What to write underneath, or `""`.

    Returns:
        The figure. It belongs to no window: nothing has to be closed.
    """
    if not source or not target:
        source, target, weights = [], [], []
    across, down = len(source), len(target)
    cell = min(max(ROOM / max(across, down, 1), SMALLEST), LARGEST)
    size = min(LETTERS * cell, MAX_LETTERS)
    family = families("".join(map(drawable, [*source, *target])) + "…")
    figure = Figure(dpi=DPI, facecolor="white")
    measure = measurer(figure, FontProperties(family=family, size=size))
    columns = [fitted(label, measure, LONGEST * size) for label in source]
    rows = [fitted(label, measure, LONGEST * size) for label in target]
    wide = [measure(label) for label in columns]
    sloped = any(width > cell - 2 for width in wide)

    left = MARGIN + max(map(measure, rows), default=0) + GAP
    top = MARGIN + (SLOPE * (max(wide) + size) if sloped else size) + GAP
    edge = left + across * cell
    ends = [left + (i + 0.5) * cell + SLOPE * (width + size) for i, width in enumerate(wide)]
    width = max([edge, LEAST_WIDTH - MARGIN, *(ends if sloped else [])]) + MARGIN
    if note:
        words = measurer(figure, FontProperties(family=family, size=9))
        width = max(width, words(note) + 2 * MARGIN)
    bottom = top + down * cell
    height = bottom + FOOTER + LINE * bool(note)
    figure.set_size_inches(width / 72, height / 72)
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, width), ylim=(height, 0))
    axes.set_axis_off()

    values = np.array(weights, "float64").reshape(down, across)
    most = float(values.max(initial=0.0))
    if values.size:
        axes.pcolormesh(
            left + cell * np.arange(across + 1),
            top + cell * np.arange(down + 1),
            values,
            cmap=PAPER_TO_MARKER,
            vmin=0,
            vmax=most or 1.0,
            edgecolors="white",
            linewidth=0.06 * cell,
        )
    else:
        write(axes, MARGIN, top, "(no text)", family, MAX_LETTERS, FAINT)
    for i, label in enumerate(columns):
        x = left + (i + 0.5) * cell
        if sloped:
            turned = {"va": "baseline", "rotation": 45, "rotation_mode": "anchor"}
            write(axes, x + 0.2 * size, top - GAP, label, family, size, INK, **turned)
        else:
            write(axes, x, top - GAP, label, family, size, INK, "center", va="baseline")
    for i, label in enumerate(rows):
        y = top + (i + 0.5) * cell + 0.35 * size
        write(axes, left - GAP, y, label, family, size, INK, "right", va="baseline")
    scale(axes, max(edge, LEAST_WIDTH - MARGIN), bottom + FOOTER / 2, most, "weight", family)
    if note:
        write(axes, MARGIN, bottom + FOOTER + LINE / 2 - 4, note, family, 9, FAINT)
    return figure
