"""Language modelling recipe: trains a `CausalLM`."""

import keras
import numpy as np

from recipes.language_modeling import long_range
from recipes.language_modeling.brackets import accuracy, bracket_outcomes, draw_outcomes
from recipes.language_modeling.carried_state import CarriedState
from recipes.language_modeling.report import log_samples, log_surprisal, unknown_in
from recipes.language_modeling.schema import POSITIONS, LanguageModelingConfig
from zoo.data import Columns, Dataset
from zoo.data.generated_brackets import GeneratedBrackets
from zoo.data.lanes import cut_into_lanes, join_texts
from zoo.models import CausalLM, CausalLMBackbone, CausalLMPreprocessor
from zoo.tokenizers import (
    train_character_tokenizer,
    train_spaced_word_tokenizer,
    train_subword_tokenizer,
)
from zoo.tracking import Run
from zoo.training.losses import TokenCrossentropy
from zoo.training.pretrained import check_same_sizes
from zoo.training.recipe import Recipe, TrainingExamples

TRAIN_TOKENIZER = {
    "characters": train_character_tokenizer,
    "subwords": train_subword_tokenizer,
    "words": train_spaced_word_tokenizer,
}
# Settings that a model given as `training.init_from` must share with the one that is trained.
SIZES = (
    "decoder",
    "embedding_dim",
    "units",
    "num_layers",
    "attention",
    "tie_embeddings",
    "embedding_cutoffs",
    "embedding_factor",
)


