"""How much of a say each token of a text had, and the picture of it."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from zoo.explain.drawable import Drawable, listed
from zoo.explain.text_boxes import TextBox, to_spans


@dataclass
class TokenWeights(Drawable):
    """The weight of each token of a text.

    A notebook shows it as a picture; `save` writes one.

    Args:
        tokens: The tokens, as a reader would cut the text: they join to it (a token that
            starts a word carries the space before it), or they are words.
        weights: A weight for each token, or `[heads, tokens]`: lists or an array of finite
            numbers that are not negative.
        prediction: What the model answered. Defaults to `None`.
        probability: float. Its probability. Defaults to `None`.
        text: The whole text. Defaults to the tokens, joined by spaces.

    Attributes:
        weights: As given, in lists; one head of one counts as none.

    Raises:
        ValueError: if tokens and weights differ in number, or a weight is negative or not
            finite.

    Example:

    >>> TokenWeights(["not", "bad"], [0.8, 0.2], "positive", 0.93).save("map.png")
    """

    tokens: list[str]
    weights: list[float] | list[list[float]]
    prediction: str | None = None
    probability: float | None = None
    text: str | None = None

    def __post_init__(self):
        self.tokens = [str(token) for token in self.tokens]
        if self.text is None:
            self.text = " ".join(self.tokens)
        rows = [row if isinstance(row, Sequence) else listed(row) for row in listed(self.weights)]
        if not rows or not isinstance(rows[0], Sequence):
            rows = [rows]
        heads = [[float(weight) for weight in row] for row in rows]
        for head in heads:
            if len(head) != len(self.tokens):
                raise ValueError(
                    "Each token needs one weight (of each head). "
                    f"Received: {len(self.tokens)} tokens, {len(head)} weights"
                )
            for token, weight in zip(self.tokens, head, strict=True):
                if not math.isfinite(weight) or weight < 0:
                    raise ValueError(
                        "Weights must be finite and not negative. "
                        f"Received: weight={weight} of token {token!r}"
                    )
        self.weights = heads if len(heads) > 1 else heads[0]

    @property
    def heads(self) -> list[list[float]]:
        """The weights as `[heads, tokens]`, also of one head."""
        multiple = bool(self.weights) and isinstance(self.weights[0], list)
        return self.weights if multiple else [self.weights]

    @property
    def spans(self) -> list[TextBox]:
        """What the picture shows: the tokens as read, without the empty ones."""
        return to_spans(self.tokens, self.heads, self.text)

    def figure(self):
        """The picture as a `matplotlib.figure.Figure`."""
        from zoo.explain.drawing import draw

        return draw(self.spans, self.prediction, self.probability)

    def to_html(self) -> str:
        """The picture as a page that needs nothing else."""
        from zoo.explain.html import page

        return page(self.spans, self.prediction, self.probability)

    def to_dict(self) -> dict:
        """Plain values, for JSON."""
        return asdict(self)
