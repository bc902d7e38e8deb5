"""Draws a text with its words coloured by effect or weight, and a bar of weight beneath each."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.patches import FancyBboxPatch, Rectangle

from zoo.explain.drawing import (
    AGAINST_TO_FOR,
    DPI,
    FAINT,
    INK,
    PAPER_TO_MARKER,
    TEXT_SIZE,
    effect_scale,
    measurer,
    scale,
    short,
    signed,
    wrapped,
    write,
)
from zoo.explain.fonts import drawable, families
from zoo.explain.text_boxes import TextBox, window

# All lengths in points.
WIDTH, MARGIN = 600, 24
HEADER = 46
BOX, PADDING = 24, 3.5
WORD_GAP, TOKEN_GAP, BLANK = 5, 1, 7
BAR, BAR_WIDTH = 26, 9  # of the longest bar
CELL = 9  # height of the row of one head
NUMBER = 12  # height of the numbers of effects
NOTE_SIZE, NOTE_LINE = 9, 13
LINE_GAP = 22
MAX_BOXES = 300

BASELINE = "#d9dce3"
BAR_COLOR = "#e07b12"
QUIET_BAR_COLOR = "#8d94a5"  # where colour shows the effect
HEAD_COLORS = LinearSegmentedColormap.from_list("head", ["#f0f2f7", "#9db7e4", "#274b8f"])
QUIET = LinearSegmentedColormap.from_list("quiet", ["#f6f7f9", QUIET_BAR_COLOR])


@dataclass(frozen=True)
class _PlacedBox:
    """A box, or a part of one that is wider than a line, with its position on a line."""

    text: str
    box: TextBox
    continued: bool
    x: float
    width: float


def draw(
    boxes: Sequence[TextBox],
    prediction: str | None,
    probability: float | None,
    notes: Sequence[str] = (),
    least_full: float = 0.0,
    label: str = "attention",
) -> Figure:
    """Draws boxes as running text.

    The colour of a box shows its effect, for or against, or else its weight; the length of the bar
    beneath it shows its weight; each relative to the greatest. With several heads there is a row of
    cells for each head instead of the bar. A box without which the answer is another one is framed.
    Of more than 300 boxes, the 300 in a row with the most effect or weight are drawn.

    Args:
        boxes: The boxes.
        prediction: The predicted label, or `None`.
        probability: Its probability, or `None`.
        notes: Sentences to write beneath. Defaults to none.
        least_full: float. The least effect with full colour. Defaults to `0.0`.
        label: What the weights are. Defaults to `"attention"`.

    Returns:
        The figure, which belongs to no window and need not be closed.
    """
    start, end = window(boxes, MAX_BOXES)
    shown = list(boxes[start:end])
    family = families(
        "".join(box.text for box in shown) + (prediction or "") + "".join(notes) + "…−↔"
    )
    font = FontProperties(family=family, size=TEXT_SIZE)
    figure = Figure(dpi=DPI, facecolor="white")
    lines = _flow(shown, measurer(figure, font))
    heads = len(shown[0].heads) if shown else 1
    has_effects = any(box.effect is not None for box in shown)
    number = NUMBER * has_effects
    beneath = number + (BAR if heads == 1 else 4 + CELL * heads if heads else 0)
    measure = measurer(figure, FontProperties(family=family, size=NOTE_SIZE))
    sentences = [_left_out(start, len(boxes) - end), *notes]
    written = [
        line for sentence in sentences for line in wrapped(sentence, measure, WIDTH - 2 * MARGIN)
    ]
    line_height = BOX + beneath + (LINE_GAP if heads else LINE_GAP / 2)
    foot = HEADER + line_height * max(len(lines), 1)
    height = foot + NOTE_LINE * len(written) + 10 * bool(written)
    figure.set_size_inches(WIDTH / 72, height / 72)
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, WIDTH), ylim=(height, 0))
    axes.set_axis_off()

    greatest = max((box.weight for box in shown), default=0.0)
    peak = max((max(box.heads, default=0.0) for box in shown), default=0.0)
    strongest = max((abs(box.effect or 0.0) for box in shown), default=0.0)
    full = max(strongest, least_full)
    _header(axes, family, prediction, probability)
    if has_effects:
        sides = "against ↔ for the answer"
        effect_scale(axes, WIDTH - MARGIN, 16 if heads else 22, full, sides, family)
    if heads:
        label = label if heads == 1 else f"{label}, {heads} heads"
        colors = _colors(heads, has_effects)
        shown_peak = greatest if heads == 1 else peak
        scale(axes, WIDTH - MARGIN, 32 if has_effects else 22, shown_peak, label, family, colors)
    if not any(box.text for box in shown):
        write(axes, MARGIN, HEADER + BOX / 2, "(no text)", family, color=FAINT)
    labelled = _labelled(shown, heads)
    numbered = _numbered(shown, strongest)
    for i, line in enumerate(lines):
        top = HEADER + i * line_height
        for part in line:
            _token(axes, part, top, full if has_effects else greatest, font)
            if id(part.box) in numbered and not part.continued:
                middle, y = part.x + part.width / 2, top + BOX + 7
                write(axes, middle, y, signed(part.box.effect), family, 8, INK, "center")
            under = top + BOX + number
            if heads == 1:
                color = QUIET_BAR_COLOR if has_effects else BAR_COLOR
                _bar(axes, part, under, greatest, family, id(part.box) in labelled, color)
            else:
                _cells(axes, part, under + 4, peak)
        if heads > 1:
            for head in range(heads):
                middle = top + BOX + number + 4 + CELL * (head + 0.5)
                write(axes, MARGIN - 5, middle, str(head + 1), family, 6.5, FAINT, "right")
    for i, line in enumerate(written):
        write(axes, MARGIN, foot + NOTE_LINE * (i + 0.3), line, family, NOTE_SIZE, FAINT)
    return figure


def _flow(boxes, measure):
    """Arranges boxes in lines, broken before a word where possible."""
    room = WIDTH - 2 * MARGIN
    words: list[list[_PlacedBox]] = []
    for box in boxes:
        for part in _parts(box, measure, room):
            # A word begins after white space, which is a gap or a token.
            begins = not words or not words[-1][-1].text or (box.gap and not part.continued)
            if not begins and _length(words[-1]) + TOKEN_GAP + part.width <= room:
                words[-1].append(part)
            else:
                words.append([part])
    lines: list[list[_PlacedBox]] = []
    x = room
    for word in words:
        gap = WORD_GAP if word[0].box.gap else TOKEN_GAP
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


def _parts(box, measure, room):
    """The parts of a box: one, or several if it is wider than a line."""
    text, continued = drawable(box.text), False
    while True:
        width = measure(text) + 2 * PADDING if text else BLANK
        if width <= room:
            yield _PlacedBox(text, box, continued, 0, width)
            return
        fitting = max(1, int(len(text) * room / width))
        while fitting > 1 and measure(text[:fitting]) + 2 * PADDING > room:
            fitting -= 1
        width = measure(text[:fitting]) + 2 * PADDING
        yield _PlacedBox(text[:fitting], box, continued, 0, width)
        text, continued = text[fitting:], True


def _labelled(boxes, heads):
    """The boxes whose weight is written under the bar: the greatest three above 1.5 times the mean.

    One box alone always has its weight written; with several heads none has.
    """
    if heads > 1 or len(boxes) < 2:
        return {id(box) for box in boxes if heads == 1}
    mean = sum(box.weight for box in boxes) / len(boxes)
    first = sorted(boxes, key=lambda box: -box.weight)[:3]
    return {id(box) for box in first if box.weight > 1.5 * mean}


def _left_out(before, after):
    parts = [f"{before:,} tokens before"] * bool(before) + [f"{after:,} after"] * bool(after)
    return f"Not drawn: {' and '.join(parts)}." if parts else ""


def _header(axes, family, prediction, probability):
    if prediction is not None:
        label = write(axes, MARGIN, 22, drawable(prediction), family, 16, weight="bold")
        if probability is not None:
            extent = label.get_window_extent(axes.figure.canvas.get_renderer())
            x = MARGIN + extent.width * 72 / DPI + 9
            write(axes, x, 22.5, f"{probability:.1%}", family, 13, FAINT)


def _colors(heads, has_effects):
    """The colours of the scale of weights."""
    if heads > 1:
        return HEAD_COLORS
    return QUIET if has_effects else PAPER_TO_MARKER


def _numbered(boxes, strongest):
    """The boxes whose effect is written: the greatest six, of at least a fifth of the greatest."""
    first = sorted(boxes, key=lambda box: -abs(box.effect or 0.0))[:6]
    return {id(box) for box in first if box.effect and abs(box.effect) >= 0.2 * strongest}


def _token(axes, part, top, greatest, font):
    box = part.box
    shown = box.weight if box.effect is None else box.effect
    share = shown / greatest if greatest else 0.0
    color = PAPER_TO_MARKER(share) if box.effect is None else AGAINST_TO_FOR((1 + share) / 2)
    axes.add_patch(
        FancyBboxPatch(
            (part.x + 2, top + 2),
            max(part.width - 4, 0.1),
            BOX - 4,
            boxstyle="round,pad=2,rounding_size=3.5",
            fc=color,
            ec=INK,
            lw=1.1 * box.flips,
        )
    )
    axes.text(
        part.x + part.width / 2,
        top + BOX * 0.70,
        part.text,
        fontproperties=font,
        color=INK,
        ha="center",
        va="baseline",
        parse_math=False,
    )


def _bar(axes, part, top, greatest, family, labelled, color):
    axes.add_patch(Rectangle((part.x + 1, top + 2.5), part.width - 2, 0.6, fc=BASELINE, lw=0))
    if part.continued:
        return
    length = BAR * part.box.weight / greatest if greatest else 0.0
    width = min(BAR_WIDTH, part.width - 2)
    middle = part.x + part.width / 2
    axes.add_patch(Rectangle((middle - width / 2, top + 2.5), width, length, fc=color, lw=0))
    if labelled:
        number = short(part.box.weight)
        write(axes, middle, top + length + 9, number, family, 8, FAINT, "center")


def _cells(axes, part, top, peak):
    for i, weight in enumerate(part.box.heads):
        color = HEAD_COLORS(weight / peak if peak else 0.0)
        corner = (part.x + 0.5, top + CELL * i)
        axes.add_patch(Rectangle(corner, part.width - 1, CELL - 1.2, fc=color, lw=0))
