"""Schema of tagging recipes."""

import warnings
from collections.abc import Iterator
from dataclasses import replace
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field

from zoo import data
from zoo.choices import (
    CHARACTERS,
    ENCODERS,
    HEADS,
    PIECES,
    TAGGER_ATTENTIONS,
    UNITS,
    has_heads,
)
from zoo.conflicts import character_conflicts, head_conflicts, pointer_conflicts
from zoo.data import Dataset, tag_set
from zoo.data.planning import MAX_BATCH_STEPS
from zoo.tags import count_ill_formed, repair, tagging_scheme
from zoo.training.class_weights import ClassWeights, unknown_labels, weight_conflicts
from zoo.training.distillation.schema import (
    DistilledData,
    DistilledRecipe,
    SoftLabelTraining,
)
from zoo.training.fine_tuning import FineTuningConfig, backbone_conflicts
from zoo.training.model_schema import VectorsConfig
from zoo.training.schema import (
    Conflict,
    Count,
    EvaluationConfig,
    Heads,
    Layers,
    Section,
    Share,
    Size,
    SizeOrNone,
    absolute_preset,
    one_of,
)
from zoo.unicode import compose

Source = Annotated[str, Field(min_length=1)]  # of a model: a name, a directory or an address

FLOAT32_BYTES = 4
MAX_CRF_BYTES = 4 * 2**30  # of the scores of all pairs of tags in a batch


class TaggingData(DistilledData):
    """Tagged sentences: a named dataset, or the user's own files; and sentences without tags."""

    task = "token_classifier"

    options: dict[str, int | str] = {}
    train: str | None = None
    dev: str | None = None
    test: str | None = None
    column: Literal["upos", "xpos"] = "upos"
    language: str | None = None

    def load_labelled(self, seed: int) -> Dataset:
        """Loads the data, repairs ill-formed tags, and warns of tags that train lacks."""
        dataset = _repair_tags(super().load_labelled(seed))
        _warn_of_unknown_tags(dataset)
        return dataset

    def load_files(self, seed: int) -> Dataset:
        return data.load_tagged(
            train=self.train,
            dev=self.dev,
            test=self.test,
            column=self.column,
            dev_fraction=self.dev_fraction,
            seed=seed,
        )

    def conflicts(self) -> Iterator[Conflict]:
        yield from super().conflicts()
        if self.name is not None and self.column != "upos":
            yield Conflict(
                f"the tag column of a named dataset is one of its options: set "
                f"data.options.column={self.column}",
                name=self.name,
                column=self.column,
            )
        if self.name is not None and self.language is not None:
            yield Conflict(
                "a named dataset defines its language: leave language out",
                name=self.name,
                language=self.language,
            )


class TokenizerConfig(Section):
    """Vocabularies of words and characters, or of characters alone."""

    unit: Annotated[str, one_of(UNITS)] = "words"
    least_count: Count = 1
    lowercase: bool = True
    jamo: bool = False
    word_dropout: Share = 0.05


class ModelConfig(VectorsConfig):
    """Architecture of the tagger."""

    paths = VectorsConfig.paths | {"backbone"}
    # Settings that `backbone` replaces.
    own_encoder: ClassVar[tuple[str, ...]] = (
        "word_dim",
        "characters",
        "character_dim",
        "character_units",
        "character_length",
        "language_models",
        "language_dim",
        "encoder",
        "units",
        "num_layers",
        "bidirectional",
    )

    backbone: Source | None = None
    pieces: Annotated[str, one_of(PIECES)] = "first"
    word_dim: SizeOrNone = 100
    characters: Annotated[str, one_of(CHARACTERS)] = "cnn"
    character_dim: Size = 32
    character_units: Size = 64
    character_length: Annotated[int, Field(ge=1, le=256)] = 24
    language_models: Annotated[list[Source], Field(max_length=2)] = []
    language_dim: Size | None = None
    encoder: Annotated[str, one_of(ENCODERS)] = "lstm"
    units: Size = 128
    num_layers: Layers = 1
    bidirectional: bool = True
    attention: Annotated[str, one_of(TAGGER_ATTENTIONS)] = "none"
    num_heads: Heads = 4
    dropout: Share = 0.4
    head: Annotated[str, one_of(HEADS)] = "crf"

    def with_absolute_paths(self) -> Self:
        models = [absolute_preset(one) for one in self.language_models]
        return super().with_absolute_paths().model_copy(update={"language_models": models})

    def conflicts(self) -> Iterator[Conflict]:
        if self.backbone is None and self.pieces != "first":
            yield Conflict(
                "only a KerasHub encoder reads pieces of words: set backbone", pieces=self.pieces
            )
        if self.backbone is None and (has_heads(self.encoder) or has_heads(self.attention)):
            yield from head_conflicts(self.units, self.num_heads)
        yield from character_conflicts(self.characters, self.character_units)
        yield from pointer_conflicts(self.head, self.attention)


