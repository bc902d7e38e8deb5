"""Tokens as a reader sees them: in a text, with their gaps, or each as a sign of its own."""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class TextBox:
    """A stretch of text that is drawn as one box.

    Attributes:
        text: What to draw; `""` for a token of white space alone.
        heads: Its weight in each head.
        gap: Whether white space lies before it.
    """

    text: str
    heads: tuple[float, ...]
    gap: bool

    @property
    def weight(self) -> float:
        """The mean of the heads."""
        return sum(self.heads) / len(self.heads)


def to_spans(tokens: Sequence[str], heads: Sequence[Sequence[float]], text: str) -> list[TextBox]:
    """Cuts a text into boxes.

    An empty token is what is left of a character that took several tokens: its weight goes to
    the box before it. Tokens that do not join to the text are words, a gap between each two.

    Args:
        tokens: The tokens.
        heads: Weights, `[heads, tokens]`.
        text: The text, of which the tokens may be the beginning.

    Returns:
        The boxes in order. Their weights sum to those of the tokens.
    """
    cut_from_text = text.startswith("".join(tokens))
    spans: list[TextBox] = []
    for i, token in enumerate(tokens):
        weights = tuple(head[i] for head in heads)
        if not token and spans:
            last = spans[-1]
            summed = tuple(a + b for a, b in zip(last.heads, weights, strict=True))
            spans[-1] = TextBox(last.text, summed, last.gap)
            continue
        shown = " ".join(token.split())
        gap = bool(spans) and (not cut_from_text or token[:1].isspace())
        spans.append(TextBox(shown, weights, gap and bool(shown)))
    return spans


def labels(tokens: Sequence[str], text: str) -> list[str]:
    """Tokens as signs of their own, each in a row or column.

    Args:
        tokens: The tokens: pieces that join to the text, or words, or characters. Marks that
            are no part of the text, such as `</s>`, may stand among them.
        text: The text.

    Returns:
        What to write for each: the token without the space before it; `·` before a piece that
        goes on with a word; `␣` for white space alone.
    """
    joined, goes_on, end = [], [], 0
    for token in tokens:
        joined.append(text.startswith(token, end))
        within = joined[-1] and text[end - 1 : end].isalnum() and token[:1].isalnum()
        goes_on.append(within or not token)
        end += len(token) * joined[-1]
    longest = max(
        (len(t.strip()) for t, part in zip(tokens, joined, strict=True) if part), default=0
    )
    shown = []
    for token, within in zip(tokens, goes_on, strict=True):
        read = " ".join(token.split()) or "␣" * bool(token)
        marked = within and (longest > 1 or not token)  # among characters each would be
        shown.append("·" + read if marked else read)
    return shown


def window(spans: Sequence[TextBox], size: int) -> tuple[int, int]:
    """The stretch of at most `size` boxes that holds the most weight.

    Returns:
        Its start and end.
    """
    if len(spans) <= size:
        return 0, len(spans)
    held = sum(span.weight for span in spans[:size])
    best, start = held, 0
    for end in range(size, len(spans)):
        held += spans[end].weight - spans[end - size].weight
        if held > best * (1 + 1e-9):
            best, start = held, end - size + 1
    return start, start + size


def to_words(tokens: Sequence[str]) -> list[tuple[str, list[int]]]:
    """Puts pieces of words together.

    Args:
        tokens: The tokens: pieces, of which one that starts a word carries the space before it,
            or words. They are words if none but the first has a space before it.

    Returns:
        Each word, and the places of its tokens. Punctuation that ends or begins a word is left
        out, and so is what is nothing else.
    """
    pieces = any(token[:1].isspace() for token in tokens[1:])
    groups: list[list[int]] = []
    for i, token in enumerate(tokens):
        # An empty token is what is left of a character that took several.
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
    """Whether it is punctuation, white space, or nothing."""
    return all(c.isspace() or unicodedata.category(c).startswith("P") for c in token)
