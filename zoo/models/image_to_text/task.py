"""Image captioning task with beam search, scores and attention maps."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import keras
import numpy as np

from zoo.checks import check_number
from zoo.explain import CaptionMap
from zoo.images import read_image
from zoo.models.batching import bucket_size, predict, run_batches
from zoo.models.checks import require_preprocessor
from zoo.models.explaining import chosen_methods
from zoo.models.generation import GenerationTask
from zoo.models.gradients import gradient_times_input
from zoo.models.image_to_text.backbone import ImageToTextBackbone
from zoo.models.image_to_text.preprocessor import ImageToTextPreprocessor
from zoo.models.image_to_text.writing import Caption, CaptionWriter, fill
from zoo.search_options import SEARCH_BOUNDS

__all__ = ["Caption", "ImageToText"]


@keras.saving.register_keras_serializable("zoo")
class ImageToText(CaptionWriter, GenerationTask):
    """Maps an image to a sentence that describes it: one-to-many.

    `fit` takes `{"images": ..., "text": ...}`, with images as `infer` takes them.

    Args:
        backbone: An `ImageToTextBackbone`.
        preprocessor: An `ImageToTextPreprocessor`, or `None`.
        length_penalty: float. Wu's alpha in a beam search for which none is given, such as the best
            on dev: see `zoo.search_options.SearchOptions`. Defaults to `1.0`.

    Raises:
        ValueError: if the length penalty is out of its range.

    Example:

    >>> model = zoo.load("cnn_lstm_bahdanau_flickr8k_en")
    >>> model.infer(["photo.jpg"], beam=5)
    """

    backbone_cls = ImageToTextBackbone
    preprocessor_cls = ImageToTextPreprocessor

    def __init__(self, backbone, preprocessor=None, length_penalty=1.0, **kwargs):
        check_number("length_penalty", length_penalty, *SEARCH_BOUNDS["length_penalty"])
        super().__init__(backbone, preprocessor, **kwargs)
        self.length_penalty = length_penalty

    def get_config(self):
        return super().get_config() | {"length_penalty": self.length_penalty}

    def fit(self, x=None, y=None, batch_size=None, validation_data=None, **kwargs):
        if isinstance(validation_data, tuple):
            validation_data = (self._readable(validation_data[0]), *validation_data[1:])
        return super().fit(
            self._readable(x), y, batch_size, validation_data=validation_data, **kwargs
        )

    def evaluate(self, x=None, y=None, batch_size=None, **kwargs):
        return super().evaluate(self._readable(x), y, batch_size, **kwargs)

    def predict(self, x=None, batch_size=None, **kwargs):
        return super().predict(self._readable(x), batch_size, **kwargs)

    def _readable(self, x):
        """The inputs with images that an array can hold: paths as strings, others as pixels."""
        if not isinstance(x, dict) or not isinstance(images := x.get("images"), list | tuple):
            return x
        if all(isinstance(image, str | Path) for image in images):
            return x | {"images": list(map(str, images))}
        size = require_preprocessor(self.preprocessor).size
        return x | {"images": np.stack([read_image(image, size) for image in images])}

    def features(self, images: Iterable[Any]) -> np.ndarray:
        """Features of images by the CNN: float32 `[batch, rows, columns, channels]`.

        Args:
            images: One batch of images, as for `infer`.
        """
        pixels = require_preprocessor(self.preprocessor).read(images)
        filled = fill(pixels, bucket_size(len(pixels)) - len(pixels))
        # Not in the compiled search: XLA takes ten times as long for a MobileNet on TensorFlow.
        return predict(self.backbone.image_encoder, filled)[: len(pixels)].astype("float32")

    def explain(self, image: Any, method: str | None = None) -> CaptionMap:
        """Explains the caption of `infer`: the contribution of each region to each word.

        Args:
            image: One image, as for `infer`.
            method: `"attention"`: the weights from the tokens to the cells of the image.
                `"occlusion"`: what the log-probability of a word loses when the neighbourhood of
                a cell is covered with the mean colour. `"gradient"`: gradient × input, of the
                log-odds of a token and the features of a cell. Defaults to `None`: attention and
                occlusion; occlusion alone of a model without attention.

        Returns:
            A `zoo.explain.CaptionMap`, which `.save("map.png")` draws.

        Raises:
            ValueError: if the method is unknown, or `"attention"` is asked of a model without.

        References:
            - Attention alone does not explain an answer: Jain and Wallace 2019. Occlusion:
              Zeiler and Fergus 2014, "Visualizing and understanding convolutional networks".
        """
        methods = chosen_methods(method, self.backbone.attention != "none")
        pixels = read_image(image)
        grid = self.features([pixels])
        found = self.search()(grid)
        ids = found.tokens[0, 0, : int(found.lengths[0, 0])]
        rows, columns = grid.shape[1:3]
        weights: Any = None
        effects: Any = None
        if "attention" in methods:
            weights = self.attention_weights((grid,), ids).reshape(-1, rows, columns)
        if "occlusion" in methods:
            effects = self._occlusion(pixels, grid, ids)
        if "gradient" in methods:
            effects = gradient_times_input(
                lambda grid: self.token_log_odds(ids, (grid,), self.backbone.encode(grid)), grid
            )[:, 0]
        return CaptionMap(
            pixels,
            self.pieces(ids),
            weights,
            caption=self.text(ids),
            effects=effects,
            method="gradient" if "gradient" in methods else "occlusion",
        )

    def _occlusion(self, pixels, grid, ids):
        """The loss of each token without the surroundings of a cell, `[target, rows, columns]`."""
        rows, columns = grid.shape[1:3]
        whole = read_image(pixels, require_preprocessor(self.preprocessor).size)
        cells = list(np.ndindex(rows, columns))

        def run(batch):
            covered = [_covered(whole, cells[i], (rows, columns)) for i in batch.rows]
            features = fill(self.features(covered), batch.num_filling)
            return self.log_probabilities((features,), ids)[: len(batch.rows)]

        others = np.stack(run_batches(run, [1] * len(cells), 64))  # [cells, target]
        (full,) = self.log_probabilities((grid,), ids)
        return (full - others).T.reshape(-1, rows, columns)

    def _grids(self, images):
        return (self.features(images),)

    def encoder_inputs(self, inputs):
        return (self.backbone.image_encoder(inputs["images"]),)

    def default_max_length(self, grid):
        return self.preprocessor.sequence_length


def _covered(image, cell, shape):
    """An image whose cell of a grid, with its neighbours in a large grid, has the mean colour.

    Args:
        image: `uint8`, `[height, width, 3]`.
        cell: Row and column of the cell.
        shape: Rows and columns of the grid.
    """
    spans = []
    for place, count, size in zip(cell, shape, image.shape[:2], strict=True):
        margin = count // 5  # a cell alone of a large grid is known from its neighbours
        first, last = max(place - margin, 0), min(place + margin + 1, count)
        spans.append(slice(first * size // count, last * size // count))
    image = image.copy()
    image[tuple(spans)] = image.mean(axis=(0, 1))
    return image
