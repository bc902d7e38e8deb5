"""Schema of captioning recipes."""

import re
from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from zoo import data
from zoo.choices import CELLS, TIED_CAPTION_EMBEDDINGS
from zoo.conflicts import caption_conflicts, image_conflicts
from zoo.data import Dataset
from zoo.training.model_schema import DecoderConfig
from zoo.training.schema import (
    MAX_TOKENS,
    MAX_VOCABULARY,
    Conflict,
    DataConfig,
    RecipeConfig,
    Section,
    Share,
    Size,
    WriterEvaluation,
    WriterTraining,
    drawn_text_conflicts,
    one_of,
)

Side = Annotated[int, Field(ge=8, le=1024)]
Reward = Literal["bleu_4", "cider_d"]


class CaptioningData(DataConfig):
    """Captioned images: a named dataset, or the user's own tables."""

    paths = DataConfig.paths | {"images"}
    task = "image_to_text"

    options: dict[str, int] = {}
    train: str | None = None
    dev: str | None = None
    test: str | None = None
    images: str | None = None
    image: str = "image"
    caption: str = "caption"

    def load_files(self, seed: int) -> Dataset:
        return data.load_captioned(
            train=self.train,
            dev=self.dev,
            test=self.test,
            images=self.images,
            image=self.image,
            caption=self.caption,
            dev_fraction=self.dev_fraction,
            seed=seed,
        )


class TokenizerConfig(Section):
    """Subword vocabulary of the captions."""

    vocabulary_size: Annotated[int, Field(ge=280, le=MAX_VOCABULARY)] = 4000
    algorithm: Literal["bpe", "unigram"] = "bpe"
    lowercase: bool = True
    sampling: Annotated[float, Field(ge=0, le=1)] = 0.0
    word_dropout: Share = 0.0


class ModelConfig(DecoderConfig):
    """Architecture of the captioner."""

    paths = frozenset({"weights"})

    encoder: Annotated[str, Field(min_length=1)] = "residual"
    widths: Annotated[list[Size], Field(min_length=1, max_length=6)] = [32, 64, 128]
    image_size: Annotated[list[Side], Field(min_length=2, max_length=2)] = [224, 224]
    weights: Annotated[str, Field(min_length=1)] | None = None
    encoder_output: Annotated[str, Field(min_length=1)] | None = None
    train_encoder: Annotated[str, Field(min_length=1)] = "all"
    gate: bool = False
    cell: Annotated[str, one_of(CELLS)] = "lstm"
    tie_embeddings: Annotated[str, one_of(TIED_CAPTION_EMBEDDINGS)] = "none"
    sequence_length: Annotated[int, Field(ge=2, le=MAX_TOKENS)] = 40

    def conflicts(self) -> Iterator[Conflict]:
        yield from super().conflicts()
        yield from caption_conflicts(self.attention, self.gate, self.input_feeding)
        yield from image_conflicts(self.encoder, self.image_size, self.widths)
        if self.weights and re.fullmatch(r"EfficientNetB\d", self.encoder):
            yield Conflict(
                "the pretrained weights of this CNN need a preprocessing of images that is not "
                "supported: use EfficientNetV2B0, or weights null",
                encoder=self.encoder,
                weights=self.weights,
            )
        if self.encoder == "residual" and self.weights:
            yield Conflict(
                "the residual CNN has no pretrained weights: set weights null, or name a CNN of "
                "keras.applications",
                encoder=self.encoder,
                weights=self.weights,
            )


class CaptioningTraining(WriterTraining):
    """Optimizer, and what is special to captions."""

    rewards: Annotated[list[Reward], Field(min_length=1)] | None = None  # type: ignore[assignment]
    flip: bool = False
    doubly_stochastic: Annotated[float, Field(ge=0, le=1000)] = 0.0


class CaptioningEvaluation(WriterEvaluation):
    """Metrics of captions."""

    for_any_data = frozenset({"rouge_l"})

    metric: Literal["bleu_1", "bleu_2", "bleu_3", "bleu_4", "rouge_l", "cider_d"] | None = None


class CaptioningConfig(RecipeConfig):
    """Captioning recipe file. `quickstart.yaml` explains each key."""

    data: CaptioningData = CaptioningData()
    tokenizer: TokenizerConfig = TokenizerConfig()
    model: ModelConfig = ModelConfig()
    training: CaptioningTraining = CaptioningTraining()
    evaluation: CaptioningEvaluation = CaptioningEvaluation()

    def default_metric(self, dataset: Dataset) -> str:
        """BLEU-4; ROUGE-L for images of the user, of which BLEU-4 may stay at 0."""
        return "bleu_4" if self.data.name else "rouge_l"

    def conflicts(self) -> Iterator[Conflict]:
        yield from super().conflicts()
        if self.training.init_from and self.model.weights:
            yield Conflict(
                "training.init_from includes the weights of the CNN: set one of the two null",
                training__init_from=self.training.init_from,
                model__weights=self.model.weights,
            )
        yield from drawn_text_conflicts(self)
        if self.training.doubly_stochastic and self.model.attention == "none":
            yield Conflict(
                "doubly_stochastic regularizes attention: set it to 0 without attention",
                training__doubly_stochastic=self.training.doubly_stochastic,
                model__attention=self.model.attention,
            )
