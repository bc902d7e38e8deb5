"""Tagging recipe: trains a `TokenClassifier`."""

import functools
import itertools
from collections.abc import Iterable

import keras
import numpy as np

from recipes.tagging.distillation import losses, taught
from recipes.tagging.report import report
from recipes.tagging.schema import ModelConfig, TaggingConfig
from zoo.data import Columns, Dataset
from zoo.models import (
    CausalLM,
    CausalLMBackbone,
    TokenClassifier,
    TokenClassifierBackbone,
    TokenClassifierPreprocessor,
)
from zoo.models.token_classifier import (
    ContextualTokenClassifierPreprocessor,
    EncoderTokenClassifierPreprocessor,
)
from zoo.models.token_classifier.parts import after_language_models
from zoo.models.token_classifier.string_embeddings import frozen_copies
from zoo.tags import tagging_scheme
from zoo.tokenizers import SpacedWordTokenizer, WordTokenizer, train_word_tokenizer
from zoo.tokenizers.spaced_words import SPECIAL
from zoo.training import backbones, string_embeddings
from zoo.training.class_weights import class_weights
from zoo.training.display import Display
from zoo.training.distillation.soft_labels import UNLABELLED, pack
from zoo.training.distillation.teacher import all_rows
from zoo.training.encoders import EncoderRecipe
from zoo.training.language_models import (
    check_encoder,
    copy_language_models,
    encoder_settings,
)
from zoo.training.losses import SentenceCrossentropy
from zoo.training.pretrained import check_same_sizes, digest
from zoo.training.recipe import TrainingExamples
from zoo.training.tuning import best_on_dev
from zoo.training.word_dropout import drop_words

POINTED_WORDS = 64  # of a sentence, that a head of pointers reaches at least
MAX_CHARACTERS = 512  # to which `fit` and `predict` of a tagger of characters pad or cut a sentence
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
    "vector_dim",
    "trained_words",
    "language_dim",
)
# The layers of each head, by the settings that both models must share for them to be copied.
HEAD_LAYERS = {
    ("tags", "head", "scheme"): ("potentials", "crf"),
    ("intents",): ("pooling", "intent"),
}