class TaggingEvaluation(EvaluationConfig):
    """Metrics of tags, spans and intents."""

    for_any_data = frozenset({"token_accuracy", "sentence_accuracy", "loss"})

    metric: (
        Literal[
            "token_accuracy",
            "sentence_accuracy",
            "f1_conlleval",
            "f1_strict",
            "intent_accuracy",
            "loss",
        ]
        | None
    ) = None
    outside_penalties: (
        Annotated[
            list[Annotated[float, Field(ge=-100, le=100)]], Field(min_length=1, max_length=50)
        ]
        | None
    ) = None


class TaggingTraining(FineTuningConfig, SoftLabelTraining):
    """Training of a tagger, with a teacher, or of a pretrained encoder."""

    class_weights: ClassWeights = None


class TaggingConfig(DistilledRecipe):
    """Tagging recipe file. `quickstart.yaml` explains each key."""

    data: TaggingData = TaggingData()
    tokenizer: TokenizerConfig = TokenizerConfig()
    model: ModelConfig = ModelConfig()
    training: TaggingTraining = TaggingTraining()
    evaluation: TaggingEvaluation = TaggingEvaluation()

    def conflicts(self) -> Iterator[Conflict]:
        yield from super().conflicts()
        yield from backbone_conflicts(self)
        yield from self._unit_conflicts()
        yield from self.model.vector_conflicts("word_dim", self.training)
        yield from weight_conflicts(self.training)
        has_start = self.training.init_from is not None
        if self.model.language_dim and not (self.model.language_models or has_start):
            yield Conflict(
                "language_dim is the size of a projection of the states of language_models: set "
                "these too, or leave it null",
                model__language_dim=self.model.language_dim,
            )
        if self.model.language_models and has_start:
            yield Conflict(
                "a model to start from has its own language models, or none: leave out "
                "language_models, or init_from",
                model__language_models=self.model.language_models,
                training__init_from=self.training.init_from,
            )
        if self.model.head == "crf" and self.training.label_smoothing:
            yield Conflict(
                "a CRF does not support label smoothing: set model.head=softmax, or "
                "label_smoothing 0",
                model__head=self.model.head,
                training__label_smoothing=self.training.label_smoothing,
            )
        if self.model.head == "crf" and self.training.r_drop:
            yield Conflict(
                "R-Drop compares the tags of each word, which a CRF predicts jointly: set "
                "model.head=softmax, or r_drop 0",
                model__head=self.model.head,
                training__r_drop=self.training.r_drop,
            )

        if self.model.head == "crf" and self.training.class_weights:
            yield Conflict(
                "class_weights are of head softmax: the loss of a CRF is that of a whole sentence, "
                "whose words have no losses to weight. Set model.head=softmax, or leave them out",
                model__head=self.model.head,
                training__class_weights=self.training.class_weights,
            )

    def default_metric(self, dataset: Dataset) -> str:
        """F1 of the spans that the tags mark, else the accuracy of the tags, or of sentences."""
        if self.model.head == "pointer":
            return "sentence_accuracy"
        return "f1_conlleval" if tagging_scheme(dataset.labels) else "token_accuracy"

    def data_conflicts(self, dataset: Dataset) -> Iterator[Conflict]:
        yield from super().data_conflicts(dataset)
        tokens = dataset.splits["train"]["tokens"]
        longest = max((word for words in tokens for word in words), key=len, default="")
        unit = "words" if len(compose(longest)) > 1 else "characters"
        if unit != self.tokenizer.unit and self.model.backbone is None:
            yield Conflict(
                f"the tags of {dataset.name} are those of {unit}: set tokenizer.unit={unit}"
                + (" and model.characters=none" if unit == "characters" else "")
                + ", or choose other data",
                tokenizer__unit=self.tokenizer.unit,
                longest=longest,
            )
        if unknown := unknown_labels(self.training.class_weights, dataset.labels):
            yield Conflict(
                f"training: class_weights must name tags of {dataset.name}, which are "
                f"{', '.join(dataset.labels)}",
                training__class_weights=unknown,
            )
        intents = sorted(set(dataset.splits["train"].get("intent", ())))
        head, attention = self.model.head, self.model.attention
        for conflict in pointer_conflicts(head, attention, dataset.labels, intents):
            yield Conflict(
                f"model: {conflict.rule}",
                model__head=head,
                data__name=dataset.name,
                tags=dataset.labels[:20],
            )
        yield from self._crf_conflicts(dataset)
        metric = self.evaluation.metric or ""
        if metric.startswith("f1") and tagging_scheme(dataset.labels) is None:
            yield Conflict(
                f"{metric} needs tags of spans, such as BIO, which {dataset.name} lacks: "
                "set evaluation.metric=token_accuracy",
                evaluation__metric=metric,
            )
        if metric == "token_accuracy" and self.model.head == "pointer":
            yield Conflict(
                f"{metric} says little where nearly all words point at none, and is not measured: "
                "set evaluation.metric=sentence_accuracy",
                evaluation__metric=metric,
                model__head=head,
            )
        if metric == "intent_accuracy" and "intent" not in dataset.splits["train"]:
            yield Conflict(
                f"{metric} needs intents, which {dataset.name} lacks: set another "
                "evaluation.metric",
                evaluation__metric=metric,
            )

    def _crf_conflicts(self, dataset: Dataset) -> Iterator[Conflict]:
        """A CRF of so many tags that its training would take all memory."""
        tags, training = len(dataset.labels), self.training
        longest = max(map(len, dataset.splits["train"]["tokens"]))
        words = training.batch_tokens or min(training.batch_size * longest, MAX_BATCH_STEPS)
        size = words * tags**2 * FLOAT32_BYTES
        if self.model.head == "crf" and size > MAX_CRF_BYTES:
            yield Conflict(
                f"a CRF compares each tag with each other at each word, {size / 1e9:.0f} GB for a "
                "batch: set model.head=softmax, or training.batch_tokens to fewer words",
                model__head="crf",
                tags=tags,
                training__batch_size=training.batch_size,
                longest_sentence=longest,
            )

    def _unit_conflicts(self) -> Iterator[Conflict]:
        """Of a tagger of characters, which have no characters of their own."""
        unit, model = self.tokenizer.unit, self.model
        if unit == "words" or self.training.init_from is not None:
            return
        for name, none in (("backbone", None), ("characters", "none"), ("language_models", [])):
            if (value := getattr(model, name)) != none:
                yield Conflict(
                    f"tokenizer.unit=characters tags single characters, and {name} reads those of "
                    f"words: set model.{name}={'[]' if none == [] else none or 'null'}",
                    tokenizer__unit=unit,
                    **{f"model__{name}": value},
                )


