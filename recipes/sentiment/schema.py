"""The sections of a sentiment recipe."""

import difflib
from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from recipes.schema import Conflict, Count, EvaluationConfig, RecipeConfig, Section, Share


class DataConfig(Section):
    """Which texts, with which labels: a named dataset, or files of one's own."""

    name: str | None = None
    options: dict[str, int] = {}
    train: str | None = None
    dev: str | None = None
    test: str | None = None
    text: str = "text"
    label: str = "label"
    dev_fraction: Annotated[float, Field(gt=0, lt=1)] = 0.1

    def conflicts(self) -> Iterator[Conflict]:
        if (self.name is None) == (self.train is None):
            yield Conflict(
                "give either the name of a dataset or a file to train on, and null for the other",
                name=self.name,
                train=self.train,
            )
        elif self.name is not None:
            from zoo.data import list_datasets

            names = [card.name for card in list_datasets() if card.task == "text_classifier"]
            if self.name not in names:
                near = difflib.get_close_matches(self.name, names, n=1)
                meant = f"; did you mean {near[0]}" if near else ""
                yield Conflict(f"name must be one of {', '.join(names)}{meant}", name=self.name)
            files = {key: getattr(self, key) for key in ("dev", "test")}
            if any(files.values()):
                yield Conflict(
                    "a named dataset has its own splits: leave dev and test out",
                    name=self.name,
                    **files,
                )
        elif self.options:
            yield Conflict(
                "options are those of a named dataset; files have none",
                train=self.train,
                options=self.options,
            )


class TokenizerConfig(Section):
    """The subwords."""

    vocabulary_size: Annotated[int, Field(ge=300)] = 8000
    lowercase: bool = False
    sampling: Annotated[float, Field(ge=0, le=1)] = 0.0


class ModelConfig(Section):
    """The text classifier."""

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
                "a Transformer encoder reads both ways: leave bidirectional true",
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
    metric: Literal["accuracy", "macro_f1", "loss"] = "accuracy"


class SentimentConfig(RecipeConfig):
    """A sentiment recipe file. `quickstart.yaml` explains each key."""

    data: DataConfig = DataConfig()
    tokenizer: TokenizerConfig = TokenizerConfig()
    model: ModelConfig = ModelConfig()
    evaluation: SentimentEvaluation = SentimentEvaluation()
