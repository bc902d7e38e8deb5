"""Translation recipe: trains a `Seq2SeqLM`."""

import functools
import warnings

import keras
import numpy as np

from recipes.translation import back_translation
from recipes.translation.comparison import compare
from recipes.translation.report import report
from recipes.translation.schema import TranslationConfig
from zoo.data import Columns, Dataset
from zoo.metrics import translation_score_each
from zoo.models import Seq2SeqLM, Seq2SeqLMBackbone, Seq2SeqLMPreprocessor
from zoo.tokenizers import (
    train_character_tokenizer,
    train_subword_tokenizer,
    train_symbol_tokenizer,
)
from zoo.training.display import Display
from zoo.training.distillation.sequences import (
    WordDistillation,
    check_languages,
    check_same_vocabulary,
    translate,
    with_teacher,
)
from zoo.training.distillation.teacher import PROBED, Teacher, all_rows
from zoo.training.losses import Coverage, TokenCrossentropy
from zoo.training.model_schema import DECODER_SIZES
from zoo.training.pretrained import check_same_sizes
from zoo.training.recipe import TrainingExamples
from zoo.training.rewards import DRAWN, PolicyGradient, advantages, learned_from, mean_scores
from zoo.training.word_dropout import drop_words
from zoo.training.writing import WriterRecipe

# Settings that a model given as `training.init_from` must share with the one that is trained.
SIZES = ("bidirectional", *DECODER_SIZES)


