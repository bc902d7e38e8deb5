"""Schema of speech recipes."""

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from zoo import data
from zoo.choices import (
    CELLS,
    SPEECH_ATTENTIONS,
    SPEECH_HEADS,
    SPEECH_NORMALIZATIONS,
    has_heads,
)
from zoo.conflicts import dot_product_conflicts, head_conflicts, speech_conflicts
from zoo.data import Dataset
from zoo.training.schema import (
    MAX_TOKENS,
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

Decibels = Annotated[float, Field(ge=-20, le=100)]


class SpeechData(DataConfig):
    """Recordings with transcripts: a named dataset, or the user's own tables."""

    paths = DataConfig.paths | {"recordings"}
    task = "speech_to_text"

    options: dict[str, int | str] = {}
    train: str | None = None
    dev: str | None = None
    test: str | None = None
    recordings: str | None = None
    audio: str = "audio"
    text: str = "text"
    speaker: str | None = None

    def load_files(self, seed: int) -> Dataset:
        return data.load_transcribed(
            train=self.train,
            dev=self.dev,
            test=self.test,
            recordings=self.recordings,
            audio=self.audio,
            text=self.text,
            speaker=self.speaker,
            dev_fraction=self.dev_fraction,
            seed=seed,
        )


class TokenizerConfig(Section):
    """Characters and words of the transcripts."""

    paths = frozenset({"words"})

    alphabet: Annotated[str, Field(min_length=1, max_length=10_000)] | None = None
    lowercase: bool = True
    words: Annotated[str, Field(min_length=1)] | None = None


class ModelConfig(Section):
    """Architecture of the recogniser."""

    sampling_rate: Annotated[int, Field(ge=1_000, le=192_000)] = 8_000
    frame_length: Annotated[int, Field(ge=8, le=16_384)] = 200
    hop_length: Annotated[int, Field(ge=4, le=16_384)] = 80
    num_mels: Annotated[int, Field(ge=4, le=512)] = 40
    normalization: Annotated[str, one_of(SPEECH_NORMALIZATIONS)] = "global"
    head: Annotated[str, one_of(SPEECH_HEADS)] = "ctc"
    cell: Annotated[str, one_of(CELLS)] = "lstm"
    units: Size = 128
    num_layers: Layers = 3
    bidirectional: bool = True
    pooling: Annotated[list[Annotated[int, Field(ge=1, le=64)]], Field(min_length=1)] = [2, 2, 1]
    attention: Annotated[str, one_of(SPEECH_ATTENTIONS)] = "bahdanau"
    embedding_dim: Size = 64
    decoder_units: Size | None = None
    decoder_layers: Layers = 1
    input_feeding: bool = False
    num_heads: Heads = 4
    dropout: Share = 0.2
    frequency_mask: Annotated[int, Field(ge=0, le=512)] = 0
    time_mask: Share = 0.0
    num_masks: Annotated[int, Field(ge=0, le=100)] = 2
    convolution: Annotated[list[Size], Field(max_length=8)] = []
    ctc_weight: Annotated[float, Field(ge=0, le=1)] = 0.3
    sequence_length: Annotated[int, Field(ge=2, le=MAX_TOKENS)] = 128

    def conflicts(self) -> Iterator[Conflict]:
        yield from speech_conflicts(self.num_layers, self.pooling)
        if self.hop_length > self.frame_length:
            yield Conflict(
                "the frames of the spectrogram must not have gaps: hop_length is at most "
                "frame_length",
                hop_length=self.hop_length,
                frame_length=self.frame_length,
            )
        if self.head == "ctc":
            return
        yield from dot_product_conflicts(self.attention, self.bidirectional)
        if has_heads(self.attention):
            yield from head_conflicts(self.decoder_units or self.units, self.num_heads)

    def backbone(self) -> dict:
        """The settings as arguments of a backbone."""
        return self.model_dump(exclude={"ctc_weight", "sequence_length"})


class SpeechTraining(TrainingConfig):
    """Optimizer, and changes of the recordings in each epoch."""

    speed: Annotated[float, Field(ge=0, le=0.5)] = 0.0
    noise: Annotated[list[Decibels], Field(min_length=2, max_length=2)] | None = None

    def conflicts(self) -> Iterator[Conflict]:
        yield from super().conflicts()
        if self.r_drop:
            yield Conflict(
                "R-Drop compares the predictions of one output, and a recogniser may have two: set "
                "it to 0",
                r_drop=self.r_drop,
            )
        if self.noise and self.noise[0] > self.noise[1]:
            yield Conflict(
                "noise is the lowest and the highest signal-to-noise ratio: swap them",
                noise=self.noise,
            )


class SpeechEvaluation(EvaluationConfig):
    """Metrics of transcripts."""

    lower_is_better = EvaluationConfig.lower_is_better | {"wer", "cer"}
    for_any_data = frozenset({"wer", "cer", "exact", "loss"})

    metric: Literal["wer", "cer", "exact", "loss"] | None = None


class SpeechConfig(RecipeConfig):
    """Speech recipe file. `quickstart.yaml` explains each key."""

    data: SpeechData = SpeechData()
    tokenizer: TokenizerConfig = TokenizerConfig()
    model: ModelConfig = ModelConfig()
    training: SpeechTraining = SpeechTraining()
    evaluation: SpeechEvaluation = SpeechEvaluation()

    def default_metric(self, dataset: Dataset) -> str:
        """The word error rate; that of characters for recordings of the user, which moves first."""
        return "wer" if self.data.name else "cer"

    def conflicts(self) -> Iterator[Conflict]:
        yield from super().conflicts()
        if self.tokenizer.alphabet and self.training.init_from:
            yield Conflict(
                "a model to start from has its own alphabet: leave alphabet null",
                tokenizer__alphabet=self.tokenizer.alphabet,
                training__init_from=self.training.init_from,
            )
