"""Pretrained word vectors in recipes: `model.word_vectors`, `freeze_vectors`, `vector_words`."""

from abc import abstractmethod
from collections.abc import Iterable
from typing import Any, cast

import keras_hub
import numpy as np

from zoo.data import Columns, Dataset
from zoo.tokenizers import WordTokenizer
from zoo.training.distillation.teacher import all_rows
from zoo.training.model_schema import VectorsConfig
from zoo.training.recipe import Recipe
from zoo.vectors import WordVectors, find_vectors, read_vectors


class VectorsRecipe(Recipe):
    """Recipe of a model with the settings of `zoo.training.model_schema.VectorsConfig`.

    The backbone of its model takes `vector_dim` and `trained_words`, and has an embedding
    `word_vectors`, or `None` in place of it. A recipe object trains on one dataset.
    """

    _cached: tuple[Any, int | None, WordVectors | None] | None = None

    @abstractmethod
    def train_tokenizer(self, dataset: Dataset) -> Any:
        """The tokenizer of the training split, without further words of the vectors."""

    @abstractmethod
    def words(self, tokenizer: Any, columns: Columns) -> Iterable[str]:
        """The words of a split, each as often as it occurs, as they are looked up."""

    def rows(self, dataset: Dataset) -> Columns:
        """The rows of train, and the unlabelled ones that a teacher labels."""
        return all_rows(dataset)

    def tokenizer(self, dataset: Dataset) -> Any:
        """The tokenizer of the model.

        That of `training.init_from`; or one trained on the data. The vocabulary of words of the
        latter also has the other words of the training split that have a vector, then the
        `vector_words` most frequent words of the vectors.
        """
        if self.initial_model is not None:
            return self.initial_model.preprocessor.tokenizer
        return self._vocabulary(dataset)[0]

    def vector_sizes(self, dataset: Dataset) -> dict[str, int | None]:
        """The arguments `vector_dim` and `trained_words` of the backbone."""
        if self.initial_model is not None:
            known = self.initial_model.backbone.get_config()
            return {"vector_dim": 0, "trained_words": None} | {
                name: known[name] for name in ("vector_dim", "trained_words") if name in known
            }
        _, trained, vectors = self._vocabulary(dataset)
        return {"vector_dim": vectors.size if vectors else 0, "trained_words": trained}

    def set_vectors(self, model: keras_hub.models.Task, dataset: Dataset) -> None:
        """Sets the vectors of a new model, and freezes those that are always frozen.

        Raises:
            ValueError: if they do not fit the vocabulary, because the file has changed since the
                run to resume was started.
        """
        layer = model.backbone.word_vectors
        if layer is None:
            return
        if self.initial_model is None:
            tokenizer, _, vectors = self._vocabulary(dataset)
            matrix = self.vector_matrix(tokenizer, cast(WordVectors, vectors), dataset)
            if len(matrix) != layer.input_dim:
                raise ValueError(
                    "The word vectors must be those that the run started with: restore the file, "
                    f"or start anew. Received: {self._settings.word_vectors}, with {len(matrix)} "
                    f"words for a vocabulary of {layer.input_dim}"
                )
            layer.set_weights([matrix])
        layer.trainable = self._settings.freeze_vectors != "always"

    def vector_matrix(self, tokenizer: Any, vectors: WordVectors, dataset: Dataset) -> np.ndarray:
        """The vector of each id, `[ids, size]`; zeros for padding, unknown and words without."""
        matrix = vectors.matrix_of(tokenizer.get_vocabulary())
        specials = tokenizer.vocabulary_size() - len(matrix)
        return np.pad(matrix, ((specials, 0), (0, 0)))

    def frozen_epochs(self, model: keras_hub.models.Task) -> dict[str, int]:
        epochs = self._settings.freeze_vectors
        if isinstance(epochs, str):  # always: not trainable
            return {}
        return dict.fromkeys(self.undecayed_weights(model), epochs)

    def undecayed_weights(self, model: keras_hub.models.Task) -> list[str]:
        layer = model.backbone.word_vectors
        return [] if layer is None else [weight.path for weight in layer.trainable_variables]

    def describe_data(
        self, model: keras_hub.models.Task, dataset: Dataset
    ) -> tuple[list[str], dict[str, float]]:
        """The coverage of train and dev by the vectors."""
        if not self._settings.word_vectors:
            return [], {}
        tokenizer, _, vectors = self._vocabulary(dataset)
        vectors = cast(WordVectors, vectors)
        has_words = isinstance(tokenizer, WordTokenizer)
        vocabulary = set(tokenizer.get_vocabulary()) if has_words else None
        metrics: dict[str, float] = {}
        parts = []
        for split in ("train", "dev"):
            shares = vectors.coverage(self.words(tokenizer, dataset.splits[split]), vocabulary)
            metrics |= {f"vectors/{split}_{name}": share for name, share in shares.items()}
            parts.append(
                f"{shares['words']:.1%} of the words and {shares['tokens']:.1%} of the tokens "
                f"of {split}"
            )
        name = f"{vectors.source.name} (size {vectors.size})"
        return [f"word vectors {name}: {', '.join(parts)}"], metrics

    @property
    def _settings(self) -> VectorsConfig:
        return cast(VectorsConfig, getattr(self.config, "model", None))

    def _vocabulary(self, dataset: Dataset) -> tuple[Any, int | None, WordVectors | None]:
        """The tokenizer, the number of ids with a trained embedding, and the vectors."""
        if self._cached is None:
            self._cached = self._read(dataset)
        return self._cached

    def _read(self, dataset):
        settings, tokenizer = self._settings, self.train_tokenizer(dataset)
        if not settings.word_vectors:
            return tokenizer, None, None
        words = dict.fromkeys(self.words(tokenizer, self.rows(dataset)))
        path = find_vectors(settings.word_vectors)
        vectors = read_vectors(path, words, settings.vector_words)
        if not isinstance(tokenizer, WordTokenizer):
            return tokenizer, None, vectors
        trained = tokenizer.vocabulary_size()
        known = [word for word in words if word in vectors]
        others = map(tokenizer.form, vectors.most_frequent)
        vocabulary = dict.fromkeys([*tokenizer.get_vocabulary(), *known, *others])
        tokenizer.set_vocabulary(tuple(vocabulary), tokenizer.characters or ())
        return tokenizer, trained, vectors
