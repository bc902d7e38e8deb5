"""Captions by one captioner, or by several together."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from zoo.metrics import caption_scores
from zoo.models.batching import run_batches
from zoo.models.checks import check_columns
from zoo.models.generation import Generation, SearchOptions
from zoo.models.generation.search import TextSearch
from zoo.search_options import takes_search_options


class Caption(Generation):
    """The caption of one image."""


class CaptionWriter(TextSearch):
    """Captions and scores of what finds sentences for the features of images."""

    def _grids(self, images) -> tuple[np.ndarray, ...]:
        """The encoder inputs of one batch of images."""
        raise NotImplementedError

    @takes_search_options
    def infer(self, images: Iterable[Any], *, batch_size: int = 64, **search) -> list[Caption]:
        """Captions images.

        Args:
            images: A list of images of any sizes: paths, `PIL.Image`s, arrays
                `[height, width, 3]` or anything else that `zoo.images.read_image` takes. They
                are read one batch at a time.
            batch_size: int. Most images in a batch. Defaults to `64`.
            **search: Options of the beam search, such as `beam=5`: see
                `zoo.models.generation.SearchOptions`. `max_length` defaults to the
                preprocessor's `sequence_length`.

        Returns:
            A `Caption` for each image, in order.

        Raises:
            TypeError: if `images` is not a list of images, or an option is unknown.
            FileNotFoundError: if a file does not exist.
            zoo.images.ImageError: if a file cannot be read as an image.
            ValueError: if an option is out of its range.
        """
        options = SearchOptions(**search)
        run_search = self.search(options)
        batch_size = self.rows_within(batch_size, options)
        if _is_single_image(images):
            raise TypeError(
                f"Images must come in a list, even a single one. Received: images={images!r:.80}"
            )
        images = list(images)

        def run(batch):
            grids = self._grids([images[row] for row in batch.rows])
            return self._captions(grids, batch, run_search, options)

        return run_batches(run, [1] * len(images), batch_size)

    @takes_search_options
    def caption_features(
        self, features: np.ndarray, *, batch_size: int = 64, **search
    ) -> list[Caption]:
        """Captions images whose features are known, by one captioner.

        Args:
            features: The `features` of the images, which may be mapped from a file.
            batch_size: int. Most images in a batch. Defaults to `64`.
            **search: Options of the beam search, as for `infer`.

        Returns:
            A `Caption` for each image, in order.
        """
        options = SearchOptions(**search)
        run_search = self.search(options)
        batch_size = self.rows_within(batch_size, options)

        def run(batch):
            grid = np.asarray(features[batch.rows], "float32")
            return self._captions((grid,), batch, run_search, options)

        return run_batches(run, [1] * len(features), batch_size)

    @takes_search_options
    def score(
        self,
        columns: dict[str, list],
        features: np.ndarray | None = None,
        *,
        batch_size: int = 64,
        **search,
    ) -> dict[str, float]:
        """Compares captions with references.

        Args:
            columns: `"image"`, a list of images, and `"captions"`, for each the list of its
                references.
            features: The `features` of all the images, where they are known. Defaults to `None`:
                they are computed.
            batch_size: int. Most images in a batch. Defaults to `64`.
            **search: Options of the beam search, as for `infer`.

        Returns:
            The scores of `zoo.metrics.caption_scores`.

        Raises:
            ValueError: if a column is missing, their lengths differ, or they have no rows.
        """
        check_columns(columns, "image", "captions")
        if features is None:
            answers = self.infer(columns["image"], batch_size=batch_size, **search)
        else:
            answers = self.caption_features(features, batch_size=batch_size, **search)
        return caption_scores(columns["captions"], [answer.text for answer in answers])

    def _captions(self, grids, batch, search, options):
        rows = batch.rows + batch.rows[-1:] * batch.num_filling
        found = search(*(fill(grid, batch.num_filling) for grid in grids), rows=rows)
        return [
            Caption.of(self.hypotheses(found, n, options, place))
            for n, place in enumerate(batch.rows)
        ]


def _is_single_image(images):
    if isinstance(images, np.ndarray):
        return images.ndim < 3 or (images.ndim == 3 and images.shape[-1] in (1, 3, 4))
    return not isinstance(images, Iterable) or isinstance(images, str | bytes)


def fill(batch, num_filling):
    """The batch with its last row repeated `num_filling` times."""
    return np.concatenate([batch, np.repeat(batch[-1:], num_filling, axis=0)])
