"""Schema of sentiment recipes."""

from collections.abc import Iterator, Sequence
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from zoo import data
from zoo.choices import ENCODERS, POOLINGS, has_heads
from zoo.conflicts import encoder_conflicts, head_conflicts
from zoo.data import Dataset
from zoo.training.class_weights import ClassWeights, unknown_labels, weight_conflicts
from zoo.training.distillation.schema import (
    DistilledData,
    DistilledRecipe,
    SoftLabelTraining,
)
from zoo.training.fine_tuning import FineTuningConfig, backbone_conflicts
from zoo.training.model_schema import VectorsConfig
from zoo.training.naming import languages
from zoo.training.schema import (
    MAX_TOKENS,
    MAX_VOCABULARY,
    Conflict,
    EvaluationConfig,
    Heads,
    Layers,
    Section,
    Share,
    Size,
    SizeOrNone,
    one_of,
)


class SentimentData(DistilledData):
    """Labelled texts: a named dataset, or the user's own tables; and unlabelled ones."""

    task = "text_classifier"

    options: dict[str, int] = {}
    train: str | None = None
    dev: str | None = None
    test: str | None = None
    text: str = "text"
    label: str = "label"
    language: str | None = None

    def load_files(self, seed: int) -> Dataset:
        return data.load_labelled(
            train=self.train,
            dev=self.dev,
            test=self.test,
            text=self.text,
            label=self.label,
            dev_fraction=self.dev_fraction,
            seed=seed,
        )

    def conflicts(self) -> Iterator[Conflict]:
        yield from super().conflicts()
        if self.name is not None and self.language is not None:
            yield Conflict(
                "a named dataset defines its language: leave language out",
                name=self.name,
                language=self.language,
            )


class TokenizerConfig(Section):
    """Vocabulary of subwords or words."""

    vocabulary_size: Annotated[int, Field(ge=300, le=MAX_VOCABULARY)] = 8000
    algorithm: Literal["unigram", "bpe", "word"] = "unigram"
    lowercase: bool = False
    sampling: Annotated[float, Field(ge=0, le=1)] = 0.0
    word_dropout: Share = 0.0

    def conflicts(self) -> Iterator[Conflict]:
        if self.algorithm == "word" and self.sampling:
            yield Conflict(
                "words have one segmentation: set algorithm unigram or bpe, or sampling 0",
                algorithm=self.algorithm,
                sampling=self.sampling,
            )


class ModelConfig(VectorsConfig):
    """Architecture of the text classifier."""

    paths = VectorsConfig.paths | {"backbone"}
    # Settings that `backbone` replaces.
    own_encoder: ClassVar[tuple[str, ...]] = (
        "encoder",
        "embedding_dim",
        "units",
        "num_layers",
        "bidirectional",
        "num_heads",
        "dropout",
    )

    backbone: Annotated[str, Field(min_length=1)] | None = None
    encoder: Annotated[str, one_of(ENCODERS)] = "lstm"
    embedding_dim: SizeOrNone = 128
    units: Size = 128
    num_layers: Layers = 1
    bidirectional: bool = True
    num_heads: Heads = 4
    pooling: Annotated[str, one_of(POOLINGS)] = "bahdanau"
    dropout: Share = 0.3
    pooled_dropout: Share = 0.3
    sequence_length: Annotated[int, Field(ge=1, le=MAX_TOKENS)] = 128

    def conflicts(self) -> Iterator[Conflict]:
        transformer = self.encoder == "transformer"
        yield from encoder_conflicts(self.encoder, self.units, self.num_heads, self.embedding_dim)
        if transformer and not self.bidirectional:
            yield Conflict(
                "a Transformer encoder is always bidirectional: leave bidirectional true",
                encoder=self.encoder,
                bidirectional=self.bidirectional,
            )
        if transformer and self.word_vectors:
            yield Conflict(
                "word vectors need a recurrent encoder: leave word_vectors null",
                encoder=self.encoder,
                word_vectors=self.word_vectors,
            )
        if has_heads(self.pooling) and not transformer:
            yield from head_conflicts(self.units, self.num_heads, 1 + self.bidirectional)


