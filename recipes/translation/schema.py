"""Schema of translation recipes."""

import warnings
from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from zoo import data
from zoo.choices import TIED_EMBEDDINGS
from zoo.conflicts import copy_conflicts, dot_product_conflicts
from zoo.data import Dataset
from zoo.training.distillation.schema import DistilledData, DistilledRecipe, DistilledTraining
from zoo.training.model_schema import DecoderConfig
from zoo.training.schema import (
    MAX_TOKENS,
    MAX_VOCABULARY,
    Conflict,
    Count,
    Section,
    Share,
    WriterEvaluation,
    WriterTraining,
    drawn_text_conflicts,
    one_of,
)

Algorithm = Literal["unigram", "bpe", "characters", "symbols"]
# Metrics of symbols, such as phones, which have neither BLEU nor the like.
ERROR_RATES = frozenset({"word_error_rate", "phone_error_rate"})
OF_SYMBOLS = ERROR_RATES | {"loss", "perplexity", None}
Reward = Literal["bleu", "chrf"]
Files = str | list[str] | None


class SyntheticConfig(Section):
    """Back-translation: texts in the target language, translated by a model of the other way."""

    paths = frozenset({"model", "texts"})

    model: Annotated[str, Field(min_length=1)]
    texts: Annotated[str, Field(min_length=1)]
    ratio: Annotated[float, Field(gt=0, le=1_000_000)] = 1.0
    tag: bool = True
    limit: Count | None = None
    beam: Count = 1


class TranslationData(DistilledData):
    """Pairs of texts: a named dataset, or the user's own files; and sources without targets."""

    task = "seq2seq_lm"

    options: dict[str, int | str] = {}
    train: Files = None
    dev: Files = None
    test: Files = None
    source: str = "source"
    target: str = "target"
    synthetic: SyntheticConfig | None = None

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
    """Vocabulary, shared by both languages or one for each."""

    algorithm: Algorithm = "unigram"
    source_algorithm: Algorithm | None = None
    vocabulary_size: Annotated[int, Field(ge=300, le=MAX_VOCABULARY)] = 8000
    separate: bool = False
    lowercase: bool = False
    sampling: Annotated[float, Field(ge=0, le=1)] = 0.0
    word_dropout: Share = 0.0

    @property
    def algorithms(self) -> tuple[str, ...]:
        """The algorithm of the target, and that of the source if it has its own vocabulary."""
        return (self.algorithm, self.source_algorithm or self.algorithm)[: 1 + self.separate]

    def conflicts(self) -> Iterator[Conflict]:
        yield from super().conflicts()
        if self.source_algorithm not in (None, self.algorithm) and not self.separate:
            yield Conflict(
                "source and target share one vocabulary: set separate true, or leave "
                "source_algorithm out",
                source_algorithm=self.source_algorithm,
                separate=self.separate,
            )
        if self.sampling and not set(self.algorithms) & {"unigram", "bpe"}:
            yield Conflict(
                "characters and symbols have one segmentation: set algorithm unigram or bpe, or "
                "sampling 0",
                algorithm=self.algorithm,
                sampling=self.sampling,
            )


with warnings.catch_warnings():
    # Of pydantic's own `copy`, a method that is deprecated and not used here.
    warnings.filterwarnings("ignore", 'Field name "copy"')

    class ModelConfig(DecoderConfig):
        """Architecture of the translator."""

        bidirectional: bool = True
        tie_embeddings: Annotated[str, one_of(TIED_EMBEDDINGS)] = "none"
        copy: bool = False
        sequence_length: Annotated[int, Field(ge=2, le=MAX_TOKENS)] = 128

        def conflicts(self) -> Iterator[Conflict]:
            yield from super().conflicts()
            yield from dot_product_conflicts(self.attention, self.bidirectional)
            yield from copy_conflicts(self.copy, self.attention)


class TranslationTraining(DistilledTraining, WriterTraining):
    """Training on the translations of a teacher, and on its probabilities of words."""

    rewards: Annotated[list[Reward], Field(min_length=1)] | None = None  # type: ignore[assignment]
    coverage: Annotated[float, Field(ge=0, le=1000)] = 0.0
    teacher_weight: Annotated[float, Field(ge=0, le=1)] = 1.0  # type: ignore[assignment]
    teacher_mode: Literal["sequence", "word", "both"] = "sequence"
    teacher_beam: Count = 5
    temperature: Annotated[float, Field(gt=0, le=1000)] = 2.0

    @property
    def by_sequence(self) -> bool:
        """True if the teacher translates the sources."""
        return bool(self.teachers) and self.teacher_mode != "word"

    @property
    def by_word(self) -> bool:
        """True if the probabilities of the teacher are learned at each word."""
        return bool(self.teachers) and self.teacher_mode != "sequence"


