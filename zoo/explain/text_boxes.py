"""Conversion of tokens to text boxes, to labels and to words."""

import unicodedata
from collections.abc import Container, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class TextBox:
    """A part of a text that is drawn as one box.

    Attributes:
        text: The text in the box; `""` for a token of white space alone.
        heads: The weight in each head; none if it has no weight.
        gap: Whether there is white space before the box.
        effect: Its effect on the answer, or `None`.
        flips: Whether the answer is another one without it.
    """

    text: str
    heads: tuple[float, ...]
    gap: bool
    effect: float | None = None
    flips: bool = False

    @property
    def weight(self) -> float:
        """The mean of the heads."""
        return sum(self.heads) / len(self.heads) if self.heads else 0.0

    @property
    def salience(self) -> float:
        """The size of its effect, or else its weight."""
        return self.weight if self.effect is None else abs(self.effect)


def to_boxes(
    tokens: Sequence[str],
    heads: Sequence[Sequence[float]],
    text: str,
    effects: Sequence[float] | None = None,
    flipping: Container[int] = (),
) -> list[TextBox]:
    """Converts the tokens of a text to boxes.

    An empty token continues a character that took several tokens: its weight is added to the box
    before it. Tokens that do not join to the text are taken as words, with gaps between them.

    Args:
        tokens: The tokens.
        heads: Weights, `[heads, tokens]`.
        text: The text; the tokens may cover only its beginning.
        effects: The effect of each token. Defaults to `None`.
        flipping: The indices of tokens without which the answer is another one.

    Returns:
        The boxes in order. Their weights and effects sum to those of the tokens.
    """
    cut_from_text = text.startswith("".join(tokens))
    boxes: list[TextBox] = []
    for i, token in enumerate(tokens):
        weights = tuple(head[i] for head in heads)
        effect = None if effects is None else effects[i]
        if not token and boxes:
            last = boxes[-1]
            summed = tuple(a + b for a, b in zip(last.heads, weights, strict=True))
            if effect is not None and last.effect is not None:
                effect += last.effect
            flips = last.flips or i in flipping
            boxes[-1] = TextBox(last.text, summed, last.gap, effect, flips)
            continue
        shown = " ".join(token.split())
        gap = bool(boxes) and (not cut_from_text or token[:1].isspace())
        boxes.append(TextBox(shown, weights, gap and bool(shown), effect, i in flipping))
    return boxes


def labels(tokens: Sequence[str], text: str) -> list[str]:
    """Labels of tokens, for rows or columns.

    Args:
        tokens: The tokens: pieces that join to the text, or words, or characters. Special tokens
            that are no part of the text, such as `</s>`, may be among them.
        text: The text.

    Returns:
        A label for each token: the token without the space before it; with `·` before it if it
        continues a word; `␣` for white space alone.
    """
    joined, continues, end = [], [], 0
    for token in tokens:
        joined.append(text.startswith(token, end))
        within = joined[-1] and text[end - 1 : end].isalnum() and token[:1].isalnum()
        continues.append(within or not token)
        end += len(token) * joined[-1]
    longest = max(
        (len(t.strip()) for t, part in zip(tokens, joined, strict=True) if part), default=0
    )
    shown = []
    for token, within in zip(tokens, continues, strict=True):
        read = " ".join(token.split()) or "␣" * bool(token)
        marked = within and (longest > 1 or not token)  # characters are not marked
        shown.append("·" + read if marked else read)
    return shown


def window(boxes: Sequence[TextBox], size: int) -> tuple[int, int]:
    """The start and end of the `size` consecutive boxes with the most to see."""
    if len(boxes) <= size:
        return 0, len(boxes)
    held = sum(box.salience for box in boxes[:size])
    best, start = held, 0
    for end in range(size, len(boxes)):
        held += boxes[end].salience - boxes[end - size].salience
        if held > best * (1 + 1e-9):
            best, start = held, end - size + 1
    return start, start + size


def to_words(tokens: Sequence[str]) -> list[tuple[str, list[int]]]:
    """Joins pieces to words.

    Args:
        tokens: The tokens: either pieces, of which one that starts a word includes the space
            before it, or words. They are words if none but the first starts with a space.

    Returns:
        Each word with the indices of its tokens, without punctuation at either end. Tokens of
        punctuation alone are left out.
    """
    pieces = any(token[:1].isspace() for token in tokens[1:])
    groups: list[list[int]] = []
    for i, token in enumerate(tokens):
        # An empty token continues a character that took several.
        starts = token[:1].isspace() if pieces else bool(token)
        if starts or not groups:
            groups.append([])
        groups[-1].append(i)
    words = []
    for group in groups:
        while group and _silent(tokens[group[0]]):
            group.pop(0)
        while group and _silent(tokens[group[-1]]):
            group.pop()
        if group:
            words.append((" ".join("".join(tokens[i] for i in group).split()), group))
    return words


def _silent(token):
    """True if a token consists of punctuation and white space, or is empty."""
    return all(c.isspace() or unicodedata.category(c).startswith("P") for c in token)
