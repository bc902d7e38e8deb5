"""Where a model looked in one text as it wrote another, and the picture of it."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from zoo.explain.drawable import Drawable, listed
from zoo.explain.text_boxes import labels

MAX_TOKENS = 100  # that are drawn, of each side


@dataclass
class Alignment(Drawable):
    """The weight of each source token in each target token.

    A notebook shows it as a picture; `save` writes one: the source along the top, the target
    down the side. Of more than 100 tokens on a side the first 100 are drawn, and the picture
    says so.

    Args:
        source: The tokens that were read, as a reader would cut the text: they join to it (a
            token that starts a word carries the space before it), or they are words.
        target: The tokens that were written, likewise. A mark such as `</s>` may end them.
        weights: Weights, `[target, source]`: lists or an array of finite numbers that are not
            negative.
        text: The whole text that was read. Defaults to the tokens, joined; by spaces, unless
            tokens carry their own.
        translation: The whole text that was written. Defaults to its tokens, likewise.

    Attributes:
        weights: As given, in lists.

    Raises:
        ValueError: if the weights do not have a row for each target token and in it one for each
            source token, or a weight is negative or not finite.

    Example:

    >>> Alignment(["Guten", " Tag"], ["Good", " day"], [[0.9, 0.1], [0.2, 0.8]]).save("map.png")
    """

    source: list[str]
    target: list[str]
    weights: list[list[float]]
    text: str | None = None
    translation: str | None = None

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
        """The picture as a `matplotlib.figure.Figure`."""
        from zoo.explain.heat_map import draw

        return draw(*self._shown())

    def to_html(self) -> str:
        """The picture as a page that needs nothing else: a table of numbers, shaded."""
        from zoo.explain.html import table

        return table(*self._shown(), self.text, self.translation)

    def to_dict(self) -> dict:
        """Plain values, for JSON."""
        return asdict(self)

    def _row(self, token, row):
        try:
            row = [float(weight) for weight in row]
        except TypeError:
            raise ValueError(
                "Weights are numbers in rows, [target, source]. "
                f"Received: {row!r} for target token {token!r}"
            ) from None
        if len(row) != len(self.source):
            raise ValueError(
                "Each target token needs one weight of each source token. "
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

    def _shown(self):
        """The labels of the columns and of the rows, the weights, and what to say of the rest."""
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
    """The text of the tokens: pieces carry their spaces, words do not."""
    pieces = any(token[:1].isspace() for token in tokens[1:])
    return ("" if pieces else " ").join(tokens)
