"""Tagging recipe: trains a `TokenClassifier`."""

import itertools

import keras
import numpy as np

from recipes.tagging.report import report
from recipes.tagging.schema import TaggingConfig
from zoo.data import Columns, Dataset
from zoo.models import TokenClassifier, TokenClassifierBackbone, TokenClassifierPreprocessor
from zoo.tags import tagging_scheme
from zoo.tokenizers import train_word_tokenizer
from zoo.tokenizers.words import UNKNOWN
from zoo.training.class_weights import class_weights
from zoo.training.losses import SentenceCrossentropy
from zoo.training.pretrained import check_same_sizes
from zoo.training.recipe import Recipe, TrainingExamples

# Settings that a model given as `training.init_from` must share with the one that is trained.
SIZES = (
    "word_dim",
    "characters",
    "character_dim",
    "character_units",
    "encoder",
    "units",
    "num_layers",
    "bidirectional",
    "attention",
    "num_heads",
)
# Where one of these differs, only the backbone is copied.
HEAD_SETTINGS = ("tags", "head", "scheme", "intents")


class TaggingRecipe(Recipe):
    """Recipe of taggers (synced many-to-many)."""

    Task = TokenClassifier
    config: TaggingConfig
    report = staticmethod(report)

    def prepare(self, dataset: Dataset) -> TokenClassifierPreprocessor:
        settings, model = self.config.tokenizer, self.config.model
        length = 0 if model.characters == "none" else model.character_length
        if self.config.training.init_from:
            return TokenClassifierPreprocessor(self.initial_model.preprocessor.tokenizer, length)
        tokenizer = train_word_tokenizer(
            dataset.splits["train"]["tokens"],
            settings.least_count,
            settings.lowercase,
            settings.jamo,
            self.config.data.language or (dataset.languages or (None,))[0],
        )
        return TokenClassifierPreprocessor(tokenizer, length)

    def build(
        self, dataset: Dataset, preprocessor: TokenClassifierPreprocessor, dtype: str
    ) -> TokenClassifier:
        settings, train = self.config.model, dataset.splits["train"]
        tags = itertools.chain.from_iterable(train["tags"])
        self.class_weights = class_weights(self.config.training.class_weights, dataset.labels, tags)
        backbone = TokenClassifierBackbone(
            preprocessor.tokenizer.vocabulary_size(),
            preprocessor.tokenizer.character_vocabulary_size(),
            word_dim=settings.word_dim,
            characters=settings.characters,
            character_dim=settings.character_dim,
            character_units=settings.character_units,
            encoder=settings.encoder,
            units=settings.units,
            num_layers=settings.num_layers,
            bidirectional=settings.bidirectional,
            attention=settings.attention,
            num_heads=settings.num_heads,
            dropout=settings.dropout,
            dtype=dtype,
        )
        model = TokenClassifier(
            backbone,
            preprocessor,
            tags=dataset.labels,
            head=settings.head,
            scheme=tagging_scheme(dataset.labels),
            intents=sorted(set(train.get("intent", ()))),
        )
        if self.config.training.init_from:
            pretrained = self.initial_model
            check_same_sizes(pretrained.backbone, backbone, SIZES)
            backbone.set_weights(pretrained.backbone.get_weights())
            if all(getattr(pretrained, name) == getattr(model, name) for name in HEAD_SETTINGS):
                model.set_weights(pretrained.get_weights())
        return model

    @property
    def examples_vary_by_epoch(self) -> bool:
        return self.config.tokenizer.word_dropout > 0

    def examples(self, model: TokenClassifier, columns: Columns, epoch: int) -> TrainingExamples:
        rng = np.random.default_rng([self.config.seed, epoch])
        encoded = model.preprocessor.encode(columns["tokens"])
        if share := self.config.tokenizer.word_dropout:
            encoded = [
                (np.where(rng.random(len(ids)) < share, UNKNOWN, ids).tolist(), character_ids)
                for ids, character_ids in encoded
            ]
        tag_ids = {tag: i for i, tag in enumerate(model.tags)}
        truth = [[tag_ids[tag] for tag in tags] for tags in columns["tags"]]
        intent_ids = {intent: i for i, intent in enumerate(model.intents)}

        def collate(rows, length):
            tags = np.zeros((len(rows), length), "int32")
            for i, row in enumerate(rows):
                tags[i, : len(truth[row])] = truth[row]
            y = {"tags": tags}
            if intent_ids:
                y["intent"] = np.array([intent_ids[columns["intent"][row]] for row in rows])
            return model.preprocessor.collate([encoded[row] for row in rows], length), y

        return TrainingExamples([len(tags) for tags in truth], collate)

    def compile_options(self, model: TokenClassifier) -> dict:
        if model.head == "crf":
            losses = {"tags": model.crf.loss}
        else:
            smoothing, weights = self.config.training.label_smoothing, self.class_weights.values()
            losses = {"tags": SentenceCrossentropy(smoothing, weights)}
        if model.intents:
            losses["intent"] = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        return {"loss": losses, "weighted_metrics": None}