class BehaviourLabels(Section):
    """The labels that are negative and positive, where their names do not say so."""

    negative: str
    positive: str


class SentimentEvaluation(EvaluationConfig):
    """Metrics of labels."""

    for_any_data = frozenset({"accuracy", "macro_f1", "loss"})

    metric: Literal["accuracy", "macro_f1", "loss"] | None = None
    calibrate: bool = False
    behaviour: bool | Literal["en", "ko"] = False
    behaviour_labels: BehaviourLabels | None = None
    behaviour_gate: Annotated[float, Field(ge=0, le=1)] | None = None
    sequence_lengths: (
        Annotated[
            list[Annotated[int, Field(ge=1, le=MAX_TOKENS)]], Field(min_length=1, max_length=50)
        ]
        | None
    ) = None

    def conflicts(self) -> Iterator[Conflict]:
        if self.behaviour_gate is not None and not self.behaviour:
            yield Conflict(
                "behaviour_gate needs the behaviour: set behaviour=true",
                behaviour=self.behaviour,
                behaviour_gate=self.behaviour_gate,
            )

    def polarity(self, labels: Sequence[str]) -> dict[str, str]:
        """`"negative"` or `"positive"` by label; see `zoo.metrics.find_polarity`."""
        from zoo.metrics import find_polarity  # NumPy

        given = self.behaviour_labels.model_dump() if self.behaviour_labels else {}
        return find_polarity(labels, **given)

    def behaviour_set(self, languages: Sequence[str]) -> str:
        """Name of the behaviour set: that of `behaviour`, or of a model's languages."""
        return data.behaviour_set(languages if self.behaviour is True else [str(self.behaviour)])


class SentimentTraining(FineTuningConfig, SoftLabelTraining):
    """Training of a classifier, with a teacher, or of a pretrained encoder."""

    class_weights: ClassWeights = None


class SentimentConfig(DistilledRecipe):
    """Sentiment recipe file. `quickstart.yaml` explains each key."""

    data: SentimentData = SentimentData()
    tokenizer: TokenizerConfig = TokenizerConfig()
    model: ModelConfig = ModelConfig()
    training: SentimentTraining = SentimentTraining()
    evaluation: SentimentEvaluation = SentimentEvaluation()

    @property
    def most_tokens(self) -> int:
        """The most tokens that the model may read of a text."""
        return max([self.model.sequence_length, *(self.evaluation.sequence_lengths or [])])

    def conflicts(self) -> Iterator[Conflict]:
        yield from super().conflicts()
        yield from backbone_conflicts(self)
        yield from self.model.vector_conflicts("embedding_dim", self.training)
        yield from weight_conflicts(self.training)
        if self.model.encoder == "transformer" and self.most_tokens > self.model.sequence_length:
            yield Conflict(
                "a Transformer learns only the positions that it is trained on: "
                "sequence_lengths must be at most model.sequence_length",
                evaluation__sequence_lengths=self.evaluation.sequence_lengths,
                model__sequence_length=self.model.sequence_length,
            )

    def default_metric(self, dataset: Dataset) -> str:
        return "accuracy"

    def data_conflicts(self, dataset: Dataset) -> Iterator[Conflict]:
        yield from super().data_conflicts(dataset)
        evaluation = self.evaluation
        if unknown := unknown_labels(self.training.class_weights, dataset.labels):
            yield Conflict(
                f"training: class_weights must name labels of {dataset.name}, which are "
                f"{', '.join(dataset.labels)}",
                training__class_weights=unknown,
            )
        if not evaluation.behaviour:
            return
        try:
            evaluation.behaviour_set(languages(dataset))
        except ValueError as error:
            yield Conflict(f"{error}. Set behaviour=en or behaviour=ko", evaluation__behaviour=True)
        try:
            evaluation.polarity(dataset.labels)
        except ValueError as error:
            yield Conflict(str(error), evaluation__behaviour_labels=evaluation.behaviour_labels)
