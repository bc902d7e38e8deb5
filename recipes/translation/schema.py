"""Schema of translation recipes."""

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from zoo import data
from zoo.choices import TIED_EMBEDDINGS, dot_product_conflicts
from zoo.data import Dataset
from zoo.training.schema import (
    MAX_TOKENS,
    MAX_VOCABULARY,
    Conflict,
    DataConfig,
    DecoderConfig,
    EvaluationConfig,
    RecipeConfig,
    Section,
    one_of,
)

Files = str | list[str] | None


class TranslationData(DataConfig):
    """Pairs of texts: a named dataset, or the user's own files."""

    task = "seq2seq_lm"

    options: dict[str, int | str] = {}
    train: Files = None
    dev: Files = None
    test: Files = None
    source: str = "source"
    target: str = "target"

    def load_files(self, seed: int) -> Dataset:
        return data.load_parallel(
            train=self.train,
            dev=self.dev,
            test=self.test,
            source=self.source,
            target=self.target,
            dev_fraction=self.dev_fraction,
            seed=seed,
        )

    def conflicts(self) -> Iterator[Conflict]:
        yield from super().conflicts()
        for split in ("train", "dev", "test"):
            files = getattr(self, split)
            if isinstance(files, list) and len(files) != 2:
                yield Conflict(
                    "give one table, or two text files: [source, target]", **{split: files}
                )


class TokenizerConfig(Section):
    """Subword vocabulary, shared by both languages or one for each."""

    vocabulary_size: Annotated[int, Field(ge=300, le=MAX_VOCABULARY)] = 8000
    separate: bool = False
    sampling: Annotated[float, Field(ge=0, le=1)] = 0.0


class ModelConfig(DecoderConfig):
    """Architecture of the translator."""

    bidirectional: bool = True
    tie_embeddings: Annotated[str, one_of(TIED_EMBEDDINGS)] = "none"
    sequence_length: Annotated[int, Field(ge=2, le=MAX_TOKENS)] = 128

    def conflicts(self) -> Iterator[Conflict]:
        yield from super().conflicts()
        yield from dot_product_conflicts(self.attention, self.bidirectional)


class TranslationEvaluation(EvaluationConfig):
    """Metrics of translations."""

    for_any_data = frozenset({"chrf", "loss", "perplexity"})

    metric: Literal["bleu", "chrf", "exact", "loss", "perplexity"] | None = None


class TranslationConfig(RecipeConfig):
    """Translation recipe file. `quickstart.yaml` explains each key."""

    data: TranslationData = TranslationData()
    tokenizer: TokenizerConfig = TokenizerConfig()
    model: ModelConfig = ModelConfig()
    evaluation: TranslationEvaluation = TranslationEvaluation()

    def default_metric(self, dataset: Dataset) -> str:
        """BLEU; chrF for pairs of the user, of which BLEU may stay at 0: few, or not sentences."""
        return "bleu" if self.data.name else "chrf"

    def conflicts(self) -> Iterator[Conflict]:
        if self.tokenizer.separate and self.model.tie_embeddings == "all":
            yield Conflict(
                "source and target share one matrix only if they share one vocabulary: use "
                "model.tie_embeddings=output, or tokenizer.separate=false",
                tokenizer__separate=self.tokenizer.separate,
                model__tie_embeddings=self.model.tie_embeddings,
            )
