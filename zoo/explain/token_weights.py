"""Attention weight and effect of each word of a text."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from zoo.explain.drawable import Drawable, listed
from zoo.explain.effects import (
    ATTENTION_NOTE,
    Flip,
    check_effects,
    effect_note,
    flip_notes,
)
from zoo.explain.html import shaded_text
from zoo.explain.text_boxes import TextBox, to_boxes

MEASURED = "what the probability of the answer loses when a word is left out"
TRUNCATED = "The text goes on, but the model reads no more of it."
LEAST_FULL = 0.1  # an effect on a probability that gives full colour: at least this


@dataclass
class TokenWeights(Drawable):
    """The attention weight and the effect of each token of a text; a token is a word or a piece.

    Notebooks display it as a text: the colour of a word is its effect, blue for the answer and red
    against it, and the bar beneath is its weight; without effects the colour is the weight too.
    `save` writes it to a file.

    Args:
        tokens: The tokens: either words or pieces that join to the text (one that starts a word
            includes the space before it), or words without spaces.
        weights: Weights, `[tokens]` or `[heads, tokens]`: lists or an array of finite,
            non-negative numbers; `None` if there are effects alone.
        prediction: The predicted label. Defaults to `None`.
        probability: float. The probability of the label. Defaults to `None`.
        text: The text. Defaults to the tokens, joined with spaces.
        effects: The effect of each token on the answer, with a sign. Defaults to `None`.
        method: How the effects were measured, `"occlusion"` or `"gradient"`. Defaults to
            `"occlusion"`.
        flips: The words without which the answer is another one: a list of
            `zoo.explain.effects.Flip`.
        truncated: Whether the text is longer than its tokens, which are all that the model reads.
            Defaults to `False`.

    Attributes:
        weights: The weights, as lists: `[tokens]` if there is one head, else `[heads, tokens]`.

    Raises:
        ValueError: if tokens and weights or effects differ in number, a weight is negative or a
            number is not finite, or there are neither weights nor effects.

    Example:

    >>> TokenWeights(["not", "bad"], [0.8, 0.2], "positive", 0.93).save("map.png")
    """

    tokens: list[str]
    weights: list[float] | list[list[float]] | None = None
    prediction: str | None = None
    probability: float | None = None
    text: str = None  # type: ignore[assignment]  # `__post_init__` sets it
    effects: list[float] | None = None
    method: str = "occlusion"
    flips: list[Flip] = field(default_factory=list)
    truncated: bool = False

    def __post_init__(self):
        self.tokens = [str(token) for token in self.tokens]
        if self.text is None:
            self.text = " ".join(self.tokens)
        if self.weights is None and self.effects is None:
            raise ValueError(
                "An explanation needs weights or effects. Received: weights=None, effects=None"
            )
        if self.effects is not None:
            self.effects = [float(effect) for effect in listed(self.effects)]
            check_effects(self.effects, self.tokens)
        if self.weights is not None:
            heads = self._checked_heads()
            self.weights = heads if len(heads) > 1 else heads[0]

    def _checked_heads(self):
        """The weights as `[heads, tokens]`."""
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
        return heads

    @property
    def heads(self) -> list[list[float]]:
        """The weights as `[heads, tokens]`, also if there is one head; `[]` without weights."""
        if self.weights is None:
            return []
        weights: list[Any] = self.weights
        return weights if weights and isinstance(weights[0], list) else [weights]

    @property
    def boxes(self) -> list[TextBox]:
        """The boxes that are drawn: one for each token that is not empty."""
        flipping = {flip.source for flip in self.flips}
        return to_boxes(self.tokens, self.heads, self.text, self.effects, flipping)

    @property
    def summary(self) -> list[str]:
        return flip_notes(self.flips)

    @property
    def notes(self) -> list[str]:
        """The summary, and sentences that say what is drawn."""
        notes = [TRUNCATED] * self.truncated + self.summary
        if self.effects is not None:
            notes.append(effect_note(self.method, MEASURED))
        if self.weights is not None:
            notes.append(ATTENTION_NOTE)
        return notes

    def _figure(self):
        from zoo.explain.shaded_text import draw  # imports matplotlib

        return draw(self.boxes, self.prediction, self.probability, self.notes, self._full)

    def to_html(self) -> str:
        """The text with shaded tokens, as an HTML page without external resources."""
        answer = self.prediction, self.probability
        return shaded_text.page(self.boxes, *answer, self.notes, self._full)

    @property
    def _full(self):
        """The least effect that is drawn in full colour."""
        return LEAST_FULL if self.method == "occlusion" else 0.0

    def to_dict(self) -> dict:
        """The fields as plain values, for JSON; `effects`, `flips` and `truncated` if they are."""
        fields = asdict(self)
        if self.effects is None:
            for name in ("effects", "method", "flips"):
                del fields[name]
        if self.weights is None:
            del fields["weights"]
        if not self.truncated:
            del fields["truncated"]
        return fields
