"""Draws a spectrogram, and below it the alignment or the attention of each token."""

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties

from zoo.explain.drawing import DPI, FAINT, INK, PAPER_TO_MARKER, fitted, measurer, wrapped, write
from zoo.explain.fonts import drawable, families

if TYPE_CHECKING:
    from zoo.explain.spectrogram import Spectrogram

# All lengths in points.
MARGIN, LEFT, RIGHT = 12, 46, 14
SECOND, MIN_WIDTH, MAX_WIDTH = 190, 400, 1_000  # of the axis of seconds
WORDS, SOUND, GAP, TICKS, NOTE, NOTE_SIZE = 20, 150, 8, 30, 13, 9
ROW, MIN_ROW, ALL_ROWS = 13, 6, 520
BAR = "#3d85d0"
PAPER_TO_BAR = LinearSegmentedColormap.from_list("bar", ["#f6f7f9", "#a5c8ee", BAR, "#123a66"])
RANGE, LEAST_RANGE = 70, 10  # of the colours, in decibels
DECIBELS = 10 / np.log(10)  # of a natural logarithm of energy
HERTZ = (100, 200, 500, 1_000, 2_000, 4_000, 8_000, 16_000)


def draw(sound: "Spectrogram") -> Figure:
    """Draws a recording.

    Args:
        sound: The recording.

    Returns:
        The figure, which belongs to no window and need not be closed.
    """
    from zoo.explain.spectrogram import MAX_TOKENS

    tokens = [token if token.strip() else "␣" for token in sound.tokens[:MAX_TOKENS]]
    rows = len(tokens) if sound.spans or sound.weights is not None else 0
    row = min(max(ALL_ROWS / max(rows, 1), MIN_ROW), ROW)
    wide = min(max(SECOND * sound.seconds, MIN_WIDTH), MAX_WIDTH)
    width = LEFT + wide + RIGHT
    shown = "".join([*tokens, *(word for word, *_ in sound.words), sound.text, *sound.notes])
    family = families(drawable(shown) + "…␣→")
    figure = Figure(dpi=DPI, facecolor="white")
    notes = measurer(figure, FontProperties(family=family, size=NOTE_SIZE))
    lines = [line for note in sound.notes for line in wrapped(note, notes, width - 2 * MARGIN)]
    top = MARGIN + WORDS
    below = top + SOUND + (GAP + rows * row if rows else 0)
    height = below + TICKS + NOTE * len(lines) + MARGIN / 2
    figure.set_size_inches(width / 72, height / 72)

    def axes(y: float, high: float):
        place = (LEFT / width, 1 - (y + high) / height, wide / width, high / height)
        made = figure.add_axes(place, xlim=(0, sound.seconds))
        made.tick_params(length=2.5, width=0.6, colors=FAINT, labelsize=8, pad=2)
        for spine in made.spines.values():
            spine.set(linewidth=0.6, color=FAINT)
        return made

    upper = axes(top, SOUND)
    _sound(upper, sound)
    _words(upper, sound, family, figure, wide)
    lowest = upper
    if rows:
        upper.tick_params(labelbottom=False)
        lowest = axes(top + SOUND + GAP, rows * row)
        _tokens(lowest, sound, tokens, family, min(0.72 * row, 9))
    lowest.set_xlabel("seconds", fontsize=9, color=FAINT, labelpad=2)
    for i, line in enumerate(lines):
        y = 1 - (below + TICKS + NOTE * (i + 0.3)) / height
        write(figure, MARGIN / width, y, line, family, NOTE_SIZE, FAINT)
    return figure


def _sound(axes, sound: "Spectrogram") -> None:
    """The spectrogram in decibels; the bands are equally high, their frequencies beside them."""
    decibels = sound.features.T * DECIBELS
    bands = len(sound.frequencies)
    loudest = float(np.percentile(decibels, 99.5))
    softest = max(float(np.percentile(decibels, 5)), loudest - RANGE)
    loudest = max(loudest, softest + LEAST_RANGE)  # silence is dark
    axes.imshow(
        decibels,
        origin="lower",
        aspect="auto",
        extent=(0, sound.seconds, -0.5, bands - 0.5),
        cmap="magma",
        vmin=softest,
        vmax=loudest,
        interpolation="nearest",
    )
    inside = [hertz for hertz in HERTZ if sound.frequencies[0] <= hertz <= sound.frequencies[-1]]
    axes.set_yticks(
        np.interp(inside, sound.frequencies, np.arange(bands)),
        [f"{hertz:,} Hz" for hertz in inside],
    )


def _words(axes, sound: "Spectrogram", family, figure, wide: float) -> None:
    """The words above the spectrogram, each between two lines."""
    measure = measurer(figure, FontProperties(family=family, size=11))
    per_second = wide / sound.seconds
    for word, start, end in sound.words:
        for second in (start, end):
            axes.axvline(second, color="white", lw=0.8, alpha=0.75, ls=(0, (4, 2)))
        axes.plot((start, end), (1.02, 1.02), color=BAR, lw=2.2, solid_capstyle="butt",
                  transform=axes.get_xaxis_transform(), clip_on=False)  # fmt: skip
        label = fitted(word, measure, max((end - start) * per_second + 16, 18))
        middle = (start + end) / 2
        write(
            axes, middle, 1.09, label, family, 11, INK, "center",
            transform=axes.get_xaxis_transform(),
        )  # fmt: skip


def _tokens(axes, sound: "Spectrogram", tokens, family, size: float) -> None:
    """A row for each token: its attention as a heat map, its span as a bar."""
    rows = len(tokens)
    axes.set_ylim(rows - 0.5, -0.5)
    axes.set_facecolor(PAPER_TO_MARKER(0.0))
    if sound.weights is not None and sound.weights.size:
        weights = sound.weights[:rows]
        axes.imshow(
            weights,
            aspect="auto",
            extent=(0, weights.shape[1] * sound.weight_seconds, rows - 0.5, -0.5),
            cmap=PAPER_TO_MARKER if sound.spans else PAPER_TO_BAR,
            vmin=0,
            vmax=float(weights.max()) or 1.0,
            interpolation="nearest",
        )
        axes.set_xlim(0, sound.seconds)
    for place, (start, end) in enumerate((sound.spans or ())[:rows]):
        first, last = start * sound.frame_seconds, end * sound.frame_seconds
        fill = "none" if sound.weights is not None else BAR
        axes.barh(place, last - first, 0.86, first, fc=fill, ec=BAR, lw=1.2)
    for word in sound.words:
        for second in word[1:]:
            axes.axvline(second, color=FAINT, lw=0.5, alpha=0.6, ls=(0, (4, 2)))
    axes.set_yticks([])
    for place, token in enumerate(tokens):
        write(
            axes, -0.006, place, drawable(token), family, size, INK, "right",
            transform=axes.get_yaxis_transform(),
        )  # fmt: skip
