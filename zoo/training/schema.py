"""The sections of a recipe file that all tasks share."""

import difflib
from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

Count = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(ge=0, lt=1)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")]  # as presets may have


class Conflict(Exception):
    """Values that are right one by one and do not go together.

    Args:
        rule: What must hold, and the remedy.
        **values: The keys of the section that disagree, with their values.
    """

    def __init__(self, rule: str, **values: object):
        super().__init__(rule)
        self.rule = rule
        self.values = values


class Section(BaseModel):
    """A section of a recipe file: its keys, their types, their defaults."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)

    def conflicts(self) -> Iterator[Conflict]:
        """Yields the impossible combinations among the values of this section."""
        return iter(())


class DataConfig(Section):
    """What to learn from: a named dataset, or files of one's own."""

    task: ClassVar[str]  # of the named datasets

    name: str | None = None
    options: dict = {}
    train: str | list | None = None
    dev: str | list | None = None
    test: str | list | None = None
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

            names = [card.name for card in list_datasets() if card.task == self.task]
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


class TrainingConfig(Section):
    """How the weights are found. `sentiment/quickstart.yaml` explains each key."""

    epochs: Count = 10
    batch_size: Count = 64
    batch_tokens: Count | None = None
    buckets: Annotated[int, Field(ge=1, le=6)] = 4
    optimizer: Literal["adamw", "adam", "sgd"] = "adamw"
    learning_rate: Annotated[float, Field(gt=0)] = 1e-3
    schedule: Literal["constant", "linear", "cosine"] = "constant"
    warmup_steps: Annotated[int, Field(ge=0)] = 0
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    clip_norm: Annotated[float, Field(gt=0)] | None = 1.0
    label_smoothing: Share = 0.0
    ema: Annotated[float, Field(gt=0, lt=1)] | None = None
    precision: Literal["float32", "mixed_bfloat16", "mixed_float16"] = "float32"
    jit: bool | None = None
    patience: Count | None = None
    max_steps: Count | None = None
    checkpoint_every: Count = 500
    init_from: str | None = None

    def conflicts(self) -> Iterator[Conflict]:
        if self.optimizer == "adam" and self.weight_decay:
            yield Conflict(
                "Adam has no decoupled weight decay: use adamw, or 0",
                optimizer=self.optimizer,
                weight_decay=self.weight_decay,
            )


class EvaluationConfig(Section):
    """What is measured, and how good is good enough."""

    lower_is_better: ClassVar[frozenset[str]] = frozenset({"loss", "perplexity"})

    metric: str = "loss"
    gate: float | None = None
    test: bool = False
    samples: Annotated[int, Field(ge=0)] = 50

    @property
    def mode(self) -> Literal["min", "max"]:
        return "min" if self.metric in self.lower_is_better else "max"


class TrackingConfig(Section):
    """Where the run and its model are entered."""

    experiment: Annotated[str, Field(min_length=1)] | None = None
    name: Name | None = None
    register_as: Annotated[str, Field(pattern=r"^[^/:]+$")] | None = None
    study: Annotated[str, Field(min_length=1)] | None = None


class RecipeConfig(Section):
    """A recipe file. A task adds its sections and makes those here more precise."""

    description: str = ""
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    training: TrainingConfig = TrainingConfig()
    evaluation: EvaluationConfig = EvaluationConfig()
    tracking: TrackingConfig = TrackingConfig()
    variants: dict[Name, list[str]] = {}


class DecoderConfig(Section):
    """What `zoo.models.generation.GenerationBackbone` is made of."""

    cell: Literal["simple_rnn", "lstm", "gru"] = "gru"
    attention: Literal[
        "none",
        "bahdanau",
        "luong_dot",
        "luong_general",
        "luong_concat",
        "luong_local",
        "scaled_dot",
        "multi_head",
        "transformer",
    ] = "bahdanau"
    embedding_dim: Count = 256
    units: Count = 256
    num_layers: Count = 1
    input_feeding: bool = False
    num_heads: Count = 4
    intermediate_dim: Count = 512
    dropout: Share = 0.3
    tie_embeddings: str = "none"

    def conflicts(self) -> Iterator[Conflict]:
        needs_one_size = self.tie_embeddings != "none" or self.attention == "transformer"
        if needs_one_size and self.embedding_dim != self.units:
            yield Conflict(
                "a tied output and a Transformer need embedding_dim equal to units",
                tie_embeddings=self.tie_embeddings,
                attention=self.attention,
                embedding_dim=self.embedding_dim,
                units=self.units,
            )
        if self.attention in ("multi_head", "transformer") and self.units % self.num_heads:
            yield Conflict(
                "units must be divisible by num_heads",
                units=self.units,
                num_heads=self.num_heads,
            )

    def decoder(self) -> dict:
        """These settings, as arguments of a backbone."""
        return {name: getattr(self, name) for name in DecoderConfig.model_fields}


# What a model to start from must have in common with the one that is trained.
DECODER_SIZES = tuple(name for name in DecoderConfig.model_fields if name != "dropout")
