"""Schema of sentiment recipes."""

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from zoo import data
from zoo.data import Dataset
from zoo.training.schema import (
    Conflict,
    Count,
    DataConfig,
    EvaluationConfig,
    RecipeConfig,
    Section,
    Share,
)


class SentimentData(DataConfig):
    """Labelled texts: a named dataset, or the user's own tables."""

    task = "text_classifier"

    options: dict[str, int] = {}
    train: str | None = None
    dev: str | None = None
    test: str | None = None
    text: str = "text"
    label: str = "label"

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


class TokenizerConfig(Section):
    """Subword vocabulary."""

    vocabulary_size: Annotated[int, Field(ge=300)] = 8000
    lowercase: bool = False
    sampling: Annotated[float, Field(ge=0, le=1)] = 0.0


class ModelConfig(Section):
    """Architecture of the text classifier."""

    encoder: Literal["simple_rnn", "lstm", "gru", "transformer"] = "lstm"
    embedding_dim: Count = 128
    units: Count = 128
    num_layers: Count = 1
    bidirectional: bool = True
    num_heads: Count = 4
    pooling: Literal[
        "last", "max", "mean", "bahdanau", "luong_general", "scaled_dot", "multi_head"
    ] = "bahdanau"
    dropout: Share = 0.3
    pooled_dropout: Share = 0.3
    sequence_length: Count = 128

    def conflicts(self) -> Iterator[Conflict]:
        transformer = self.encoder == "transformer"
        if transformer and self.units != self.embedding_dim:
            yield Conflict(
                "a Transformer needs units equal to embedding_dim",
                encoder=self.encoder,
                units=self.units,
                embedding_dim=self.embedding_dim,
            )
        if transformer and not self.bidirectional:
            yield Conflict(
                "a Transformer encoder is always bidirectional: leave bidirectional true",
                encoder=self.encoder,
                bidirectional=self.bidirectional,
            )
        states = self.units * (2 if self.bidirectional and not transformer else 1)
        if (transformer or self.pooling == "multi_head") and states % self.num_heads:
            yield Conflict(
                f"the size of the states, here {states}, must be divisible by num_heads",
                units=self.units,
                num_heads=self.num_heads,
            )


class SentimentEvaluation(EvaluationConfig):
    """Metrics of labels."""

    metric: Literal["accuracy", "macro_f1", "loss"] = "accuracy"


class SentimentConfig(RecipeConfig):
    """Sentiment recipe file. `quickstart.yaml` explains each key."""

    data: SentimentData = SentimentData()
    tokenizer: TokenizerConfig = TokenizerConfig()
    model: ModelConfig = ModelConfig()
    evaluation: SentimentEvaluation = SentimentEvaluation()
