"""Sentiment recipe: trains a `TextClassifier`."""

from collections.abc import Iterable

import keras
import numpy as np

from recipes.sentiment.report import report
from recipes.sentiment.schema import SentimentConfig
from zoo.data import Columns, Dataset
from zoo.models import TextClassifier, TextClassifierBackbone, TextClassifierPreprocessor
from zoo.models.text_classifier.task import MIN_LENGTH
from zoo.tokenizers import (
    SubwordTokenizer,
    TextWordTokenizer,
    train_subword_tokenizer,
    train_text_word_tokenizer,
)
from zoo.training.pretrained import check_same_sizes
from zoo.training.recipe import TrainingExamples
from zoo.training.vectors import VectorsRecipe
from zoo.vectors.subwords import split_words, subword_matrix


class SentimentRecipe(VectorsRecipe):
    """Recipe of text classifiers (many-to-one)."""

    Task = TextClassifier
    config: SentimentConfig
    report = staticmethod(report)

    def prepare(self, dataset: Dataset) -> TextClassifierPreprocessor:
        lowercase = self.config.tokenizer.lowercase
        if self.config.training.init_from:
            lowercase = self.initial_model.preprocessor.lowercase
        return TextClassifierPreprocessor(
            self.tokenizer(dataset),
            sequence_length=self.config.model.sequence_length,
            lowercase=lowercase,
        )

    def train_tokenizer(self, dataset: Dataset) -> SubwordTokenizer | TextWordTokenizer:
        settings = self.config.tokenizer
        texts = self._texts(dataset.splits["train"])
        if settings.algorithm == "word":
            language = self.config.data.language or (dataset.languages or (None,))[0]
            return train_text_word_tokenizer(texts, settings.vocabulary_size, language=language)
        return train_subword_tokenizer(texts, settings.vocabulary_size, settings.algorithm)

    def words(
        self, tokenizer: SubwordTokenizer | TextWordTokenizer, columns: Columns
    ) -> Iterable[str]:
        split = tokenizer.split if isinstance(tokenizer, TextWordTokenizer) else split_words
        return (word for text in self._texts(columns) for word in split(text))

    def vector_matrix(self, tokenizer, vectors, dataset) -> np.ndarray:
        if isinstance(tokenizer, TextWordTokenizer):
            return super().vector_matrix(tokenizer, vectors, dataset)
        return subword_matrix(tokenizer, vectors, self.words(tokenizer, dataset.splits["train"]))

    def _texts(self, columns: Columns) -> Iterable[str]:
        lowercase = self.config.tokenizer.lowercase
        return (text.lower() if lowercase else text for text in columns["text"])

    def build(
        self, dataset: Dataset, preprocessor: TextClassifierPreprocessor, dtype: str
    ) -> TextClassifier:
        settings = self.config.model
        max_length = max(settings.sequence_length, MIN_LENGTH)
        backbone = TextClassifierBackbone(
            vocabulary_size=preprocessor.tokenizer.vocabulary_size(),
            encoder=settings.encoder,
            embedding_dim=settings.embedding_dim,
            units=settings.units,
            num_layers=settings.num_layers,
            bidirectional=settings.bidirectional,
            num_heads=settings.num_heads,
            dropout=settings.dropout,
            # `infer` pads to powers of two.
            max_sequence_length=1 << (max_length - 1).bit_length(),
            dtype=dtype,
            **self.vector_sizes(dataset),
        )
        model = TextClassifier(
            backbone,
            preprocessor,
            labels=dataset.labels,
            pooling=settings.pooling,
            dropout=settings.pooled_dropout,
        )
        if self.config.training.init_from:
            _copy_weights(self.initial_model, model)
        self.set_vectors(model, dataset)
        return model

    @property
    def examples_vary_by_epoch(self) -> bool:
        return self.config.tokenizer.sampling > 0

    def examples(self, model: TextClassifier, columns: Columns, epoch: int) -> TrainingExamples:
        seed = np.random.SeedSequence([self.config.seed, epoch]).generate_state(1)[0]
        encoded = model.preprocessor.encode(
            columns["text"], self.config.tokenizer.sampling, int(seed)
        )
        ids = {label: i for i, label in enumerate(model.labels)}
        truth = np.eye(len(ids), dtype="float32")[[ids[label] for label in columns["label"]]]

        def collate(rows, length):
            batch = model.preprocessor.collate([encoded[row] for row in rows], length)
            return batch, truth[rows]  # [batch, labels]

        return TrainingExamples([len(tokens) for tokens in encoded], collate)

    def settings_of(self, model: TextClassifier) -> dict:
        return super().settings_of(model) | {"pooled_dropout": model.dropout}

    def compile_options(self, model) -> dict:
        return {
            "loss": keras.losses.CategoricalCrossentropy(
                from_logits=True, label_smoothing=self.config.training.label_smoothing
            ),
            "weighted_metrics": [keras.metrics.CategoricalAccuracy(name="accuracy")],
        }


def _copy_weights(source: TextClassifier, target: TextClassifier) -> None:
    """Copies the backbone of a model, and its pooling and head if they have the same shapes.

    Raises:
        ValueError: if the sizes of the backbones differ; names the settings the recipe needs.
    """
    keys = ["encoder", "embedding_dim", "units", "num_layers", "bidirectional", "vector_dim"]
    if target.backbone.encoder == "transformer":
        keys += ["num_heads", "max_sequence_length"]
    check_same_sizes(
        source.backbone, target.backbone, keys, {"max_sequence_length": "sequence_length"}
    )
    if source.pooling != target.pooling:
        target.backbone.set_weights(source.backbone.get_weights())
    elif source.labels != target.labels:
        target.backbone.set_weights(source.backbone.get_weights())
        target.pool.set_weights(source.pool.get_weights())
    else:
        target.set_weights(source.get_weights())
