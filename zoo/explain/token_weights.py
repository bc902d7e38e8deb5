"""Attention weight of each token of a text."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from zoo.explain.drawable import Drawable, listed
from zoo.explain.html import shaded_text
from zoo.explain.text_boxes import TextBox, to_boxes


@dataclass
class TokenWeights(Drawable):
    """The weight of each token of a text.

    Notebooks display it as a text with shaded tokens; `save` writes it to a file.

    Args:
        tokens: The tokens: either pieces that join to the text (a piece that starts a word
            includes the space before it) or words.
        weights: Weights, `[tokens]` or `[heads, tokens]`: lists or an array of finite,
            non-negative numbers.
        prediction: The predicted label. Defaults to `None`.
        probability: float. The probability of the label. Defaults to `None`.
        text: The text. Defaults to the tokens, joined with spaces.

    Attributes:
        weights: The weights, as lists: `[tokens]` if there is one head, else `[heads, tokens]`.

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
    text: str = None  # type: ignore[assignment]  # `__post_init__` sets it

    def __post_init__(self):
        self.tokens = [str(token) for token in self.tokens]
        if self.text is None:
            self.text = " ".join(self.tokens)
        rows: list[Any] = [
            row if isinstance(row, Sequence) else listed(row) for row in listed(self.weights)
        ]
        if not rows or not isinstance(rows[0], Sequence):
            rows = [rows]
        heads = [[float(weight) for weight in row] for row in rows]
        for head in heads:
            if len(head) != len(self.tokens):
                raise ValueError(
                    "Each token needs one weight (in each head). "
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
        """The weights as `[heads, tokens]`, also if there is one head."""
        weights: list[Any] = self.weights
        return weights if weights and isinstance(weights[0], list) else [weights]

    @property
    def boxes(self) -> list[TextBox]:
        """The boxes that are drawn: one for each token that is not empty."""
        return to_boxes(self.tokens, self.heads, self.text)

    def figure(self):
        """The text with shaded tokens, as a `matplotlib.figure.Figure`."""
        from zoo.explain.shaded_text import draw  # imports matplotlib

        return draw(self.boxes, self.prediction, self.probability)

    def to_html(self) -> str:
        """The text with shaded tokens, as an HTML page without external resources."""
        return shaded_text.page(self.boxes, self.prediction, self.probability)

    def to_dict(self) -> dict:
        """The fields as plain values, for JSON."""
        return asdict(self)
