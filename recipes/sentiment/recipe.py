"""Sentiment recipe: trains a `TextClassifier`."""

from collections.abc import Iterable, Sequence

import keras
import numpy as np

from recipes.sentiment.report import report
from recipes.sentiment.schema import ModelConfig, SentimentConfig
from zoo import data
from zoo.data import Columns, Dataset
from zoo.metrics import Behaviour, Calibration, classification_scores, measure_behaviour
from zoo.models import CausalLM, TextClassifier, TextClassifierBackbone, TextClassifierPreprocessor
from zoo.models.text_classifier import EncoderTextClassifierPreprocessor
from zoo.models.text_classifier.task import MIN_LENGTH
from zoo.tokenizers import (
    SubwordTokenizer,
    TextWordTokenizer,
    train_subword_tokenizer,
    train_text_word_tokenizer,
)
from zoo.tracking import Gate
from zoo.training import backbones, pretrained
from zoo.training.class_weights import class_weights
from zoo.training.display import Display
from zoo.training.distillation.soft_labels import (
    UNLABELLED,
    DistillationLoss,
    agreement,
    divergence,
    pack,
    soft_labels,
)
from zoo.training.encoders import EncoderRecipe
from zoo.training.language_models import (
    check_encoder,
    copy_language_models,
    encoder_settings,
)
from zoo.training.losses import LabelCrossentropy, TokenCrossentropy
from zoo.training.pretrained import check_same_sizes
from zoo.training.recipe import TrainingExamples
from zoo.training.reduction import copy_reduced
from zoo.training.tuning import best_on_dev
from zoo.training.word_dropout import drop_words
from zoo.vectors.subwords import split_words, subword_matrix


