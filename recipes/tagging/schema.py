"""The sections of a tagging recipe."""

from collections.abc import Iterator
from typing import Annotated, Literal

from zoo.choices import (
    CHARACTERS,
    ENCODERS,
    HEADS,
    TAGGER_ATTENTIONS,
    character_conflicts,
    has_heads,
    head_conflicts,
)
from zoo.training.schema import (
    Conflict,
    Count,
    DataConfig,
    EvaluationConfig,
    RecipeConfig,
    Section,
    Share,
    one_of,
)


class TaggingData(DataConfig):
    """Which sentences: a named dataset, or files of one's own."""

    task = "token_classifier"

    options: dict[str, int | str] = {}
    train: str | None = None
    dev: str | None = None
    test: str | None = None
    column: Literal["upos", "xpos"] = "upos"
    language: str | None = None

    def conflicts(self) -> Iterator[Conflict]:
        yield from super().conflicts()
        if self.name is not None and self.column != "upos":
            yield Conflict(
                f"a named dataset has its column among its options: data.options.column="
                f"{self.column}",
                name=self.name,
                column=self.column,
            )
        if self.name is not None and self.language is not None:
            yield Conflict(
                "a named dataset knows its language: leave it out",
                name=self.name,
                language=self.language,
            )


class TokenizerConfig(Section):
    """The words and the characters."""

    least_count: Count = 1
    lowercase: bool = True
    jamo: bool = False
    word_dropout: Share = 0.05


class ModelConfig(Section):
    """The tagger."""

    word_dim: Count = 100
    characters: Annotated[str, one_of(CHARACTERS)] = "cnn"
    character_dim: Count = 32
    character_units: Count = 64
    character_length: Count = 24
    encoder: Annotated[str, one_of(ENCODERS)] = "lstm"
    units: Count = 128
    num_layers: Count = 1
    bidirectional: bool = True
    attention: Annotated[str, one_of(TAGGER_ATTENTIONS)] = "none"
    num_heads: Count = 4
    dropout: Share = 0.4
    head: Annotated[str, one_of(HEADS)] = "crf"

    def conflicts(self) -> Iterator[Conflict]:
        if has_heads(self.encoder) or has_heads(self.attention):
            yield from head_conflicts(self.units, self.num_heads)
        yield from character_conflicts(self.characters, self.character_units)


class TaggingEvaluation(EvaluationConfig):
    metric: Literal[
        "token_accuracy", "sentence_accuracy", "f1_conlleval", "f1_strict", "intent_accuracy"
    ] = "token_accuracy"


class TaggingConfig(RecipeConfig):
    """A tagging recipe file. `quickstart.yaml` explains each key."""

    data: TaggingData = TaggingData()
    tokenizer: TokenizerConfig = TokenizerConfig()
    model: ModelConfig = ModelConfig()
    evaluation: TaggingEvaluation = TaggingEvaluation()

    def conflicts(self) -> Iterator[Conflict]:
        if self.model.head == "crf" and self.training.label_smoothing:
            yield Conflict(
                "a CRF has no label smoothing: use model.head=softmax, or 0",
                model__head=self.model.head,
                training__label_smoothing=self.training.label_smoothing,
            )
