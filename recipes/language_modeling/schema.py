"""Schema of recipes of language models."""

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from zoo import data
from zoo.checks import MAX_CACHE
from zoo.choices import LANGUAGE_DECODERS, PAST_ATTENTIONS
from zoo.conflicts import adaptive_embedding_conflicts, language_model_conflicts
from zoo.data import Dataset
from zoo.data.planning import MAX_BATCH_STEPS
from zoo.metrics.language_modeling import has_words
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
    TrainingConfig,
    one_of,
)

SPECIAL_TOKENS, SUBWORD_BASE = 4, 300  # ids that a vocabulary has in any case
POSITIONS, MAX_SAMPLE = 512, 384  # positions of a Transformer, and tokens after a prefix
Penalty = Annotated[float, Field(ge=0, le=1000)]
Cutoff = Annotated[int, Field(ge=1, le=MAX_VOCABULARY)]


class LanguageModelingData(DataConfig):
    """Texts: a named dataset, or the user's own files."""

    task = "causal_lm"

    options: dict[str, int] = {}
    train: str | None = None
    dev: str | None = None
    test: str | None = None
    text: str = "text"
    unit: Literal["file", "line"] = "file"

    def load_files(self, seed: int) -> Dataset:
        return data.load_texts(
            train=self.train,
            dev=self.dev,
            test=self.test,
            text=self.text,
            unit=self.unit,
            dev_fraction=self.dev_fraction,
        )


class TokenizerConfig(Section):
    """Vocabulary of characters, subwords or words."""

    level: Literal["characters", "subwords", "words"] = "subwords"
    vocabulary_size: Annotated[int, Field(gt=SPECIAL_TOKENS, le=MAX_VOCABULARY)] = 8000

    def conflicts(self) -> Iterator[Conflict]:
        if self.level == "subwords" and self.vocabulary_size < SUBWORD_BASE:
            yield Conflict(
                f"a vocabulary of subwords has at least {SUBWORD_BASE}, 256 of them bytes",
                level=self.level,
                vocabulary_size=self.vocabulary_size,
            )


class ModelConfig(Section):
    """Architecture of the language model."""

    decoder: Annotated[str, one_of(LANGUAGE_DECODERS)] = "lstm"
    embedding_dim: Size = 128
    units: Size = 256
    num_layers: Layers = 1
    attention: Annotated[str, one_of(PAST_ATTENTIONS)] = "none"
    attention_span: Annotated[int, Field(ge=1, le=MAX_TOKENS)] = 64
    num_heads: Heads = 4
    tie_embeddings: bool = True
    embedding_cutoffs: Annotated[list[Cutoff], Field(max_length=8)] = []
    embedding_factor: Annotated[int, Field(ge=2, le=64)] = 4
    residual: bool = False
    embedding_dropout: Share = 0.0
    input_dropout: Share = 0.0
    dropout: Share = 0.0
    output_dropout: Share = 0.0
    weight_dropout: Share = 0.0
    activation_regularization: Penalty = 0.0
    temporal_regularization: Penalty = 0.0
    backward: bool = False
    sequence_length: Annotated[int, Field(ge=2, le=MAX_TOKENS)] = 64

    def conflicts(self) -> Iterator[Conflict]:
        yield from language_model_conflicts(
            self.decoder,
            self.embedding_dim,
            self.units,
            self.num_heads,
            self.attention,
            self.weight_dropout,
            max(self.activation_regularization, self.temporal_regularization),
        )
        yield from adaptive_embedding_conflicts(
            self.embedding_cutoffs,
            self.embedding_factor,
            self.embedding_dim,
            tie_embeddings=self.tie_embeddings,
        )

    def backbone(self) -> dict:
        """The settings as arguments of a backbone."""
        return self.model_dump(exclude={"backward", "sequence_length"})


class CacheConfig(Section):
    """A continuous cache, see `zoo.models.causal_lm.cache.ContinuousCache`."""

    size: Annotated[int, Field(ge=1, le=MAX_CACHE)] = 2000
    theta: Annotated[float, Field(ge=0, le=1000)] = 0.3
    weight: Annotated[float, Field(ge=0, le=1)] = 0.1


