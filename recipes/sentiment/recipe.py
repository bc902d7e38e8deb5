"""Sentiment recipe: trains a `TextClassifier`."""

from collections.abc import Sequence

import keras
import numpy as np

from recipes.sentiment.report import report
from recipes.sentiment.schema import SentimentConfig
from zoo import data
from zoo.data import Columns, Dataset
from zoo.metrics import Behaviour, Calibration, measure_behaviour
from zoo.models import TextClassifier, TextClassifierBackbone, TextClassifierPreprocessor
from zoo.models.text_classifier.task import MIN_LENGTH
from zoo.tokenizers import train_subword_tokenizer
from zoo.tracking import Gate
from zoo.training.class_weights import class_weights
from zoo.training.losses import LabelCrossentropy
from zoo.training.pretrained import check_same_sizes
from zoo.training.recipe import Recipe, TrainingExamples


class SentimentRecipe(Recipe):
    """Recipe of text classifiers (many-to-one)."""

    Task = TextClassifier
    config: SentimentConfig
    report = staticmethod(report)

    def prepare(self, dataset: Dataset) -> TextClassifierPreprocessor:
        settings = self.config.tokenizer
        lowercase = settings.lowercase
        if self.config.training.init_from:
            pretrained = self.initial_model.preprocessor
            tokenizer, lowercase = pretrained.tokenizer, pretrained.lowercase
        else:
            texts = dataset.splits["train"]["text"]
            tokenizer = train_subword_tokenizer(
                (text.lower() for text in texts) if lowercase else texts,
                settings.vocabulary_size,
                settings.algorithm,
            )
        return TextClassifierPreprocessor(
            tokenizer, sequence_length=self.config.model.sequence_length, lowercase=lowercase
        )

    def build(
        self, dataset: Dataset, preprocessor: TextClassifierPreprocessor, dtype: str
    ) -> TextClassifier:
        settings = self.config.model
        self.class_weights = class_weights(
            self.config.training.class_weights, dataset.labels, dataset.splits["train"]["label"]
        )
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

    def calibrate(self, model: TextClassifier, columns: Columns) -> Calibration | None:
        return model.calibrate(columns) if self.config.evaluation.calibrate else None

    def behaviour(self, model: TextClassifier, languages: Sequence[str]) -> Behaviour | None:
        evaluation = self.config.evaluation
        if not evaluation.behaviour:
            return None
        name = evaluation.behaviour_set(languages)
        columns = data.load(name).splits["test"]
        answers = model.infer(columns["text"])
        return measure_behaviour(name, columns, answers, evaluation.polarity(model.labels))

    def gates(self) -> list[Gate]:
        gates, threshold = super().gates(), self.config.evaluation.behaviour_gate
        if gates and threshold is not None:
            gates.append(Gate("behaviour/accuracy", threshold))
        return gates

    def settings_of(self, model: TextClassifier) -> dict:
        return super().settings_of(model) | {"pooled_dropout": model.dropout}

    def compile_options(self, model) -> dict:
        return {
            "loss": LabelCrossentropy(
                self.config.training.label_smoothing, list(self.class_weights.values())
            ),
            "weighted_metrics": [keras.metrics.CategoricalAccuracy(name="accuracy")],
        }


def _copy_weights(source: TextClassifier, target: TextClassifier) -> None:
    """Copies the backbone of a model, and its pooling and head if they have the same shapes.

    Raises:
        ValueError: if the sizes of the backbones differ; names the settings the recipe needs.
    """
    keys = ["encoder", "embedding_dim", "units", "num_layers", "bidirectional"]
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