class SentimentRecipe(EncoderRecipe):
    """Recipe of text classifiers (many-to-one)."""

    Task = TextClassifier
    config: SentimentConfig
    report = staticmethod(report)

    def prepare(self, dataset: Dataset) -> TextClassifierPreprocessor:
        settings, model = self.config.tokenizer, self.config.model
        if model.backbone:
            tokenizer = backbones.load_tokenizer(model.backbone)
            return EncoderTextClassifierPreprocessor(tokenizer, model.sequence_length)
        lowercase = settings.lowercase
        if self.config.training.init_from:
            source = self.initial_model.preprocessor
            if isinstance(source, EncoderTextClassifierPreprocessor):
                return EncoderTextClassifierPreprocessor(source.tokenizer, model.sequence_length)
            lowercase = getattr(source, "lowercase", False)  # a language model reads both cases
            if not isinstance(source.tokenizer, SubwordTokenizer | TextWordTokenizer):
                raise ValueError(
                    "A language model that starts a classifier must read subwords: train it with "
                    "tokenizer.level=subwords. Received: "
                    f"training.init_from={self.config.training.init_from!r}, with a "
                    f"{type(source.tokenizer).__name__}"
                )
        return TextClassifierPreprocessor(
            self.tokenizer(dataset),
            sequence_length=self.config.model.sequence_length,
            lowercase=lowercase,
        )

    def differences(self, model: TextClassifier) -> list[str]:
        source = self.initial_model
        if self.language_models or not _is_smaller(model.backbone, source.backbone):
            return super().differences(model)
        size, old = model.backbone.embedding_dim, source.backbone.embedding_dim
        name = str(self.config.training.init_from)
        return [
            f"embeddings of {size} dimensions in place of the {old} of {name}",
            *pretrained.differences(source, model, name, changed=("backbone",)),
        ]

    def train_tokenizer(self, dataset: Dataset) -> SubwordTokenizer | TextWordTokenizer:
        settings = self.config.tokenizer
        texts = self._texts(self.rows(dataset))
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
        return subword_matrix(tokenizer, vectors, self.words(tokenizer, self.rows(dataset)))

    def _texts(self, columns: Columns) -> Iterable[str]:
        lowercase = self.config.tokenizer.lowercase
        return (text.lower() if lowercase else text for text in columns["text"])

    def build(
        self, dataset: Dataset, preprocessor: TextClassifierPreprocessor, dtype: str
    ) -> TextClassifier:
        settings = self.config.model
        self.class_weights = class_weights(
            self.config.training.class_weights, dataset.labels, dataset.splits["train"]["label"]
        )
        model = TextClassifier(
            self._backbone(dataset, preprocessor, dtype),
            preprocessor,
            labels=dataset.labels,
            pooling=settings.pooling,
            dropout=settings.pooled_dropout,
        )
        if self.language_models:
            check_encoder(self.language_models, model.backbone.get_config(), "embedding_dim")
            recurrent = model.backbone.get_layer("recurrent")
            embeddings = copy_language_models(
                self.language_models, recurrent, model.backbone.embedding_dim
            )
            model.backbone.token_embedding.set_weights([embeddings])
        elif self.config.training.init_from:
            _copy_weights(self.initial_model, model)
        self.set_vectors(model, dataset)
        self.freeze(model)
        return model

    def _backbone(self, dataset, preprocessor, dtype) -> TextClassifierBackbone:
        settings = self.config.model
        if settings.backbone:
            encoder = backbones.load_encoder(settings.backbone, dtype)
            backbones.check_length(encoder, self.config.most_tokens)
            return TextClassifierBackbone(encoder=encoder, dtype=dtype)
        if (source := self.initial_model) and getattr(source.backbone, "pretrained", None):
            config = source.backbone.get_config()
            backbone = TextClassifierBackbone.from_config(config | {"dtype": dtype})
            backbones.check_length(backbone.pretrained, self.config.most_tokens)
            return backbone
        max_length = max(settings.sequence_length, MIN_LENGTH)
        return TextClassifierBackbone(
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

    def training_columns(self, dataset: Dataset, display: Display) -> Columns:
        if not self.teachers:
            return dataset.splits["train"]
        columns = self.rows(dataset)
        found = soft_labels(
            self.teachers,
            columns["text"],
            {"labels": dataset.labels},
            lambda teacher: {"labels": teacher.labels},
            lambda teacher, texts: {"labels": teacher.probabilities(texts)},
            display,
        )
        return columns | {"teacher": list(found["labels"])}

    @property
    def examples_vary_by_epoch(self) -> bool:
        return self.config.tokenizer.sampling > 0 or self.config.tokenizer.word_dropout > 0

    def examples(self, model: TextClassifier, columns: Columns, epoch: int) -> TrainingExamples:
        seed = np.random.SeedSequence([self.config.seed, epoch]).generate_state(1)[0]
        encoded = model.preprocessor.encode(
            columns["text"], self.config.tokenizer.sampling, int(seed)
        )
        rng = np.random.default_rng([self.config.seed, epoch])
        encoded = drop_words(encoded, self.config.tokenizer.word_dropout, rng)
        ids = {label: i for i, label in enumerate(model.labels)}
        if "teacher" in columns:
            truth = np.array([ids.get(label, UNLABELLED) for label in columns["label"]])
            targets = pack(truth, np.array(columns["teacher"]))
        else:
            targets = np.eye(len(ids), dtype="float32")[[ids[it] for it in columns["label"]]]

        def collate(rows, length):
            batch = model.preprocessor.collate([encoded[row] for row in rows], length)
            return batch, targets[rows]  # [batch, labels]

        return TrainingExamples([len(tokens) for tokens in encoded], collate)

    def tune(self, model: TextClassifier, columns: Columns, display: Display) -> dict[str, float]:
        """Lets the model read as many tokens as is best of `evaluation.sequence_lengths`."""
        evaluation = self.config.evaluation
        if not evaluation.sequence_lengths:
            return {}

        preprocessor = model.preprocessor
        encoded = preprocessor.encode(columns["text"], truncate=False)

        def read(length):
            preprocessor.sequence_length = length
            found = model.class_probabilities([preprocessor.truncated(ids) for ids in encoded])
            return classification_scores(columns["label"], np.array(found), model.labels)

        best, found = best_on_dev(
            "sequence_length",
            evaluation.sequence_lengths,
            read,
            [str(evaluation.metric)],
            evaluation.lower_is_better,
            display,
        )
        preprocessor.sequence_length = int(best)
        return found

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

    def settings_of(self, model: TextClassifier | CausalLM) -> dict:
        if isinstance(model, CausalLM):
            return encoder_settings(self.language_models, "embedding_dim")
        known = super().settings_of(model) | {"pooled_dropout": model.dropout}
        del known["backbone"]  # in a recipe, the source of one
        if model.backbone.pretrained:
            known = {name: known[name] for name in known if name not in ModelConfig.own_encoder}
        return known

    def compile_options(self, model) -> dict:
        settings = self.config.training
        if self.teachers:
            return {
                "loss": DistillationLoss(
                    self._hard_loss, divergence, settings.temperature, settings.teacher_weight
                ),
                "weighted_metrics": [keras.metrics.MeanMetricWrapper(agreement, "accuracy")],
            }
        return {
            "loss": LabelCrossentropy(settings.label_smoothing, list(self.class_weights.values())),
            "weighted_metrics": [keras.metrics.CategoricalAccuracy(name="accuracy")],
        }

    def _hard_loss(self, ids, logits):
        """Cross-entropy of the labels, `[batch]`; of `UNLABELLED` without meaning."""
        loss = TokenCrossentropy(self.config.training.label_smoothing)
        return loss.call(keras.ops.maximum(ids, 0)[:, None], logits[:, None])[:, 0]


def _is_smaller(new: TextClassifierBackbone, old: TextClassifierBackbone) -> bool:
    """True if the embeddings of a recurrent encoder have fewer dimensions."""
    is_recurrent = not old.pretrained and "transformer" not in (new.encoder, old.encoder)
    return is_recurrent and new.embedding_dim < old.embedding_dim


def _copy_weights(source: TextClassifier, target: TextClassifier) -> None:
    """Copies the backbone of a model, and its pooling and head if they have the same shapes.

    The embeddings of a recurrent encoder may have fewer dimensions than those of the model.

    Raises:
        ValueError: if other sizes of the backbones differ; names the settings the recipe needs.
    """
    old, new = source.backbone, target.backbone
    keys = ["encoder", "units", "num_layers", "bidirectional", "vector_dim"]
    if not (is_smaller := _is_smaller(new, old)):
        keys.append("embedding_dim")
    if new.encoder == "transformer":
        keys += ["num_heads", "max_sequence_length"]
    if not old.pretrained:  # else the target was made of its config
        check_same_sizes(old, new, keys, {"max_sequence_length": "sequence_length"})
    if is_smaller:
        copy_reduced(old, new)
    else:
        new.set_weights(old.get_weights())
    if source.pooling == target.pooling:
        target.pool.set_weights(source.pool.get_weights())
        if source.labels == target.labels:
            target.get_layer("logits").set_weights(source.get_layer("logits").get_weights())
