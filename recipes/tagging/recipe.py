"""Tagging recipe: trains a `TokenClassifier`."""

import keras
import numpy as np

from recipes.tagging.distillation import losses, taught
from recipes.tagging.report import report
from recipes.tagging.schema import TaggingConfig
from zoo.data import Columns, Dataset
from zoo.models import TokenClassifier, TokenClassifierBackbone, TokenClassifierPreprocessor
from zoo.tags import tagging_scheme
from zoo.tokenizers import WordTokenizer, train_word_tokenizer
from zoo.tokenizers.words import UNKNOWN
from zoo.training.display import Display
from zoo.training.distillation.soft_labels import UNLABELLED, pack
from zoo.training.distillation.teacher import all_rows
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
            self._rows(dataset)["tokens"],
            settings.least_count,
            settings.lowercase,
            settings.jamo,
            self._language(dataset),
        )
        return TokenClassifierPreprocessor(tokenizer, length)

    def build(
        self, dataset: Dataset, preprocessor: TokenClassifierPreprocessor, dtype: str
    ) -> TokenClassifier:
        settings, train = self.config.model, dataset.splits["train"]
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

    def training_columns(self, dataset: Dataset, display: Display) -> Columns:
        if not self.teachers:
            return dataset.splits["train"]
        return taught(self._rows(dataset), self.teachers, dataset.labels, display)

    def _language(self, dataset: Dataset) -> str | None:
        return self.config.data.language or next(iter(dataset.languages), None)

    def _rows(self, dataset: Dataset) -> Columns:
        """The rows of train and the unlabelled ones, split into words."""
        columns = all_rows(dataset)
        split = WordTokenizer(language=self._language(dataset)).split
        columns["tokens"] = [
            split(sentence) if isinstance(sentence, str) else sentence
            for sentence in columns["tokens"]
        ]
        return columns

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
        truth = [tags and [tag_ids[tag] for tag in tags] for tags in columns["tags"]]
        intent_ids = {intent: i for i, intent in enumerate(model.intents)}
        soft_tags = columns.get("teacher")

        def collate(rows, length):
            tags = np.zeros((len(rows), length), "int32")
            for i, row in enumerate(rows):
                if truth[row] is None:
                    tags[i] = UNLABELLED
                else:
                    tags[i, : len(truth[row])] = truth[row]
            y = {"tags": tags}
            if intent_ids:
                intents = [intent_ids.get(columns["intent"][row], UNLABELLED) for row in rows]
                y["intent"] = np.array(intents)
            if soft_tags:
                soft = np.zeros((*tags.shape, len(tag_ids)), "float32")
                for i, row in enumerate(rows):
                    soft[i, : len(soft_tags[row])] = soft_tags[row]
                y["tags"] = pack(tags, soft)
                if intent_ids:
                    soft = np.stack([columns["teacher_intent"][row] for row in rows])
                    y["intent"] = pack(y["intent"], soft)
            return model.preprocessor.collate([encoded[row] for row in rows], length), y

        return TrainingExamples([len(words) for words in columns["tokens"]], collate)

    def compile_options(self, model: TokenClassifier) -> dict:
        if self.teachers:
            return {"loss": losses(model, self.config.training), "weighted_metrics": None}
        if model.head == "crf":
            loss = {"tags": model.crf.loss}
        else:
            loss = {"tags": SentenceCrossentropy(self.config.training.label_smoothing)}
        if model.intents:
            loss["intent"] = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        return {"loss": loss, "weighted_metrics": None}
