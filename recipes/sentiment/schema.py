"""Schema of sentiment recipes."""

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from zoo import data
from zoo.choices import ENCODERS, POOLINGS, encoder_conflicts, has_heads, head_conflicts
from zoo.data import Dataset
from zoo.training.schema import (
    MAX_TOKENS,
    MAX_VOCABULARY,
    Conflict,
    DataConfig,
    EvaluationConfig,
    Heads,
    Layers,
    RecipeConfig,
    Section,
    Share,
    Size,
    one_of,
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

    vocabulary_size: Annotated[int, Field(ge=300, le=MAX_VOCABULARY)] = 8000
    algorithm: Literal["unigram", "bpe"] = "unigram"
    lowercase: bool = False
    sampling: Annotated[float, Field(ge=0, le=1)] = 0.0


class ModelConfig(Section):
    """Architecture of the text classifier."""

    encoder: Annotated[str, one_of(ENCODERS)] = "lstm"
    embedding_dim: Size = 128
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
        if has_heads(self.pooling) and not transformer:
            yield from head_conflicts(self.units, self.num_heads, 1 + self.bidirectional)


class SentimentEvaluation(EvaluationConfig):
    """Metrics of labels."""

    for_any_data = frozenset({"accuracy", "macro_f1", "loss"})

    metric: Literal["accuracy", "macro_f1", "loss"] | None = None


class SentimentConfig(RecipeConfig):
    """Sentiment recipe file. `quickstart.yaml` explains each key."""

    data: SentimentData = SentimentData()
    tokenizer: TokenizerConfig = TokenizerConfig()
    model: ModelConfig = ModelConfig()
    evaluation: SentimentEvaluation = SentimentEvaluation()

    def default_metric(self, dataset: Dataset) -> str:
        return "accuracy"
