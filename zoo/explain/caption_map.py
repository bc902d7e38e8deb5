"""Attention weights from each word of a caption to the regions of the image."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from zoo.explain.drawable import Drawable
from zoo.explain.text_boxes import to_words
from zoo.images import read_image

if TYPE_CHECKING:
    import numpy as np

MAX_WORDS = 40  # with a panel
END = "</s>"


@dataclass(eq=False)
class CaptionMap(Drawable):
    """The weight of each region of an image for each token of its caption.

    Notebooks display it, and `save` writes it to a file: the image, followed by a panel for each
    word, lit by the word's weights. The pieces of a word share a panel, with the mean of their
    weights. Punctuation and the end token have no panel. Of more than 40 words the first 40 are
    drawn, with a note.

    Args:
        image: The image that the grid covers: an array of `uint8`, `[height, width, 3]`, or
            anything else that `zoo.images.read_image` takes.
        tokens: The tokens of the caption: either pieces that join to it (a piece that starts a
            word includes the space, or `▁`, before it) or words. The last may be `</s>`.
        weights: Weights, `[tokens, rows, columns]`: finite, non-negative numbers. The first row
            is the top of the image, the first column its left.
        caption: str. The caption as displayed. Defaults to the tokens, joined.

    Attributes:
        image: The pixels, a NumPy array of `uint8`, `[height, width, 3]`.
        weights: The weights, a NumPy array.

    Raises:
        ValueError: if the weights are not one grid for each token, or a weight is negative or
            not finite. Also what `zoo.images.read_image` raises.

    Example:

    >>> CaptionMap(image, ["a", " dog", "</s>"], weights, "a dog").save("map.png")
    """

    image: "np.ndarray" = field(repr=False)
    tokens: list[str]
    weights: "np.ndarray" = field(repr=False)
    caption: str = None  # type: ignore[assignment]  # `__post_init__` sets it

    def __post_init__(self):
        import numpy as np  # here, so that importing zoo.explain stays light

        self.image = read_image(self.image)
        self.tokens = [str(token).replace("▁", " ") for token in self.tokens]
        self.weights = np.asarray(self.weights, "float64")
        if not self.tokens and not self.weights.size:
            self.weights = np.zeros((0, 1, 1))
        if self.weights.ndim != 3 or 0 in self.weights.shape[1:]:
            raise ValueError(
                "Weights must be one grid for each token, [tokens, rows, columns]. "
                f"Received: weights of shape {self.weights.shape}"
            )
        if len(self.weights) != len(self.tokens):
            raise ValueError(
                "Each token needs one grid of weights. "
                f"Received: {len(self.tokens)} tokens, {len(self.weights)} grids"
            )
        wrong = ~(np.isfinite(self.weights) & (self.weights >= 0))
        if wrong.any():
            token, row, column = np.argwhere(wrong)[0]
            raise ValueError(
                "Weights must be finite and not negative. "
                f"Received: weight={self.weights[token, row, column]} in row {row}, "
                f"column {column} of token {self.tokens[token]!r}"
            )
        if self.caption is None:
            pieces = any(token[:1].isspace() for token in self._written[1:])
            self.caption = ("" if pieces else " ").join(self._written).strip()

    @property
    def words(self) -> list[tuple[str, "np.ndarray"]]:
        """The words that have a panel, each with its weights, `[rows, columns]`."""
        return [(word, self.weights[parts].mean(axis=0)) for word, parts in to_words(self._written)]

    def figure(self):
        """The panels, as a `matplotlib.figure.Figure`."""
        from zoo.explain.panels import draw  # imports matplotlib

        return draw(self.image, self.caption, *self._shown())

    def to_html(self) -> str:
        """The panels, as an HTML page without external resources."""
        from zoo.explain.html.panels import page  # imports NumPy and Pillow

        return page(self.image, self.caption, *self._shown())

    def to_dict(self) -> dict:
        """The fields but the image as plain values, for JSON."""
        return {
            "tokens": self.tokens,
            "weights": self.weights.tolist(),
            "caption": self.caption,
        }

    @property
    def _written(self):
        return self.tokens[:-1] if self.tokens[-1:] == [END] else self.tokens

    def _shown(self):
        """The words with their weights, and a note that explains the panels."""
        words = self.words
        if not words:
            return words, ""
        rows, columns = self.weights.shape[1:]
        note = f"Lit by weight. The number: the greatest of {rows} × {columns} weights."
        if len(words) > MAX_WORDS:
            note += f" Drawn: the first {MAX_WORDS} words of {len(words):,}."
        return words[:MAX_WORDS], note