def _repair_tags(dataset: Dataset) -> Dataset:
    """Repairs ill-formed tags in the way of seqeval: `I-X` that continues no span becomes `B-X`.

    The scheme is that of the tags of all splits: train may lack a `B` that another has. Warns of
    the number of ill-formed transitions in train.
    """
    tags = {tag for columns in dataset.splits.values() for tag in tag_set(columns["tags"])}
    scheme = tagging_scheme(tags) or tagging_scheme(dataset.labels)
    count = count_ill_formed(dataset.splits["train"]["tags"], scheme) if scheme else 0
    if not count:
        return dataset
    warnings.warn(
        f"{dataset.name}: {count:,} transitions between tags of train are ill-formed in "
        f"{scheme.upper()}, and were repaired.",
        stacklevel=4,
    )
    splits = {
        split: columns | {"tags": [repair(tags, scheme) for tags in columns["tags"]]}
        for split, columns in dataset.splits.items()
    }
    return replace(dataset, splits=splits, labels=tag_set(splits["train"]["tags"]))


def _warn_of_unknown_tags(dataset: Dataset) -> None:
    from zoo.metrics import unknown_tags  # scikit-learn, heavy

    for split, columns in dataset.splits.items():
        if unknown := unknown_tags(dataset.splits["train"]["tags"], columns["tags"]):
            listed = ", ".join(f"{tag} ({count:,})" for tag, count in list(unknown.items())[:10])
            warnings.warn(
                f"{dataset.name}: {split} has {len(unknown)} tags that train lacks, which count as "
                f"errors: {listed}.",
                stacklevel=4,
            )
