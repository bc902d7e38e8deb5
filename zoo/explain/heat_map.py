"""Draws the weights of pairs of tokens as a heat map."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties

from zoo.explain.drawing import DPI, FAINT, INK, PAPER_TO_MARKER, fitted, measurer, scale, write
from zoo.explain.fonts import drawable, families

# All lengths in points.
MARGIN, GAP = 12, 4
MIN_WIDTH = 220  # of the figure: room for the scale
FOOTER, LINE = 26, 14
ROOM = 700  # for all cells of a side
MIN_CELL, MAX_CELL = 8, 26
LETTERS, MAX_LETTERS = 0.62, 12  # font size: a share of the cell, and the greatest
MAX_LABEL = 9  # length of a label, in units of its font size
SLOPE = 0.7072  # width, and height, of a label at 45 degrees per unit of its length


def draw(
    source: Sequence[str], target: Sequence[str], weights: Sequence[Sequence[float]], note: str
) -> Figure:
    """Draws a heat map with the source along the top and the target down the side.

    Args:
        source: The label of each column.
        target: The label of each row.
        weights: Weights, `[target, source]`; colours are relative to the greatest.
        note: A note to write below the map, or `""`.

    Returns:
        The figure, which belongs to no window and need not be closed.
    """
    if not source or not target:
        source, target, weights = [], [], []
    across, down = len(source), len(target)
    cell = min(max(ROOM / max(across, down, 1), MIN_CELL), MAX_CELL)
    size = min(LETTERS * cell, MAX_LETTERS)
    family = families("".join(map(drawable, [*source, *target])) + "…")
    figure = Figure(dpi=DPI, facecolor="white")
    measure = measurer(figure, FontProperties(family=family, size=size))
    columns = [fitted(label, measure, MAX_LABEL * size) for label in source]
    rows = [fitted(label, measure, MAX_LABEL * size) for label in target]
    wide = [measure(label) for label in columns]
    sloped = any(width > cell - 2 for width in wide)

    left = MARGIN + max(map(measure, rows), default=0) + GAP
    top = MARGIN + (SLOPE * (max(wide) + size) if sloped else size) + GAP
    edge = left + across * cell
    ends = [left + (i + 0.5) * cell + SLOPE * (width + size) for i, width in enumerate(wide)]
    width = max([edge, MIN_WIDTH - MARGIN, *(ends if sloped else [])]) + MARGIN
    if note:
        words = measurer(figure, FontProperties(family=family, size=9))
        width = max(width, words(note) + 2 * MARGIN)
    bottom = top + down * cell
    height = bottom + FOOTER + LINE * bool(note)
    figure.set_size_inches(width / 72, height / 72)
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, width), ylim=(height, 0))
    axes.set_axis_off()

    values = np.array(weights, "float64").reshape(down, across)
    greatest = float(values.max(initial=0.0))
    if values.size:
        axes.pcolormesh(
            left + cell * np.arange(across + 1),
            top + cell * np.arange(down + 1),
            values,
            cmap=PAPER_TO_MARKER,
            vmin=0,
            vmax=greatest or 1.0,
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
    scale(axes, max(edge, MIN_WIDTH - MARGIN), bottom + FOOTER / 2, greatest, "weight", family)
    if note:
        write(axes, MARGIN, bottom + FOOTER + LINE / 2 - 4, note, family, 9, FAINT)
    return figure