class LanguageModelingEvaluation(EvaluationConfig):
    """Metrics of language models, and the texts that they write along training."""

    lower_is_better = frozenset({"perplexity", "word_perplexity", "bits_per_character", "loss"})
    for_any_data = frozenset({"loss"})

    metric: Literal["perplexity", "word_perplexity", "bits_per_character", "loss"] | None = None
    cache: CacheConfig | None = None
    samples: Annotated[int, Field(ge=0, le=1000)] = 3
    prefixes: list[str] = []
    sample_length: Annotated[int, Field(ge=1, le=MAX_TOKENS)] = 100
    temperature: Annotated[float, Field(ge=0, le=100)] = 0.8


class LanguageModelingConfig(RecipeConfig):
    """Recipe file of a language model. `quickstart.yaml` explains each key."""

    data: LanguageModelingData = LanguageModelingData()
    tokenizer: TokenizerConfig = TokenizerConfig()
    model: ModelConfig = ModelConfig()
    training: TrainingConfig = TrainingConfig()
    evaluation: LanguageModelingEvaluation = LanguageModelingEvaluation()

    def default_metric(self, dataset: Dataset) -> str:
        return "perplexity"

    def data_conflicts(self, dataset: Dataset) -> Iterator[Conflict]:
        yield from super().data_conflicts(dataset)
        texts = dataset.splits["dev"]["text"]
        counts = sum(len(text) + 1 for text in texts), sum(len(text.split()) + 1 for text in texts)
        if self.evaluation.metric == "word_perplexity" and not has_words(*counts):
            yield Conflict(
                f"{dataset.name} has no white space between words: set metric bits_per_character",
                evaluation__metric=self.evaluation.metric,
            )

    def conflicts(self) -> Iterator[Conflict]:
        yield from super().conflicts()
        training, length = self.training, self.model.sequence_length
        if self.evaluation.cache and self.model.decoder == "transformer":
            yield Conflict(
                "a continuous cache is for recurrent decoders: set evaluation.cache null",
                evaluation__cache=self.evaluation.cache.model_dump(),
                model__decoder="transformer",
            )
        cutoffs, tokenizer = self.model.embedding_cutoffs, self.tokenizer
        if cutoffs and training.init_from is None:  # else the vocabulary is that of the model
            if tokenizer.level != "words":
                yield Conflict(
                    "embedding_cutoffs need ids that are sorted by falling frequency: set level "
                    "words, or embedding_cutoffs []",
                    model__embedding_cutoffs=cutoffs,
                    tokenizer__level=tokenizer.level,
                )
            if cutoffs[-1] >= tokenizer.vocabulary_size:
                yield Conflict(
                    "embedding_cutoffs must be below the size of the vocabulary: lower them, or "
                    "set []",
                    model__embedding_cutoffs=cutoffs,
                    tokenizer__vocabulary_size=tokenizer.vocabulary_size,
                )
        # A batch is a window of all lanes; a length is rounded up to a multiple of 8.
        if training.batch_size * -(-length // 8) * 8 > MAX_BATCH_STEPS:
            yield Conflict(
                f"a batch has at most {MAX_BATCH_STEPS:,} tokens: batch_size lanes of "
                "sequence_length tokens",
                training__batch_size=training.batch_size,
                model__sequence_length=length,
            )
        if self.model.backward and self.evaluation.prefixes:
            yield Conflict(
                "a backward language model reads texts from their end and continues no prefix: "
                "leave out prefixes",
                model__backward=self.model.backward,
                evaluation__prefixes=self.evaluation.prefixes,
            )
        if self.model.decoder == "transformer" and self.evaluation.sample_length > MAX_SAMPLE:
            yield Conflict(
                f"a Transformer writes at most {MAX_SAMPLE} tokens after a prefix: set "
                "sample_length lower",
                model__decoder=self.model.decoder,
                evaluation__sample_length=self.evaluation.sample_length,
            )
        if training.batch_tokens is not None or training.r_drop:
            yield Conflict(
                "the rows of a batch are lanes of one text, which go on in the next batch: leave "
                "batch_tokens null and r_drop 0",
                training__batch_tokens=training.batch_tokens,
                training__r_drop=training.r_drop,
            )
