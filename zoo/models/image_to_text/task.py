"""The captioner: what a user holds."""

from collections.abc import Iterable
from numbers import Integral
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
from keras import ops

from zoo.images import read_image
from zoo.models.generation import Generation, GenerationTask
from zoo.models.image_to_text.backbone import ImageToTextBackbone
from zoo.models.image_to_text.preprocessor import ImageToTextPreprocessor
from zoo.models.texts import bucket, required

if TYPE_CHECKING:
    from zoo.explain import CaptionMap


class Caption(Generation):
    """What the model says of one picture."""


@keras.saving.register_keras_serializable("zoo")
class ImageToText(GenerationTask):
    """Looks at a picture and writes a sentence about it: one-to-many.

    Args:
        backbone: An `ImageToTextBackbone`.
        preprocessor: An `ImageToTextPreprocessor`, or `None`.

    Example:

    >>> model = zoo.load("cnn_lstm_bahdanau_flickr8k_en")
    >>> model.infer(["photo.jpg"], beam=5)
    """

    backbone_cls = ImageToTextBackbone
    preprocessor_cls = ImageToTextPreprocessor

    def infer(
        self,
        images: Iterable[Any],
        beam: int = 5,
        length_penalty: float = 1.0,
        coverage_penalty: float = 0.0,
        n_best: int = 1,
        max_length: int | None = None,
        min_length: int = 0,
        no_repeat_ngram: int = 0,
        batch_size: int = 64,
    ) -> list[Caption]:
        """Describes pictures.

        Args:
            images: The pictures, as a list: paths, `PIL.Image`s, arrays `[height, width, 3]` or
                whatever else `zoo.images.read_image` takes; of any sizes. They are read a batch
                at a time.
            beam: int. Hypotheses kept at each step; `1` is greedy search. Defaults to `5`.
            length_penalty, coverage_penalty, n_best, min_length, no_repeat_ngram: See
                `zoo.decoding.beam_search`.
            max_length: int. Most tokens of a caption. Defaults to the preprocessor's
                `sequence_length`.
            batch_size: int. How many are run at once. Defaults to `64`.

        Returns:
            A `Caption` for each picture, in order.

        Raises:
            TypeError: if `images` is one picture, or something in it is none.
            FileNotFoundError: if there is no such file.
            zoo.images.ImageError: if a file is not a picture that can be read.
            ValueError: if a number is out of its range.
        """
        search = self.search(
            beam, n_best, length_penalty, coverage_penalty, max_length, min_length, no_repeat_ngram
        )
        if _is_one(images):
            raise TypeError(
                "Pictures come in a list, also when there is only one. "
                f"Received: images={images!r:.80}"
            )
        images = list(images)
        return [
            caption
            for rows in _batches(len(images), batch_size)
            for caption in self._captions(self.features(images[rows]), search)
        ]

    def features(self, images: Iterable[Any]) -> np.ndarray:
        """What the CNN sees in pictures: float32 `[batch, rows, columns, channels]`.

        Args:
            images: One batch of pictures, as for `infer`.
        """
        pixels = required(self.preprocessor).read(images)
        # Not under XLA, which takes ten times as long for a MobileNet on TensorFlow.
        seen = self.backbone.image_encoder.predict_on_batch(_filled(pixels))
        return np.asarray(seen)[: len(pixels)]

    def score(
        self,
        columns: dict[str, list],
        features: np.ndarray | None = None,
        batch_size: int = 64,
        **search,
    ) -> dict[str, float]:
        """Compares the captions with references.

        Args:
            columns: `"image"`, a list of pictures, and `"captions"`, of each the list of its
                references.
            features: What `features` gives of all the pictures, if that is known already.
            batch_size: int. Defaults to `64`.
            **search: Options of `infer`.

        Returns:
            What `zoo.metrics.caption_scores` does.
        """
        from zoo.metrics import caption_scores

        if features is None:
            answers = self.infer(columns["image"], batch_size=batch_size, **search)
        else:
            run = self.search(**{"beam": 5, "length_penalty": 1.0, **search})
            answers = [
                caption
                for rows in _batches(len(features), batch_size)
                for caption in self._captions(np.asarray(features[rows], "float32"), run)
            ]
        return caption_scores(columns["captions"], [answer.text for answer in answers])

    def explain(self, image: Any) -> "CaptionMap":
        """Where it looked for each token that it wrote, by greedy search.

        Args:
            image: One picture, as for `infer`.

        Returns:
            `zoo.explain.CaptionMap`, which draws itself with `.save("map.png")`.

        Raises:
            ValueError: if the model has no attention.
        """
        from zoo.explain import CaptionMap

        if self.backbone.attention == "none":
            raise ValueError(
                "A model without attention looks nowhere: it has one vector for the whole "
                "picture. Received: attention='none'"
            )
        pixels = read_image(image)
        search = self.search(1, length_penalty=0.0, return_attention=True)
        grid = self.features([pixels])
        found = search(grid)
        length = int(found.lengths[0, 0])
        ids = found.tokens[0, 0, :length]
        weights = found.attention[0, 0, :length].reshape(length, *grid.shape[1:3])
        return CaptionMap(pixels, self.pieces(ids), weights, caption=self.text(ids))

    def source(self, inputs):
        return (self.backbone.image_encoder(inputs["images"]),)

    def start(self, source, max_length):
        (grid,) = source
        longest = self.preprocessor.sequence_length if max_length is None else max_length
        state, constants = self.backbone.init_decoding(grid, longest)
        batch, rows, columns, _ = grid.shape
        return state, constants, ops.ones((batch, rows * columns), "bool"), longest

    def _captions(self, grid, search):
        found = search(_filled(grid))
        return [Caption.of(self.hypotheses(found, row)) for row in range(len(grid))]


def _is_one(images):
    """Whether it is a picture, and no list of them."""
    if isinstance(images, np.ndarray):
        return images.ndim < 3 or (images.ndim == 3 and images.shape[-1] in (1, 3, 4))
    return not isinstance(images, Iterable) or isinstance(images, str | bytes)


def _batches(total, batch_size):
    if not isinstance(batch_size, Integral) or batch_size < 1:
        raise ValueError(f"A batch holds one picture or more. Received: batch_size={batch_size!r}")
    return (slice(start, start + batch_size) for start in range(0, total, batch_size))


def _filled(batch):
    """The batch, filled up with its last row to one of few sizes."""
    filling = bucket(len(batch)) - len(batch)
    return np.concatenate([batch, np.repeat(batch[-1:], filling, axis=0)]) if filling else batch
