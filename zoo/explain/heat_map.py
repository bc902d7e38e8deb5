"""Draws the weights and the effects of pairs of tokens as heat maps, side by side."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.patches import Rectangle

from zoo.explain.drawing import (
    AGAINST_TO_FOR,
    DPI,
    FAINT,
    INK,
    PAPER_TO_MARKER,
    effect_scale,
    fitted,
    measurer,
    scale,
    wrapped,
    write,
)
from zoo.explain.fonts import drawable, families
from zoo.explain.matrix import Matrix

# All lengths in points.
MARGIN, GAP = 12, 4
MIN_WIDTH, MIN_SIGNED = 220, 250  # of a map with its margins: room for the scale
FOOTER, LINE, NOTE_SIZE = 26, 13, 9
TITLE, TITLE_SIZE = 24, 14
ROOM = 700  # for all cells of a side
MIN_CELL, MAX_CELL = 8, 26
LETTERS, MAX_LETTERS = 0.62, 12  # font size: a share of the cell, and the greatest
MAX_LABEL = 9  # length of a label, in units of its font size
SLOPE = 0.7072  # width, and height, of a label at 45 degrees per unit of its length


def draw(
    source: Sequence[str],
    target: Sequence[str],
    matrices: Sequence[Matrix],
    notes: Sequence[str] = (),
    title: str = "",
) -> Figure:
    """Draws heat maps with the source along the top and the target down the side.

    Args:
        source: The label of each column.
        target: The label of each row.
        matrices: What the maps show, from left to right; colours are relative to the greatest.
        notes: Sentences to write below the maps. Defaults to none.
        title: A title. Defaults to `""`.

    Returns:
        The figure, which belongs to no window and need not be closed.
    """
    if not source or not target:
        source, target = [], []
    across, down = len(source), len(target)
    cell = min(max(ROOM / max(across, down, 1), MIN_CELL), MAX_CELL)
    size = min(LETTERS * cell, MAX_LETTERS)
    family = families("".join(map(drawable, [*source, *target, *notes, title])) + "…−↔")
    figure = Figure(dpi=DPI, facecolor="white")
    measure = measurer(figure, FontProperties(family=family, size=size))
    columns = [fitted(label, measure, MAX_LABEL * size) for label in source]
    rows = [fitted(label, measure, MAX_LABEL * size) for label in target]
    wide = [measure(label) for label in columns]
    sloped = any(width > cell - 2 for width in wide)

    labels = MARGIN + max(map(measure, rows), default=0) + GAP
    top = MARGIN + TITLE * bool(title)
    top += (SLOPE * (max(wide) + size) if sloped else size) + GAP
    ends = [(i + 0.5) * cell + SLOPE * (width + size) for i, width in enumerate(wide)]
    lefts, width = [], 0.0
    for matrix in matrices:
        left = width + labels
        least = (MIN_SIGNED if matrix.signed else MIN_WIDTH) - MARGIN
        lefts.append(left)
        edges = [left + across * cell, width + least, *(left + end for end in ends if sloped)]
        width = max(edges) + MARGIN
    measure_notes = measurer(figure, FontProperties(family=family, size=NOTE_SIZE))
    if notes:
        width = max(width, min(420.0, max(map(measure_notes, notes)) + 2 * MARGIN))
    lines = [line for one in notes for line in wrapped(one, measure_notes, width - 2 * MARGIN)]
    bottom = top + down * cell
    height = bottom + FOOTER + LINE * len(lines)
    figure.set_size_inches(width / 72, height / 72)
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, width), ylim=(height, 0))
    axes.set_axis_off()

    if not across:
        write(axes, MARGIN, top, "(no text)", family, MAX_LETTERS, FAINT)
    if title:
        titles = measurer(figure, FontProperties(family=family, size=TITLE_SIZE))
        shown = fitted(title, titles, width - 2 * MARGIN)
        write(axes, MARGIN, MARGIN + TITLE / 2 - 4, shown, family, TITLE_SIZE, weight="bold")
    for matrix, left in zip(matrices, lefts, strict=True):
        _cells(axes, matrix, left, top, cell, across, down)
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
        least = MIN_SIGNED if matrix.signed else MIN_WIDTH
        edge = max(left + across * cell, left - labels + least - MARGIN)
        show = effect_scale if matrix.signed else scale
        show(axes, edge, bottom + FOOTER / 2, matrix.greatest, matrix.name, family)
    for i, line in enumerate(lines):
        y = bottom + FOOTER + LINE * (i + 0.3)
        write(axes, MARGIN, y, line, family, NOTE_SIZE, FAINT)
    return figure


def _cells(axes, matrix, left, top, cell, across, down):
    """Draws the cells of a matrix, and frames around those that are marked."""
    if not across:
        return
    greatest = matrix.greatest or 1.0
    axes.pcolormesh(
        left + cell * np.arange(across + 1),
        top + cell * np.arange(down + 1),
        np.array(matrix.values, "float64").reshape(down, across),
        cmap=AGAINST_TO_FOR if matrix.signed else PAPER_TO_MARKER,
        vmin=-greatest if matrix.signed else 0,
        vmax=greatest,
        edgecolors="white",
        linewidth=0.06 * cell,
    )
    for row, column in matrix.marks:
        corner = (left + cell * column + 1, top + cell * row + 1)
        axes.add_patch(Rectangle(corner, cell - 2, cell - 2, fill=False, ec=INK, lw=1.1))
