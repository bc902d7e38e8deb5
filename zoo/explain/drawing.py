"""Draws a sentence with its tokens shaded by weight, and a bar beneath each.

Here is also what every picture is drawn with: colours, texts, the scale, the files.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import BinaryIO

import matplotlib
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.patches import FancyBboxPatch, Rectangle

from zoo.explain.fonts import drawable, families
from zoo.explain.text_boxes import TextBox, window

# All lengths in points.
WIDTH, MARGIN = 600, 24
HEADER = 46
TEXT_SIZE, BOX, PADDING = 14, 24, 3.5
WORD_GAP, TOKEN_GAP, BLANK = 5, 1, 7
BAR, BAR_WIDTH = 26, 9  # of the longest bar
CELL = 9  # height of the row of one head
LINE_GAP = 22
DPI = 200
MAX_BOXES = 300

INK, FAINT, BASELINE = "#1d2330", "#7a8194", "#d9dce3"
PAPER_TO_MARKER = LinearSegmentedColormap.from_list(
    "marker", ["#f6f7f9", "#fdebc8", "#fdcf86", "#f9a73e"]
)
BAR_COLOR = "#e07b12"
HEAD_COLORS = LinearSegmentedColormap.from_list("head", ["#f0f2f7", "#9db7e4", "#274b8f"])


@dataclass(frozen=True)
class _Box:
    """A span, or a part of one wider than a line, in its place on a line."""

    text: str
    span: TextBox
    continued: bool
    x: float
    width: float


def draw(spans: Sequence[TextBox], prediction: str | None, probability: float | None) -> Figure:
    """Draws the boxes as flowing text.

    The colour of a box and the length of the bar beneath it are its weight, relative to the
    greatest. Several heads get a row of cells each instead of the bar, and the box their mean.
    Of more than 300 boxes, the stretch with the most weight is drawn.

    Args:
        spans: The boxes.
        prediction: What the model answered, or `None`.
        probability: Its probability, or `None`.

    Returns:
        The figure. It belongs to no window: nothing has to be closed.
    """
    start, end = window(spans, MAX_BOXES)
    shown = list(spans[start:end])
    family = families("".join(span.text for span in shown) + (prediction or "") + "…")
    font = FontProperties(family=family, size=TEXT_SIZE)
    figure = Figure(dpi=DPI, facecolor="white")
    lines = _flow(shown, measurer(figure, font))
    heads = len(shown[0].heads) if shown else 1
    beneath = BAR if heads == 1 else 4 + CELL * heads
    notes = _left_out(start, len(spans) - end)
    line_height = BOX + beneath + LINE_GAP
    height = HEADER + line_height * max(len(lines), 1) + 12 * bool(notes)
    figure.set_size_inches(WIDTH / 72, height / 72)
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, WIDTH), ylim=(height, 0))
    axes.set_axis_off()

    most = max((span.weight for span in shown), default=0.0)
    peak = max((max(span.heads) for span in shown), default=0.0)
    _header(axes, family, prediction, probability, most if heads == 1 else peak, heads)
    if not any(span.text for span in shown):
        write(axes, MARGIN, HEADER + BOX / 2, "(no text)", family, color=FAINT)
    named = _to_name(shown, heads)
    for i, line in enumerate(lines):
        top = HEADER + i * line_height
        for box in line:
            _token(axes, box, top, most, font)
            if heads == 1:
                _bar(axes, box, top + BOX, most, family, id(box.span) in named)
            else:
                _cells(axes, box, top + BOX + 4, peak)
        if heads > 1:
            for head in range(heads):
                middle = top + BOX + 4 + CELL * (head + 0.5)
                write(axes, MARGIN - 5, middle, str(head + 1), family, 6.5, FAINT, "right")
    if notes:
        write(axes, MARGIN, height - 14, notes, family, 9, FAINT)
    return figure


def save(figure: Figure, file: BinaryIO, format: str) -> None:
    """Writes a figure, the same bytes each time.

    Args:
        figure: What to write.
        file: Where to.
        format: `"png"`, `"svg"` or `"pdf"`.
    """
    undated = {"png": {}, "svg": {"Date": None}, "pdf": {"CreationDate": None}}[format]
    logging.getLogger("fontTools.subset").setLevel(logging.ERROR)  # lists tables it leaves out
    with matplotlib.rc_context({"svg.hashsalt": "zoo"}):
        figure.savefig(file, format=format, metadata=undated, dpi=DPI)


def measurer(figure: Figure, font: FontProperties) -> Callable[[str], float]:
    """What tells how wide a text is in a font."""
    renderer = FigureCanvasAgg(figure).get_renderer()

    def measure(text):
        pixels = renderer.get_text_width_height_descent(text, font, ismath=False)[0]
        return pixels * 72 / DPI

    return measure


def fitted(text: str, measure: Callable[[str], float], room: float) -> str:
    """What can be drawn of a text, cut where it is wider than there is room."""
    text, most = drawable(text), int(room)  # letters: none is narrower than a point
    if len(text) <= most and measure(text) <= room:
        return text
    fitting = min(len(text) - 1, most)
    while fitting > 1 and measure(text[:fitting] + "…") > room:
        fitting -= 1
    return text[:fitting] + "…"


def write(
    axes, x, y, text, family, size=TEXT_SIZE, color=INK, align="left", weight="normal", **settings
):
    """Writes a text, as it is, its middle at the height of `y`."""
    font = FontProperties(family=family, size=size, weight=weight)
    settings = {"ha": align, "va": "center", **settings}
    return axes.text(x, y, text, fontproperties=font, color=color, parse_math=False, **settings)


def scale(axes, right, y, most, what, family, colors=PAPER_TO_MARKER):
    """Draws a scale of colours from nothing to the greatest weight, to the left of `right`."""
    number, width = short(most), 90
    write(axes, right, y, number, family, 9, FAINT, "right")
    right -= 6 + 5 * len(number)
    for i in range(width):
        axes.add_patch(Rectangle((right - width + i, y - 4), 1.3, 8, fc=colors(i / width), lw=0))
    write(axes, right - width - 6, y, f"{what}   0", family, 9, FAINT, "right")


def short(weight: float) -> str:
    """A weight in two digits."""
    return f"{weight:.2f}" if weight >= 0.095 or not weight else f"{weight:.1g}"


def _flow(spans, measure):
    """Sets boxes in lines, broken before a word where that is possible."""
    room = WIDTH - 2 * MARGIN
    words = []  # of parts
    for span in spans:
        for part in _parts(span, measure, room):
            # After white space, be it a gap or a token of its own, a word begins.
            begins = not words or not words[-1][-1].text or (span.gap and not part.continued)
            if not begins and _length(words[-1]) + TOKEN_GAP + part.width <= room:
                words[-1].append(part)
            else:
                words.append([part])
    lines, x = [], room
    for word in words:
        gap = WORD_GAP if word[0].span.gap else TOKEN_GAP
        if not lines or x + gap + _length(word) > room:
            lines.append([])
            x = gap = 0
        for part in word:
            lines[-1].append(replace(part, x=MARGIN + x + gap))
            x += gap + part.width
            gap = TOKEN_GAP
    return lines


def _length(word):
    return sum(part.width for part in word) + TOKEN_GAP * (len(word) - 1)


def _parts(span, measure, room):
    """The boxes of a span: one, or several if it is wider than a line."""
    text, continued = drawable(span.text), False
    while True:
        width = measure(text) + 2 * PADDING if text else BLANK
        if width <= room:
            yield _Box(text, span, continued, 0, width)
            return
        fitting = max(1, int(len(text) * room / width))
        while fitting > 1 and measure(text[:fitting]) + 2 * PADDING > room:
            fitting -= 1
        yield _Box(text[:fitting], span, continued, 0, measure(text[:fitting]) + 2 * PADDING)
        text, continued = text[fitting:], True


def _to_name(spans, heads):
    """The boxes whose weight is written under their bar: the greatest three, if they stand out."""
    if heads > 1 or len(spans) < 2:
        return {id(span) for span in spans if heads == 1}
    mean = sum(span.weight for span in spans) / len(spans)
    first = sorted(spans, key=lambda span: -span.weight)[:3]
    return {id(span) for span in first if span.weight > 1.5 * mean}


def _left_out(before, after):
    parts = [f"{before:,} tokens before"] * bool(before) + [f"{after:,} after"] * bool(after)
    return f"Not drawn: {' and '.join(parts)}." if parts else ""


def _header(axes, family, prediction, probability, most, heads):
    if prediction is not None:
        label = write(axes, MARGIN, 22, drawable(prediction), family, 16, weight="bold")
        if probability is not None:
            extent = label.get_window_extent(axes.figure.canvas.get_renderer())
            x = MARGIN + extent.width * 72 / DPI + 9
            write(axes, x, 22.5, f"{probability:.1%}", family, 13, FAINT)
    colors = PAPER_TO_MARKER if heads == 1 else HEAD_COLORS
    what = "weight" if heads == 1 else f"weight, {heads} heads"
    scale(axes, WIDTH - MARGIN, 22, most, what, family, colors)


def _token(axes, box, top, most, font):
    share = box.span.weight / most if most else 0.0
    axes.add_patch(
        FancyBboxPatch(
            (box.x + 2, top + 2),
            max(box.width - 4, 0.1),
            BOX - 4,
            boxstyle="round,pad=2,rounding_size=3.5",
            fc=PAPER_TO_MARKER(share),
            lw=0,
        )
    )
    axes.text(
        box.x + box.width / 2,
        top + BOX * 0.70,
        box.text,
        fontproperties=font,
        color=INK,
        ha="center",
        va="baseline",
        parse_math=False,
    )


def _bar(axes, box, top, most, family, named):
    axes.add_patch(Rectangle((box.x + 1, top + 2.5), box.width - 2, 0.6, fc=BASELINE, lw=0))
    if box.continued:
        return
    length = BAR * box.span.weight / most if most else 0.0
    width = min(BAR_WIDTH, box.width - 2)
    middle = box.x + box.width / 2
    axes.add_patch(Rectangle((middle - width / 2, top + 2.5), width, length, fc=BAR_COLOR, lw=0))
    if named:
        number = short(box.span.weight)
        write(axes, middle, top + length + 9, number, family, 8, FAINT, "center")


def _cells(axes, box, top, peak):
    for i, weight in enumerate(box.span.heads):
        color = HEAD_COLORS(weight / peak if peak else 0.0)
        corner = (box.x + 0.5, top + CELL * i)
        axes.add_patch(Rectangle(corner, box.width - 1, CELL - 1.2, fc=color, lw=0))
