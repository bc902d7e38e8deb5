"""Synced many-to-many: trains a tagger."""

import warnings
from dataclasses import replace
from typing import TYPE_CHECKING

from recipes.tagging.schema import TaggingConfig
from zoo.training.config import ConfigError
from zoo.training.recipe import Recipe, TrainingExamples

if TYPE_CHECKING:
    from zoo.data import Columns, Dataset
    from zoo.models import TokenClassifier, TokenClassifierPreprocessor

# What a model to start from must have in common with this one; and what its tags must, or only what
# it knows of words is taken over.
SIZES = ["word_dim", "characters", "character_dim", "character_units", "encoder", "units"]
SIZES += ["num_layers", "bidirectional", "attention", "num_heads"]
TASK = ("tags", "head", "scheme", "intents")


class TaggingRecipe(Recipe):
    """Words go in, and for each of them a tag comes out."""

    name = "tagging"
    Config = TaggingConfig
    config: TaggingConfig

    def load_data(self) -> "Dataset":
        from zoo import data

        settings = self.config.data
        if settings.name is not None:
            dataset = data.load(settings.name, **settings.options)
        else:
            dataset = data.load_tagged(
                train=settings.train,
                dev=settings.dev,
                test=settings.test,
                column=settings.column,
                dev_fraction=settings.dev_fraction,
                seed=self.config.seed,
            )
        dataset = well_formed(dataset)
        self._check_metric(dataset)
        _warn_of_unknown_tags(dataset)
        return dataset

    def _check_metric(self, dataset) -> None:
        """Before training, not after its first epoch."""
        from zoo.tags import tagging_scheme

        metric, missing = self.config.evaluation.metric, None
        if metric.startswith("f1") and tagging_scheme(dataset.labels) is None:
            missing = "tags that mark spans, as BIO does: set evaluation.metric=token_accuracy"
        if metric == "intent_accuracy" and "intent" not in dataset.splits["train"]:
            missing = "intents: set another evaluation.metric"
        if missing:
            mistake = f"evaluation.metric: {metric} needs {missing}. Received: {dataset.name}"
            raise ConfigError(self.name, [mistake])

    def prepare(self, dataset: "Dataset") -> "TokenClassifierPreprocessor":
        from zoo.models import TokenClassifierPreprocessor
        from zoo.tokenizers import train_word_tokenizer

        settings, model = self.config.tokenizer, self.config.model
        length = 0 if model.characters == "none" else model.character_length
        if self.config.training.init_from:
            return TokenClassifierPreprocessor(self._pretrained().preprocessor.tokenizer, length)
        tokenizer = train_word_tokenizer(
            dataset.splits["train"]["tokens"],
            settings.least_count,
            settings.lowercase,
            settings.jamo,
            self.config.data.language or (dataset.languages or (None,))[0],
        )
        return TokenClassifierPreprocessor(tokenizer, length)

    def build(
        self, dataset: "Dataset", preprocessor: "TokenClassifierPreprocessor", dtype: str
    ) -> "TokenClassifier":
        from zoo.models import TokenClassifier, TokenClassifierBackbone
        from zoo.tags import tagging_scheme
        from zoo.training.pretrained import check_same_sizes

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
            pretrained = self._pretrained()
            check_same_sizes(pretrained.backbone, backbone, SIZES)
            backbone.set_weights(pretrained.backbone.get_weights())
            if all(getattr(pretrained, name) == getattr(model, name) for name in TASK):
                model.set_weights(pretrained.get_weights())
        return model

    @property
    def examples_vary_by_epoch(self) -> bool:
        return self.config.tokenizer.word_dropout > 0

    def examples(
        self, model: "TokenClassifier", columns: "Columns", epoch: int
    ) -> TrainingExamples:
        import numpy as np

        from zoo.tokenizers.words import UNKNOWN

        random = np.random.default_rng([self.config.seed, epoch])
        encoded = model.preprocessor.encode(columns["tokens"])
        if share := self.config.tokenizer.word_dropout:
            encoded = [
                (np.where(random.random(len(ids)) < share, UNKNOWN, ids).tolist(), spelled)
                for ids, spelled in encoded
            ]
        tag_ids = {tag: i for i, tag in enumerate(model.tags)}
        truth = [[tag_ids[tag] for tag in tags] for tags in columns["tags"]]
        intent_ids = {intent: i for i, intent in enumerate(model.intents)}

        def collate(rows, length):
            tags = np.zeros((len(rows), length), "int32")
            for place, row in enumerate(rows):
                tags[place, : len(truth[row])] = truth[row]
            y = {"tags": tags}
            if intent_ids:
                y["intent"] = np.array([intent_ids[columns["intent"][row]] for row in rows])
            return model.preprocessor.collate([encoded[row] for row in rows], length), y

        return TrainingExamples([len(tags) for tags in truth], collate)

    def compile_options(self, model: "TokenClassifier") -> dict:
        import keras

        from zoo.training.losses import SentenceCrossentropy

        smoothing = self.config.training.label_smoothing
        losses = {"tags": model.crf.loss}
        if model.head == "softmax":
            losses["tags"] = SentenceCrossentropy(smoothing)
        if model.intents:
            losses["intent"] = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        return {"loss": losses, "weighted_metrics": None}

    def report(self, model: "TokenClassifier", columns: "Columns", run) -> None:
        from recipes.tagging.report import report

        report(model, columns, run, samples=self.config.evaluation.samples)

    def _pretrained(self) -> "TokenClassifier":
        from zoo.models import TokenClassifier
        from zoo.training.pretrained import load

        return load(self.config.training.init_from, TokenClassifier)


def well_formed(dataset: "Dataset") -> "Dataset":
    """The dataset with its ill-formed tags repaired, as seqeval reads them: an `I-X` that continues
    no span becomes `B-X`. Warns of how many there were in train.

    The scheme is that of the tags of all splits: where train alone has no `B`, another may have.
    """
    from zoo.data import tag_set
    from zoo.tags import count_ill_formed, repair, tagging_scheme

    every = {tag for columns in dataset.splits.values() for tag in tag_set(columns["tags"])}
    scheme = tagging_scheme(every) or tagging_scheme(dataset.labels)
    count = count_ill_formed(dataset.splits["train"]["tags"], scheme) if scheme else 0
    if not count:
        return dataset
    warnings.warn(
        f"{dataset.name}: {count:,} transitions between tags of train are ill-formed in "
        f"{scheme.upper()}, and were repaired.",
        stacklevel=3,
    )
    splits = {
        split: columns | {"tags": [repair(tags, scheme) for tags in columns["tags"]]}
        for split, columns in dataset.splits.items()
    }
    return replace(dataset, splits=splits, labels=tag_set(splits["train"]["tags"]))


def _warn_of_unknown_tags(dataset) -> None:
    from zoo.metrics import unknown_tags

    for split, columns in dataset.splits.items():
        if unknown := unknown_tags(dataset.splits["train"]["tags"], columns["tags"]):
            told = ", ".join(f"{tag} ({count:,})" for tag, count in list(unknown.items())[:10])
            warnings.warn(
                f"{dataset.name}: {split} has {len(unknown)} tags that train lacks, which count as "
                f"mistakes: {told}",
                stacklevel=3,
            )