class LanguageModelingRecipe(Recipe):
    """Recipe of language models (next-step prediction).

    The texts of the training split are one stream, cut into `training.batch_size` lanes; a batch is
    a window of `model.sequence_length` tokens of each. The state of a recurrent model goes on in
    the next batch, and the gradient ends at the border (truncated back-propagation through time).
    """

    Task = CausalLM
    config: LanguageModelingConfig
    _encoded: tuple | None = None

    def prepare(self, dataset: Dataset) -> CausalLMPreprocessor:
        settings, length = self.config.tokenizer, self.config.model.sequence_length
        backward = self.config.model.backward
        if self.config.training.init_from:
            pretrained = self.initial_model.preprocessor
            preprocessor = CausalLMPreprocessor(
                pretrained.tokenizer, length, start=pretrained.start, backward=backward
            )
            return self._with_known_prefixes(preprocessor)
        texts = dataset.splits["train"]["text"]
        tokenizer = TRAIN_TOKENIZER[settings.level](texts, settings.vocabulary_size)
        # In one long text of characters the end token occurs only once.
        is_one_text = len(texts) == 1 and settings.level == "characters" and "\n" in texts[0]
        start = "\n" if is_one_text else None
        return self._with_known_prefixes(
            CausalLMPreprocessor(tokenizer, length, start=start, backward=backward)
        )

    def _with_known_prefixes(self, preprocessor: CausalLMPreprocessor) -> CausalLMPreprocessor:
        """The preprocessor, if the model can read `evaluation.prefixes` with it."""
        for prefix in self.config.evaluation.prefixes:
            if unknown := unknown_in(preprocessor, prefix):
                raise ValueError(
                    "evaluation.prefixes must have characters that train has: leave out "
                    f"{', '.join(map(repr, unknown))}. Received: {prefix!r}"
                )
        return preprocessor

    def build(self, dataset: Dataset, preprocessor: CausalLMPreprocessor, dtype: str) -> CausalLM:
        settings = self.config.model
        backbone = CausalLMBackbone(
            vocabulary_size=preprocessor.tokenizer.vocabulary_size(),
            max_sequence_length=max(settings.sequence_length, POSITIONS),
            dtype=dtype,
            **settings.backbone(),
        )
        stated, start = self.config.evaluation.cache, self.initial_model
        cache = stated.model_dump() if stated else start and start.cache
        model = CausalLM(backbone, preprocessor, cache=cache)
        if self.config.training.init_from:
            pretrained = self.initial_model
            check_same_sizes(pretrained.backbone, backbone, SIZES)
            model.set_weights(pretrained.get_weights())
        return model

    @property
    def examples_vary_by_epoch(self) -> bool:
        return True

    def examples(self, model: CausalLM, columns: Columns, epoch: int) -> TrainingExamples:
        """The windows of an epoch, which begin at another place of the stream in each epoch."""
        preprocessor, lanes = model.preprocessor, self.config.training.batch_size
        length = self.config.model.sequence_length
        stream, begins = self._stream(preprocessor, columns)
        offset = int(np.random.default_rng([self.config.seed, epoch]).integers(len(stream)))
        cut = cut_into_lanes(stream, begins, preprocessor.start_token_id, lanes, length, offset)
        carries_state = model.backbone.carries_state

        def collate(rows, _):
            window, lane = rows // lanes, rows % lanes
            inputs = {"token_ids": cut.inputs[window, lane]}
            if carries_state:
                inputs["is_start"] = cut.is_start[window, lane].astype("float32")
            else:
                inputs["padding_mask"] = np.ones(inputs["token_ids"].shape, "bool")
            return inputs, cut.targets[window, lane], cut.weights[window, lane]

        lengths = [length] * len(cut.tokens)
        return TrainingExamples(lengths, collate, cut.tokens.tolist(), in_order=carries_state)

    def _stream(self, preprocessor: CausalLMPreprocessor, columns: Columns) -> tuple:
        """The stream of all texts, see `join_texts`; encoded once for all epochs."""
        if self._encoded is None:
            encoded = preprocessor.encode(columns["text"])
            self._encoded = join_texts(encoded, preprocessor.end_token_id)
        return self._encoded

    def describe_data(
        self, model: CausalLM, dataset: Dataset
    ) -> tuple[list[str], dict[str, float]]:
        """The number of tokens, and the share of those of dev that the vocabulary lacks."""
        preprocessor, lanes = model.preprocessor, self.config.training.batch_size
        stream, _ = self._stream(preprocessor, dataset.splits["train"])
        encoded = preprocessor.encode(dataset.splits["dev"]["text"])
        held, _ = join_texts(encoded, preprocessor.end_token_id)
        unknown = float(np.mean(held == preprocessor.tokenizer.unk_token_id))
        line = (
            f"train has {len(stream):,} tokens, in {lanes} lanes; dev {len(held):,}, of which "
            f"{unknown:.2%} are unknown"
        )
        metrics = {"data/train_tokens": len(stream), "data/dev_tokens": len(held)}
        return [line], metrics | {"data/dev_unknown": unknown}

    def training_model(self, model: CausalLM) -> keras.Model:
        if not model.backbone.carries_state:
            return model
        return CarriedState(model, self.config.training.batch_size)

    def undivided(self, backend: str) -> str | None:
        # A device that has some of the lanes would carry, and store, their states alone.
        if backend != "jax" and self.config.model.decoder != "transformer":
            return f"model.decoder={self.config.model.decoder}, whose state is carried on"
        return super().undivided(backend)

    def compile_options(self, model) -> dict:
        loss = TokenCrossentropy(self.config.training.label_smoothing)
        return {"loss": loss, "weighted_metrics": []}

    def measure(self, model: CausalLM, columns: Columns) -> dict[str, float]:
        """Scores with the carried state alone, which takes half the time."""
        return model.score(columns, carried_state_only=True)

    def log_progress(self, model: CausalLM, columns: Columns, run: Run, epoch: int) -> None:
        settings, texts = self.config.evaluation, columns["text"]
        if settings.samples and not model.preprocessor.backward:
            name = f"samples/epoch_{epoch:04}.json"
            log_samples(model, texts, settings, self.config.seed, run, name)
        if self._has_brackets:
            outcomes = bracket_outcomes(model, texts)
            run.log_metrics({"brackets/accuracy": accuracy(outcomes)}, epoch)

    def report(self, model: CausalLM, columns: Columns, run: Run, samples: int) -> None:
        """Logs texts that the model writes, a picture of a text, and what it knows of brackets."""
        settings, texts = self.config.evaluation, columns["text"]
        if self._has_brackets:
            outcomes = bracket_outcomes(model, texts)
            run.log_figure(draw_outcomes(outcomes), "figures/brackets.png")
        if samples:
            if not model.preprocessor.backward:
                log_samples(model, texts, settings, self.config.seed, run, "samples.json")
            log_surprisal(model, texts, run)

    def compare(self, models: dict[str, CausalLM], columns: Columns, run: Run) -> dict[str, list]:
        return long_range.compare(models, columns, run, self._has_brackets, self.config.seed)

    @property
    def _has_brackets(self) -> bool:
        """True for a forward model of the characters of the generated bracket language."""
        config = self.config
        is_brackets = config.data.name == GeneratedBrackets.card.name
        return is_brackets and config.tokenizer.level == "characters" and not config.model.backward
