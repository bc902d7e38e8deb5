"""Attention weights from each target token to the source tokens."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from zoo.explain.drawable import Drawable, listed
from zoo.explain.html import heat_map
from zoo.explain.text_boxes import labels

MAX_TOKENS = 100  # that are drawn on each side


@dataclass
class Alignment(Drawable):
    """The weight of each source token for each target token.

    Notebooks display it as a heat map, with the source along the top and the target down the
    side; `save` writes it to a file. Of more than 100 tokens on a side the first 100 are drawn,
    with a note.

    Args:
        source: The source tokens: either pieces that join to the text (a piece that starts a
            word includes the space before it) or words.
        target: The target tokens, likewise; the last may be an end token such as `</s>`.
        weights: Weights, `[target, source]`: lists or an array of finite, non-negative numbers.
        text: The source text. Defaults to the tokens, joined; with spaces if they are words.
        translation: The target text. Defaults to its tokens, likewise.

    Attributes:
        weights: The weights, as lists.

    Raises:
        ValueError: if the weights are not `[target, source]`, or a weight is negative or not
            finite.

    Example:

    >>> Alignment(["Guten", " Tag"], ["Good", " day"], [[0.9, 0.1], [0.2, 0.8]]).save("map.png")
    """

    source: list[str]
    target: list[str]
    weights: list[list[float]]
    text: str = None  # type: ignore[assignment]  # `__post_init__` sets it
    translation: str = None  # type: ignore[assignment]

    def __post_init__(self):
        self.source = [str(token) for token in self.source]
        self.target = [str(token) for token in self.target]
        if self.text is None:
            self.text = _joined(self.source)
        if self.translation is None:
            self.translation = _joined(self.target)
        rows = [listed(row) for row in listed(self.weights)]
        if len(rows) != len(self.target):
            raise ValueError(
                "Each target token needs one row of weights. "
                f"Received: {len(self.target)} target tokens, {len(rows)} rows"
            )
        self.weights = [self._row(token, row) for token, row in zip(self.target, rows, strict=True)]

    def figure(self):
        """The heat map, as a `matplotlib.figure.Figure`."""
        from zoo.explain.heat_map import draw  # imports matplotlib

        return draw(*self._shown())

    def to_html(self) -> str:
        """A table of shaded numbers, as an HTML page without external resources."""
        return heat_map.page(*self._shown(), self.text, self.translation)

    def to_dict(self) -> dict:
        """The fields as plain values, for JSON."""
        return asdict(self)

    def _row(self, token, row):
        try:
            row = [float(weight) for weight in row]
        except TypeError:
            raise ValueError(
                "Weights must be rows of numbers, [target, source]. "
                f"Received: {row!r} for target token {token!r}"
            ) from None
        if len(row) != len(self.source):
            raise ValueError(
                "Each target token needs one weight for each source token. "
                f"Received: {len(self.source)} source tokens, {len(row)} weights of target token "
                f"{token!r}"
            )
        for weight, read in zip(row, self.source, strict=True):
            if not math.isfinite(weight) or weight < 0:
                raise ValueError(
                    "Weights must be finite and not negative. "
                    f"Received: weight={weight} of source token {read!r} in target token {token!r}"
                )
        return row

    def _shown(self) -> tuple[list[str], list[str], list[list[float]], str]:
        """The labels of columns and rows, the weights, and a note on what is not drawn."""
        source = labels(self.source, self.text)[:MAX_TOKENS]
        target = labels(self.target, self.translation)[:MAX_TOKENS]
        weights = [row[:MAX_TOKENS] for row in self.weights[:MAX_TOKENS]]
        rest = {
            "source": len(self.source) - len(source),
            "target": len(self.target) - len(target),
        }
        parts = [f"{count:,} of the {side}" for side, count in rest.items() if count]
        note = f"Drawn: the first {MAX_TOKENS} tokens. Left out: {' and '.join(parts)}."
        return source, target, weights, note if parts else ""


def _joined(tokens: Sequence[str]) -> str:
    """The text of the tokens, joined with spaces if they are words."""
    pieces = any(token[:1].isspace() for token in tokens[1:])
    return ("" if pieces else " ").join(tokens)
