"""Surprisal of each token of a text: where a language model did not expect what came."""

import math
from dataclasses import asdict, dataclass

from zoo.explain.drawable import Drawable, listed
from zoo.explain.html import shaded_text
from zoo.explain.text_boxes import TextBox, to_boxes

MEASURED = (
    "Surprisal: -log2 of the probability that the model gave to the token after what stands before "
    "it; one bit more is half as probable."
)
MOST = 3  # tokens that the summary names
UNIT = "surprisal, bits"


@dataclass
class Surprisal(Drawable):
    """The surprisal of each token of a text, in bits; a token is a word, a piece or a character.

    Notebooks display it as a text: the darker a token and the longer the bar beneath it, the less
    the model expected it. `save` writes it to a file.

    Args:
        tokens: The tokens, which join to the text: one that starts a word includes the space
            before it.
        bits: The surprisal of each token: a list or an array of finite, non-negative numbers.
        text: The text. Defaults to the tokens, joined.

    Raises:
        ValueError: if they differ in number, or a surprisal is negative or not finite.

    Example:

    >>> Surprisal(["Two", " dogs", " sing"], [5.1, 3.2, 12.7]).save("map.png")
    """

    tokens: list[str]
    bits: list[float]
    text: str = None  # type: ignore[assignment]  # `__post_init__` sets it

    def __post_init__(self):
        self.tokens = [str(token) for token in self.tokens]
        self.bits = [float(one) for one in listed(self.bits)]
        if self.text is None:
            self.text = "".join(self.tokens)
        if len(self.bits) != len(self.tokens):
            raise ValueError(
                "Each token needs one surprisal. "
                f"Received: {len(self.tokens)} tokens, {len(self.bits)} surprisals"
            )
        for token, one in zip(self.tokens, self.bits, strict=True):
            if not math.isfinite(one) or one < 0:
                raise ValueError(
                    "A surprisal must be finite and not negative. "
                    f"Received: {one} of token {token!r}"
                )

    @property
    def boxes(self) -> list[TextBox]:
        """The boxes that are drawn: one for each token that is not empty."""
        return to_boxes(self.tokens, [self.bits], self.text)

    @property
    def title(self) -> str:
        """The mean surprisal."""
        mean = sum(self.bits) / max(len(self.bits), 1)
        return f"{sum(self.bits):.1f} bits, {mean:.2f} a token"

    @property
    def summary(self) -> list[str]:
        if len(self.tokens) < 2:
            return []
        ranked = sorted(range(len(self.bits)), key=lambda i: -self.bits[i])[:MOST]
        named = [f"{self._named(i)} ({self.bits[i]:.1f} bits)" for i in ranked]
        return [f"Least expected: {', '.join(named)}."]

    def _named(self, i):
        """A token in quotation marks, and the word that it is a part of."""
        token = self.tokens[i].strip()
        if not token:
            return "a line break" if "\n" in self.tokens[i] else "a space"
        before, after = "".join(self.tokens[:i]), "".join(self.tokens[i + 1 :])
        head = "" if self.tokens[i][0].isspace() or before[-1:].isspace() else before.split()[-1:]
        tail = "" if after[:1].isspace() else after.split()[:1]
        word = "".join([*head, token, *tail])
        return f"“{token}”" + f" in “{word}”" * (len(word) > len(token) and word.isalpha())

    @property
    def notes(self) -> list[str]:
        """The summary, and a sentence that says what is drawn."""
        return [*self.summary, MEASURED]

    def _figure(self):
        from zoo.explain.shaded_text import draw  # imports matplotlib

        return draw(self.boxes, self.title, None, self.notes, label=UNIT)

    def to_html(self) -> str:
        """The text with shaded tokens, as an HTML page without external resources."""
        return shaded_text.page(self.boxes, self.title, None, self.notes)

    def to_dict(self) -> dict:
        """The fields as plain values, for JSON."""
        return asdict(self)
