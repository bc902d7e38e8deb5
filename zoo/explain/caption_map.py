"""Where a model looked in a picture as it wrote each word of its caption."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from zoo.explain.drawable import Drawable
from zoo.explain.text_boxes import to_words

if TYPE_CHECKING:
    import numpy as np

MAX_WORDS = 40  # that are drawn
END = "</s>"


@dataclass(eq=False)
class CaptionMap(Drawable):
    """The weight of each part of a picture in each token of its caption.

    A notebook shows it; `save` writes it: the picture, and once more for each word, lit where
    the word's weight lies. Pieces of a word share one panel, with the mean of their weights.
    Punctuation between words and the mark of the end have none. Of more than 40 words the first
    40 are drawn, and it says so.

    Args:
        image: The picture that the grid lies over, as a whole: an array of `uint8`,
            `[height, width, 3]`, or whatever else `zoo.images.read_image` takes.
        tokens: The tokens that were written, as a reader would cut the caption: they join to it
            (a token that starts a word carries the space, or `▁`, before it), or they are
            words. `</s>` may end them.
        weights: Weights, `[tokens, rows, columns]`: numbers that are finite and not negative.
            The first row is the top of the picture, the first column its left.
        caption: str. The caption as a reader is to see it. Defaults to the tokens, joined.

    Attributes:
        image: Its pixels, in a NumPy array of `uint8`, `[height, width, 3]`.
        weights: As given, in a NumPy array.

    Raises:
        ValueError: if the weights are not one grid for each token, or a weight is negative or
            not finite; or what `zoo.images.read_image` raises.

    Example:

    >>> CaptionMap(image, ["a", " dog", "</s>"], weights, "a dog").save("map.png")
    """

    image: "np.ndarray" = field(repr=False)
    tokens: list[str]
    weights: "np.ndarray" = field(repr=False)
    caption: str | None = None

    def __post_init__(self):
        import numpy as np

        from zoo.images import read_image

        self.image = read_image(self.image)
        self.tokens = [str(token).replace("▁", " ") for token in self.tokens]
        self.weights = np.asarray(self.weights, "float64")
        if not self.tokens and not self.weights.size:
            self.weights = np.zeros((0, 1, 1))
        if self.weights.ndim != 3 or 0 in self.weights.shape[1:]:
            raise ValueError(
                "Weights are a grid for each token, [tokens, rows, columns]. "
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
        """What has a panel: each word with its weights, `[rows, columns]`."""
        return [(word, self.weights[parts].mean(axis=0)) for word, parts in to_words(self._written)]

    def figure(self):
        """The picture as a `matplotlib.figure.Figure`."""
        from zoo.explain.panels import draw

        return draw(self.image, self.caption, *self._shown())

    def to_html(self) -> str:
        """The picture as a page that needs nothing else."""
        from zoo.explain.html import panels

        return panels(self.image, self.caption, *self._shown())

    def to_dict(self) -> dict:
        """Plain values, for JSON: all but the image, which whoever asked has."""
        return {
            "tokens": self.tokens,
            "weights": self.weights.tolist(),
            "caption": self.caption,
        }

    @property
    def _written(self):
        return self.tokens[:-1] if self.tokens[-1:] == [END] else self.tokens

    def _shown(self):
        """The words with their weights, and what to say of them."""
        words = self.words
        if not words:
            return words, ""
        rows, columns = self.weights.shape[1:]
        note = f"Lit by weight. The number: the greatest of {rows} × {columns} weights."
        if len(words) > MAX_WORDS:
            note += f" Drawn: the first {MAX_WORDS} words of {len(words):,}."
        return words[:MAX_WORDS], note