class TranslationEvaluation(WriterEvaluation):
    """Metrics of translations, and of pronunciations or other symbols."""

    for_any_data = frozenset({"chrf", "loss", "perplexity", *ERROR_RATES})
    lower_is_better = WriterEvaluation.lower_is_better | ERROR_RATES

    metric: (
        Literal[
            "bleu",
            "chrf",
            "exact",
            "loss",
            "perplexity",
            "word_error_rate",
            "phone_error_rate",
        ]
        | None
    ) = None


class TranslationConfig(DistilledRecipe):
    """Translation recipe file. `quickstart.yaml` explains each key."""

    data: TranslationData = TranslationData()
    tokenizer: TokenizerConfig = TokenizerConfig()
    model: ModelConfig = ModelConfig()
    training: TranslationTraining = TranslationTraining()
    evaluation: TranslationEvaluation = TranslationEvaluation()

    def default_metric(self, dataset: Dataset) -> str:
        """BLEU; chrF for pairs of the user, of which BLEU may stay at 0: few, or not sentences.

        The word error rate for targets of symbols.
        """
        if self.tokenizer.algorithm == "symbols":
            return "word_error_rate"
        return "bleu" if self.data.name else "chrf"

    def conflicts(self) -> Iterator[Conflict]:
        yield from super().conflicts()
        metric, symbols = self.evaluation.metric, self.tokenizer.algorithm == "symbols"
        if metric in ERROR_RATES and not symbols or metric not in OF_SYMBOLS and symbols:
            yield Conflict(
                "error rates measure targets of symbols, other metrics texts: set another metric",
                tokenizer__algorithm=self.tokenizer.algorithm,
                evaluation__metric=metric,
            )
        yield from drawn_text_conflicts(self)
        if self.training.rewards and (self.training.teachers or self.data.synthetic):
            yield Conflict(
                "drawn texts are in the place of a teacher's, and of synthetic sources: set the "
                "others null",
                training__rewards=self.training.rewards,
                training__teacher=self.training.teacher,
                data__synthetic=self.data.synthetic and self.data.synthetic.model,
            )
        if self.data.unlabelled and self.training.teacher_mode == "word":
            yield Conflict(
                "sources without targets need the teacher's translations: set "
                "training.teacher_mode=both, or leave unlabelled out",
                data__unlabelled=self.data.unlabelled,
                training__teacher_mode=self.training.teacher_mode,
            )
        is_unused = self.training.by_word or not self.data.unlabelled
        if self.training.teachers and not self.training.teacher_weight and is_unused:
            yield Conflict(
                "with a weight of 0 a teacher translates sources without targets alone: set "
                "data.unlabelled and training.teacher_mode=sequence, or a larger weight",
                training__teacher_weight=self.training.teacher_weight,
                data__unlabelled=self.data.unlabelled,
                training__teacher_mode=self.training.teacher_mode,
            )
        if self.data.synthetic and self.training.teachers:
            yield Conflict(
                "back-translation adds true targets, which a teacher would replace: set one of "
                "them null",
                data__synthetic=self.data.synthetic.model,
                training__teacher=self.training.teacher,
            )
        if self.model.copy and self.tokenizer.separate:
            yield Conflict(
                "copied tokens of the source are written in the target: copying needs one "
                "vocabulary for both",
                model__copy=self.model.copy,
                tokenizer__separate=self.tokenizer.separate,
            )
        if self.training.coverage and not self.model.copy:
            yield Conflict(
                "the coverage loss is of copying: set model.copy=true, or training.coverage=0",
                training__coverage=self.training.coverage,
                model__copy=self.model.copy,
            )
        if self.training.coverage and self.training.by_word:
            yield Conflict(
                "the coverage loss and a teacher's probabilities cannot be learned together: set "
                "training.coverage=0, or training.teacher_mode=sequence",
                training__coverage=self.training.coverage,
                training__teacher_mode=self.training.teacher_mode,
            )
        if self.tokenizer.separate and self.model.tie_embeddings == "all":
            yield Conflict(
                "source and target share one matrix only if they share one vocabulary: use "
                "model.tie_embeddings=output, or tokenizer.separate=false",
                tokenizer__separate=self.tokenizer.separate,
                model__tie_embeddings=self.model.tie_embeddings,
            )
