"""Attention weights and effects of the regions of an image for each word of its caption."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from zoo.explain.drawable import Drawable
from zoo.explain.effects import ATTENTION_NOTE, effect_note
from zoo.explain.text_boxes import to_words
from zoo.images import read_image

if TYPE_CHECKING:
    import numpy as np

MAX_WORDS = 40  # with a panel
END = "</s>"


@dataclass(frozen=True)
class Panel:
    """A word of a caption as it is drawn.

    Attributes:
        word: The word.
        grids: The grids to draw, one below the other: `[rows, columns]` each, with the value that
            gets the full colour and whether the grid has a sign.
        number: The greatest value of the first grid, as text.
    """

    word: str
    grids: "list[tuple[np.ndarray, float, bool]]"
    number: str


@dataclass(eq=False)
class CaptionMap(Drawable):
    """The weight and the effect of each region of an image for each token of its caption.

    Notebooks display it, and `save` writes it to a file: the image, followed by a panel for each
    word. Its upper picture is lit where the word's weights exceed the mean of all words' weights;
    in its lower picture, regions that speak for the word are blue and those against it red.
    Light is relative to the greatest value of the word, which is written beside it; colour is on
    one scale for all words. The pieces of a word share a panel, with the mean of their weights and
    the sum of their effects. Punctuation and the end token have no panel. Of more than 40 words the
    first 40 are drawn, with a note.

    Args:
        image: The image that the grid covers: an array of `uint8`, `[height, width, 3]`, or
            anything else that `zoo.images.read_image` takes.
        tokens: The tokens of the caption: either pieces that join to it (a piece that starts a
            word includes the space, or `▁`, before it) or words. The last may be `</s>`.
        weights: Weights, `[tokens, rows, columns]`: finite, non-negative numbers; `None` if there
            are effects alone. The first row is the top of the image, the first column its left.
        caption: str. The caption as displayed. Defaults to the tokens, joined.
        effects: The effect of each region on the log-probability of each token, of the shape of
            the weights. Defaults to `None`.
        method: How the effects were measured, `"occlusion"` or `"gradient"`. Defaults to
            `"occlusion"`.

    Attributes:
        image: The pixels, a NumPy array of `uint8`, `[height, width, 3]`.
        weights, effects: NumPy arrays, or `None`.

    Raises:
        ValueError: if weights or effects are not one grid for each token, a weight is negative, a
            number is not finite, or there are neither. Also what `zoo.images.read_image` raises.

    Example:

    >>> CaptionMap(image, ["a", " dog", "</s>"], weights, "a dog").save("map.png")
    """

    image: "np.ndarray" = field(repr=False)
    tokens: list[str]
    weights: "np.ndarray | None" = field(default=None, repr=False)
    caption: str = None  # type: ignore[assignment]  # `__post_init__` sets it
    effects: "np.ndarray | None" = field(default=None, repr=False)
    method: str = field(default="occlusion", repr=False)

    def __post_init__(self):
        self.image = read_image(self.image)
        self.tokens = [str(token).replace("▁", " ") for token in self.tokens]
        if self.weights is None and self.effects is None:
            raise ValueError(
                "An explanation needs weights or effects. Received: weights=None, effects=None"
            )
        if self.weights is not None:
            self.weights = self._checked(self.weights, "weight")
        if self.effects is not None:
            self.effects = self._checked(self.effects, "effect")
        if self.caption is None:
            pieces = any(token[:1].isspace() for token in self._written[1:])
            self.caption = ("" if pieces else " ").join(self._written).strip()

    def _checked(self, grids, name):
        """Weights or effects as an array `[tokens, rows, columns]`."""
        import numpy as np  # here, so that importing zoo.explain stays light

        grids = np.asarray(grids, "float64")
        if not self.tokens and not grids.size:
            grids = np.zeros((0, 1, 1))
        if grids.ndim != 3 or 0 in grids.shape[1:]:
            raise ValueError(
                f"{name.title()}s must be one grid for each token, [tokens, rows, columns]. "
                f"Received: {name}s of shape {grids.shape}"
            )
        if len(grids) != len(self.tokens):
            raise ValueError(
                f"Each token needs one grid of {name}s. "
                f"Received: {len(self.tokens)} tokens, {len(grids)} grids"
            )
        wrong = ~np.isfinite(grids)
        if name == "weight":
            wrong |= grids < 0
        if wrong.any():
            token, row, column = np.argwhere(wrong)[0]
            raise ValueError(
                f"{name.title()}s must be finite{' and not negative' * (name == 'weight')}. "
                f"Received: {name}={grids[token, row, column]} in row {row}, "
                f"column {column} of token {self.tokens[token]!r}"
            )
        return grids

    @property
    def words(self) -> "list[tuple[str, np.ndarray]]":
        """The words that have a panel, each with its weights (or effects), `[rows, columns]`."""
        if self.weights is None:
            return self._word_effects
        return [(word, self.weights[parts].mean(axis=0)) for word, parts in to_words(self._written)]

    @property
    def panels(self) -> list[Panel]:
        """The first 40 words as they are drawn."""
        names = [word for word, _ in to_words(self._written)]
        layers = []
        if self.weights is not None and names:
            contrasts = self._contrasts()
            layers.append([(grid, float(grid.max()), False) for grid in contrasts])
        if self.effects is not None and names:
            effects = [grid for _, grid in self._word_effects]
            greatest = max(float(abs(grid).max()) for grid in effects)
            layers.append([(grid, greatest, True) for grid in effects])
        panels = []
        for word, grids in zip(names, zip(*layers, strict=True), strict=True):
            grid, _, signed = grids[0]
            strongest = float(grid.flat[abs(grid).argmax()] if signed else grid.max())
            panels.append(Panel(word, list(grids), f"{strongest:+.2f}".replace("-", "−")))
        return panels[:MAX_WORDS]

    @property
    def notes(self) -> list[str]:
        """Sentences that explain the panels."""
        names = to_words(self._written)
        if not names:
            return []
        notes = []
        both = self.weights is not None and self.effects is not None
        if self.weights is not None:
            above = "Above: lit" if both else "Lit"
            what = "attention exceeds the mean over all words" if len(names) > 1 else "attention is"
            notes.append(f"{above} where {what}, up to the number at the word. {ATTENTION_NOTE}")
        if self.effects is not None:
            strongest = max(float(abs(grid).max()) for _, grid in self._word_effects)
            measured = "what the log-probability of the word loses when a region is covered"
            note = effect_note(self.method, measured, "region")
            if both:
                note = f"Below: {note[0].lower()}{note[1:]}"
            notes.append(f"{note} Full colour: {strongest:.2f}, for all words.")
        if len(names) > MAX_WORDS:
            notes.append(f"Drawn: the first {MAX_WORDS} words of {len(names):,}.")
        return notes

    def _figure(self):
        from zoo.explain.panels import draw  # imports matplotlib

        return draw(self.image, self.caption, self.panels, self.notes)

    def to_html(self) -> str:
        """The panels, as an HTML page without external resources."""
        from zoo.explain.html.panels import page  # imports NumPy and Pillow

        return page(self.image, self.caption, self.panels, self.notes)

    def to_dict(self) -> dict:
        """The fields but the image as plain values, for JSON."""
        fields: dict = {"tokens": self.tokens, "caption": self.caption}
        if self.weights is not None:
            fields["weights"] = self.weights.tolist()
        if self.effects is not None:
            fields |= {"effects": self.effects.tolist(), "method": self.method}
        return fields

    @property
    def _written(self):
        return self.tokens[:-1] if self.tokens[-1:] == [END] else self.tokens

    @property
    def _word_effects(self):
        """The effects on the log-probability of each word."""
        effects: Any = self.effects
        return [(word, effects[parts].sum(axis=0)) for word, parts in to_words(self._written)]

    def _contrasts(self):
        """The weights of each word less the mean over all words, where there are several."""
        grids = [grid for _, grid in self.words]
        if len(grids) == 1:
            return grids
        mean = sum(grids) / len(grids)
        return [grid - mean for grid in grids]