class TaggingRecipe(EncoderRecipe):
    """Recipe of taggers (synced many-to-many)."""

    Task = TokenClassifier
    config: TaggingConfig
    _has_states = False  # of language models, in the training columns
    report = staticmethod(report)

    def prepare(self, dataset: Dataset) -> TokenClassifierPreprocessor:
        model, settings = self.config.model, self.config.tokenizer
        language = self._language(dataset)
        if model.backbone:
            tokenizer = backbones.load_tokenizer(model.backbone)
            return EncoderTokenClassifierPreprocessor(tokenizer, model.pieces, language)
        if (start := self.initial_model) and getattr(start.backbone, "pretrained", None):
            source = start.preprocessor
            return EncoderTokenClassifierPreprocessor(
                source.tokenizer, source.pieces, source.language, source.sequence_length
            )
        length = 0 if model.characters == "none" else model.character_length
        tokenizer = self.tokenizer(dataset)
        if tokenizer.unit != settings.unit:
            raise ValueError(
                f"The model to start from tags {tokenizer.unit}: set tokenizer.unit="
                f"{tokenizer.unit}, with data of that unit, or start from another model. "
                f"Received: tokenizer.unit={settings.unit}"
            )
        if self.readers:
            source = self.readers[0].preprocessor
            characters = source.tokenizer.get_vocabulary()[len(source.tokenizer.special_tokens) :]
            return ContextualTokenClassifierPreprocessor(
                tokenizer, "".join(characters), source.start, len(self.readers), length
            )
        if start and isinstance(start.preprocessor, ContextualTokenClassifierPreprocessor):
            config = start.preprocessor.get_config()
            return ContextualTokenClassifierPreprocessor(
                tokenizer, config["text_characters"], config["start"], config["num_models"], length
            )
        if settings.unit == "characters":
            return TokenClassifierPreprocessor(tokenizer, 0, MAX_CHARACTERS)
        return TokenClassifierPreprocessor(tokenizer, length)

    @functools.cached_property
    def readers(self) -> list[CausalLM]:
        """The language models of characters that `model.language_models` names."""
        sources = self.config.model.language_models
        return string_embeddings.load_language_models(sources) if sources else []

    def train_tokenizer(self, dataset: Dataset) -> WordTokenizer:
        settings = self.config.tokenizer
        return train_word_tokenizer(
            self.rows(dataset)["tokens"],
            settings.least_count,
            settings.lowercase and not self.language_models,  # which read both cases
            settings.jamo,
            self._language(dataset),
            settings.unit,
        )

    def tokenizer(self, dataset: Dataset) -> WordTokenizer:
        """The tokenizer of the model; of one that starts from a language model, with its words.

        Raises:
            ValueError: if the language model does not read words.
        """
        if not self.language_models:
            return super().tokenizer(dataset)
        source = self.language_models[0].preprocessor.tokenizer
        if not isinstance(source, SpacedWordTokenizer):
            raise ValueError(
                "A language model that starts a tagger must read words: train it with "
                "tokenizer.level=words. Received: "
                f"training.init_from={self.config.training.init_from!r}, with a "
                f"{type(source).__name__}"
            )
        tokenizer = self.train_tokenizer(dataset)
        words = dict.fromkeys([*source.get_vocabulary()[len(SPECIAL) :], *tokenizer.words])
        tokenizer.set_vocabulary(tuple(words), tokenizer.characters)
        return tokenizer

    def words(self, tokenizer: WordTokenizer, columns: Columns) -> Iterable[str]:
        return (tokenizer.form(word) for words in columns["tokens"] for word in words)

    def build(
        self, dataset: Dataset, preprocessor: TokenClassifierPreprocessor, dtype: str
    ) -> TokenClassifier:
        settings, train = self.config.model, dataset.splits["train"]
        tags = itertools.chain.from_iterable(train["tags"])
        self.class_weights = class_weights(self.config.training.class_weights, dataset.labels, tags)
        backbone = self._backbone(dataset, preprocessor, dtype)
        model = TokenClassifier(
            backbone,
            preprocessor,
            tags=self.tags(dataset),
            head=settings.head,
            scheme=tagging_scheme(dataset.labels),
            intents=sorted(set(train.get("intent", ()))),
        )
        if self.config.evaluation.outside_penalties:
            model.penalize("O", 0.0)  # refuses what has no such tag, before the training
        if self.language_models:
            self._copy_language_models(backbone)
        elif self.config.training.init_from:
            pretrained = self.initial_model
            if not pretrained.backbone.pretrained:  # else the backbone was made of its config
                check_same_sizes(pretrained.backbone, backbone, SIZES)
            backbone.set_weights(pretrained.backbone.get_weights())
            for settings_of_head, layers in HEAD_LAYERS.items():
                same = [getattr(pretrained, it) == getattr(model, it) for it in settings_of_head]
                for layer in model.layers:
                    if all(same) and layer.name in layers:
                        layer.set_weights(pretrained.get_layer(layer.name).get_weights())
        self.set_vectors(model, dataset)
        self.freeze(model)
        return model

    def tags(self, dataset: Dataset) -> tuple[str, ...]:
        """The tags of the model: those of the data, or of a pointer all words in reach."""
        if self.config.model.head != "pointer":
            return dataset.labels
        numbers = [int(tag) for tag in dataset.labels if tag != "O"]
        return ("O", *map(str, range(1, max(POINTED_WORDS, *numbers) + 1)))

    def _copy_language_models(self, backbone: TokenClassifierBackbone) -> None:
        check_encoder(self.language_models, backbone.get_config(), "word_dim")
        recurrent = backbone.get_layer("recurrent")
        known = copy_language_models(self.language_models, recurrent, backbone.word_dim)
        (table,) = backbone.word_embedding.get_weights()
        table[:2] = known[:2]  # padding and unknown
        words = known[len(SPECIAL) :]
        table[2 : 2 + len(words)] = words
        backbone.word_embedding.set_weights([table])

    def _backbone(self, dataset, preprocessor, dtype) -> TokenClassifierBackbone:
        settings = self.config.model
        attention = {
            "attention": settings.attention,
            "num_heads": settings.num_heads,
            "dropout": settings.dropout,
        }
        if settings.backbone:
            encoder = backbones.load_encoder(settings.backbone, dtype)
            # Known now, and before a sentence is encoded.
            longest = getattr(encoder, "max_sequence_length", preprocessor.sequence_length)
            preprocessor.sequence_length = longest
            for columns in dataset.splits.values():
                preprocessor.encode(columns["tokens"])  # refuses sentences that are too long
            return TokenClassifierBackbone(encoder=encoder, **attention, dtype=dtype)
        if (start := self.initial_model) and getattr(start.backbone, "pretrained", None):
            config = start.backbone.get_config()
            return TokenClassifierBackbone.from_config(config | attention | {"dtype": dtype})
        return TokenClassifierBackbone(
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
            language_models=self._readers(),
            language_dim=settings.language_dim,
            **attention,
            dtype=dtype,
            **self.vector_sizes(dataset),
        )

    def _readers(self) -> list[CausalLMBackbone]:
        """The language models whose states are features, or those of a tagger to start from."""
        start = self.initial_model
        known = getattr(start.backbone, "language_models", []) if start else []
        return [model.backbone for model in self.readers] or known

    def describe_data(
        self, model: TokenClassifier, dataset: Dataset
    ) -> tuple[list[str], dict[str, float]]:
        """The coverage by word vectors, and by the characters of language models."""
        lines, metrics = super().describe_data(model, dataset)
        if self.readers:
            units = sum(reader.backbone.units for reader in self.readers)
            unknown = string_embeddings.unknown_share(self.readers, dataset.splits["dev"]["tokens"])
            lines.append(
                f"states of {' and '.join(self.config.model.language_models)} are features "
                f"({units:,} a word, frozen); {unknown:.2%} of the characters of dev are unknown"
            )
            metrics["language_models/dev_unknown"] = unknown
        return lines, metrics

    def model_digests(self) -> list[str]:
        names = self.config.model.language_models
        return [*super().model_digests(), *map(digest, names)]

    def training_columns(self, dataset: Dataset, display: Display) -> Columns:
        """The rows of train, those of teachers, and the states of language models at the words."""
        columns = dataset.splits["train"]
        if self.teachers:
            columns = taught(self.rows(dataset), self.teachers, self.tags(dataset), display)
        if models := frozen_copies(self._readers(), "float32"):
            preprocessor = self.prepare(dataset)
            states = string_embeddings.word_states(models, preprocessor, columns["tokens"], display)
            if states is not None:
                self._has_states = True
                columns = columns | {"text_states": states}
        return columns

    def tune(self, model: TokenClassifier, columns: Columns, display: Display) -> dict[str, float]:
        """Lowers the score of the tag `O` by the best of `evaluation.outside_penalties`."""
        penalties, evaluation = self.config.evaluation.outside_penalties, self.config.evaluation
        if not penalties:
            return {}
        present = 0.0

        def penalize(penalty):
            nonlocal present
            model.penalize("O", penalty - present)
            present = penalty

        def score(penalty):
            penalize(penalty)
            return model.score(columns)

        best, found = best_on_dev(
            "outside_penalty",
            penalties,
            score,
            [str(evaluation.metric)],
            evaluation.lower_is_better,
            display,
        )
        penalize(best)
        return found

    def training_model(self, model: TokenClassifier) -> keras.Model:
        return after_language_models(model) if self._has_states else model

    def _language(self, dataset: Dataset) -> str | None:
        return self.config.data.language or next(iter(dataset.languages), None)

    def rows(self, dataset: Dataset) -> Columns:
        """The rows of train and the unlabelled ones, split into words."""
        columns = all_rows(dataset)
        unit = self.config.tokenizer.unit
        split = WordTokenizer(language=self._language(dataset), unit=unit).split
        columns["tokens"] = [
            split(sentence) if isinstance(sentence, str) else sentence
            for sentence in columns["tokens"]
        ]
        return columns

    @property
    def examples_vary_by_epoch(self) -> bool:
        return self._word_dropout > 0

    @property
    def _word_dropout(self) -> float:
        """The share of unknown words; a KerasHub encoder has dropout of its own."""
        return 0.0 if self.config.model.backbone else self.config.tokenizer.word_dropout

    def settings_of(self, model: TokenClassifier | CausalLM) -> dict:
        if isinstance(model, CausalLM):
            return encoder_settings(self.language_models, "word_dim")
        known = super().settings_of(model)
        for source in ("backbone", "language_models"):  # in a recipe, what they are loaded from
            known.pop(source, None)
        if not known.get("character_length", 1):
            del known["character_length"]  # of a model that reads no characters of words
        if model.backbone.pretrained:
            left_out = (*ModelConfig.own_encoder, "pieces")
            known = {name: known[name] for name in known if name not in left_out}
        return known

    def examples(self, model: TokenClassifier, columns: Columns, epoch: int) -> TrainingExamples:
        rng = np.random.default_rng([self.config.seed, epoch])
        encoded = model.preprocessor.encode(columns["tokens"])
        if share := self._word_dropout:
            dropped = drop_words([words for words, *_ in encoded], share, rng)
            encoded = [(words, *rest) for words, (_, *rest) in zip(dropped, encoded, strict=True)]
        tag_ids = {tag: i for i, tag in enumerate(model.tags)}
        truth = [tags and [tag_ids[tag] for tag in tags] for tags in columns["tags"]]
        intent_ids = {intent: i for i, intent in enumerate(model.intents)}
        soft_tags, states = columns.get("teacher"), columns.get("text_states")
        preprocessor = model.preprocessor

        def collate(rows, length):
            taken = [encoded[row] for row in rows]
            if states:
                x = preprocessor.collate_words(taken, length)
                found = [states[row] for row in rows]
                x["text_states"] = string_embeddings.pad_states(found, length)
            else:
                x = preprocessor.collate(taken, length)
            tags = np.zeros(x["padding_mask"].shape, "int32")
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
            return x, y

        words = list(map(len, columns["tokens"]))
        lengths = words if states else list(map(preprocessor.length, encoded))
        return TrainingExamples(lengths, collate, tokens=words)

    def compile_options(self, model: TokenClassifier) -> dict:
        if self.teachers:
            return {"loss": losses(model, self.config.training), "weighted_metrics": None}
        if model.head == "crf":
            loss = {"tags": model.crf.loss}
        else:
            smoothing, weights = self.config.training.label_smoothing, self.class_weights.values()
            loss = {"tags": SentenceCrossentropy(smoothing, weights)}
        if model.intents:
            loss["intent"] = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        return {"loss": loss, "weighted_metrics": None}