class TranslationRecipe(WriterRecipe):
    """Recipe of translators (many-to-many)."""

    Task = Seq2SeqLM
    purpose = "translation"
    config: TranslationConfig
    report = staticmethod(report)
    compare = staticmethod(compare)

    @functools.cached_property
    def teachers(self) -> list[Teacher]:
        """The teacher, if there is one: several are an ensemble, which translates as one."""
        sources = self.config.training.teachers
        return [Teacher(sources, Seq2SeqLM)] if sources else []

    def extend(self, dataset: Dataset, display: Display) -> Dataset:
        if (settings := self.config.data.synthetic) is None:
            return dataset
        return back_translation.with_synthetic(dataset, settings, self.config.seed, display)

    def prepare(self, dataset: Dataset) -> Seq2SeqLMPreprocessor:
        settings, length = self.config.tokenizer, self.config.model.sequence_length
        training = self.config.training
        if training.init_from or training.by_word:
            model = self.initial_model if training.init_from else self.teachers[0].model
            pretrained = model.preprocessor
            if training.by_word:
                check_same_vocabulary(self.teachers[0], pretrained)
            return Seq2SeqLMPreprocessor(
                pretrained.tokenizer,
                length,
                length,
                pretrained.source_tokenizer if pretrained.has_two_tokenizers else None,
                lowercase=pretrained.lowercase,
            )
        train = dataset.splits["train"]
        sources = [text.lower() if settings.lowercase else text for text in train["source"]]
        sides = [train["target"], sources]
        if not settings.separate:
            sides = [[*sources, *train["target"]]]
        tokenizer, *source = [
            train_tokenizer(texts, settings.vocabulary_size, algorithm)
            for texts, algorithm in zip(sides, settings.algorithms, strict=True)
        ]
        return Seq2SeqLMPreprocessor(
            tokenizer, length, length, *source, lowercase=settings.lowercase
        )

    def build(self, dataset: Dataset, preprocessor: Seq2SeqLMPreprocessor, dtype: str) -> Seq2SeqLM:
        settings = self.config.model
        backbone = Seq2SeqLMBackbone(
            vocabulary_size=preprocessor.tokenizer.vocabulary_size(),
            source_vocabulary_size=preprocessor.source_vocabulary_size(),
            bidirectional=settings.bidirectional,
            dtype=dtype,
            **settings.decoder(),
        )
        known = getattr(self.initial_model, "languages", None)
        self._languages = dataset.languages if len(dataset.languages) == 2 else known
        model = Seq2SeqLM(
            backbone,
            preprocessor,
            languages=self._languages,
            copy=settings.copy,
            purpose=self.purpose,
        )
        if self.config.training.init_from:
            pretrained = self.initial_model
            check_same_sizes(pretrained.backbone, backbone, SIZES)
            check_same_sizes(pretrained, model, ("copy",))
            model.set_weights(pretrained.get_weights())
        return model

    def training_columns(self, dataset: Dataset, display: Display) -> Columns:
        if not self.teachers:
            return dataset.splits["train"]
        (teacher,), settings = self.teachers, self.config.training
        check_languages(teacher, dataset.languages)
        columns = all_rows(dataset)
        if not settings.by_sequence:
            translate(teacher, columns["source"][:PROBED], settings.teacher_beam, display)
            return columns
        # Targets that are never replaced need no translation.
        kept = 0 if settings.teacher_weight else len(dataset.splits["train"]["source"])
        written = translate(teacher, columns["source"][kept:], settings.teacher_beam, display)
        return columns | {"teacher": [None] * kept + written}

    @property
    def examples_vary_by_epoch(self) -> bool:
        training, tokenizer = self.config.training, self.config.tokenizer
        is_drawn = training.by_sequence and 0 < training.teacher_weight < 1
        is_drawn = is_drawn or bool(training.rewards) or self.config.data.synthetic is not None
        return tokenizer.sampling > 0 or tokenizer.word_dropout > 0 or is_drawn

    def rows_to_write(self, model, columns):
        fit = model.preprocessor.fits(columns["source"], columns["target"])
        return [row for row, fits in enumerate(fit) if fits]

    def write(self, model, columns, rows, **search):
        return model.infer([columns["source"][row] for row in rows], **search)

    def references(self, columns):
        return columns["target"]

    def score_each(self, references, texts, name):
        language = self._languages[-1] if self._languages else None
        return translation_score_each(references, texts, name, language)

    def examples(self, model: Seq2SeqLM, columns: Columns, epoch: int) -> TrainingExamples:
        preprocessor, settings = model.preprocessor, self.config.tokenizer
        seed, synthetic = self.config.seed, self.config.data.synthetic
        if synthetic:
            columns = back_translation.of_epoch(columns, synthetic.ratio, seed, epoch)
        columns, scores = self._drawn_pairs(columns)
        columns = self._without_long_pairs(preprocessor, self._pairs(columns, epoch))
        seeds = np.random.SeedSequence([seed, epoch]).generate_state(2)
        sources = preprocessor.encode_source(columns["source"], settings.sampling, int(seeds[0]))
        targets = preprocessor.encode_target(columns["target"], settings.sampling, int(seeds[1]))
        if synthetic and synthetic.tag:
            sources = back_translation.tagged(sources, columns, preprocessor)
        lengths = [max(len(s), len(t)) for s, t in zip(sources, targets, strict=True)]
        tokenizer, rng = preprocessor.tokenizer, np.random.default_rng([seed, epoch])
        special = (tokenizer.start_token_id, tokenizer.end_token_id)
        sources, read = (
            drop_words(side, settings.word_dropout, rng, kept=special)
            for side in (sources, targets)
        )

        @functools.cache
        def target_length(bucket):
            """Padded length of the targets of a bucket, which may be shorter than its sources."""
            pairs = zip(lengths, targets, strict=True)
            longest = max(len(target) for length, target in pairs if length <= bucket)
            return -(-longest // 8) * 8  # rounded up to a multiple of 8

        def collate(rows, length):
            return preprocessor.collate(
                [sources[row] for row in rows],
                [targets[row] for row in rows],
                length,
                target_length(length),
                [read[row] for row in rows],
            )

        tokens = [len(s) + len(t) for s, t in zip(sources, targets, strict=True)]
        examples = TrainingExamples(lengths, collate, tokens)
        if "advantage" in columns:
            return learned_from(examples, columns["advantage"], scores)
        return examples

    def _drawn_pairs(self, columns: Columns) -> tuple[Columns, dict[str, float]]:
        """The pairs of sources and the texts that were drawn for them, and the mean scores."""
        if DRAWN not in columns:
            return columns, {}
        drawn, rewards = columns[DRAWN], self.config.training.rewards or []
        known = zip(columns["source"], drawn, strict=True)
        pairs = {
            "source": [source for source, texts in known for _ in texts],
            "target": [text["text"] for row in drawn for text in row],
            "advantage": advantages(drawn, rewards),
        }
        return pairs, mean_scores(drawn, rewards)

    def _pairs(self, columns: Columns, epoch: int) -> Columns:
        """The pairs of an epoch: true targets, and in place of some those of the teacher."""
        if "teacher" not in columns:
            return columns
        random = np.random.default_rng([self.config.seed, epoch])
        is_taught = random.random(len(columns["source"])) < self.config.training.teacher_weight
        targets = [
            written if taught or true is None else true
            for true, written, taught in zip(
                columns["target"], columns["teacher"], is_taught, strict=True
            )
        ]
        # The teacher may have no translation of a source.
        kept = [row for row, target in enumerate(targets) if target or columns["target"][row] == ""]
        columns = columns | {"target": targets}
        return {name: [values[row] for row in kept] for name, values in columns.items()}

    def _without_long_pairs(self, preprocessor: Seq2SeqLMPreprocessor, columns: Columns) -> Columns:
        """The pairs that are read whole: half a sentence must not be taught as a translation."""
        sources, targets = columns["source"], columns["target"]
        fit = preprocessor.fits(sources, targets)
        length = self.config.model.sequence_length
        if not any(fit):
            raise ValueError(
                "All training pairs are longer than the model reads: set model.sequence_length "
                f"higher. Received: model.sequence_length={length}"
            )
        if left_out := fit.count(False):
            warnings.warn(
                f"{left_out:,} of {len(fit):,} training pairs are longer than {length - 1} tokens "
                "and are left out: set model.sequence_length higher to train on them.",
                stacklevel=2,
            )
        return {
            name: [value for value, fits in zip(values, fit, strict=True) if fits]
            for name, values in columns.items()
        }

    def settings_of(self, model: Seq2SeqLM) -> dict:
        length = model.preprocessor.encoder_sequence_length
        return super().settings_of(model) | {"sequence_length": length}

    def training_model(self, model: Seq2SeqLM) -> keras.Model:
        settings = self.config.training
        if settings.by_word:
            return with_teacher(model, self.teachers[0])
        if settings.coverage:
            mask = model.input["decoder_padding_mask"]
            cover = Coverage(settings.coverage, name="coverage")
            return keras.Model(model.input, cover(model.output, model.copy_weights_output, mask))
        return model

    def compile_options(self, model) -> dict:
        settings = self.config.training
        loss = TokenCrossentropy(settings.label_smoothing)
        if settings.rewards:
            loss = PolicyGradient(settings.drawn_temperature)
        if settings.by_word:
            loss = WordDistillation(
                settings.temperature, settings.teacher_weight, settings.label_smoothing
            )
        return {"loss": loss, "weighted_metrics": []}

    def measure(self, model: Seq2SeqLM, columns: Columns) -> dict[str, float]:
        """Scores greedy search, which is faster than beam search."""
        return model.score(columns, beam=1)


def train_tokenizer(texts: list[str], vocabulary_size: int, algorithm: str):
    """A tokenizer of one of the algorithms of `TokenizerConfig`."""
    if algorithm == "characters":
        return train_character_tokenizer(texts, vocabulary_size)
    if algorithm == "symbols":
        return train_symbol_tokenizer(texts, vocabulary_size)
    return train_subword_tokenizer(texts, vocabulary_size, algorithm)
