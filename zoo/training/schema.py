"""Schema of recipe files: the sections that all tasks share.

Imports no Keras, so that a recipe file and its data are checked before anything slow starts.
"""

import difflib
import importlib
import importlib.util
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from zoo import data
from zoo.checks import MAX_PENALTY
from zoo.choices import is_choice
from zoo.conflicts import Conflict
from zoo.presets.builtin import PRETRAINED
from zoo.sampling_options import MAX_TEMPERATURE
from zoo.search_options import MIN_TEMPERATURE

if TYPE_CHECKING:
    from zoo.data import Dataset
    from zoo.training.recipe import Recipe

# Every number has an upper bound: beyond it a run would take more memory or time than any machine
# has. What sizes take together is checked by `RecipeConfig.cost_conflicts`.
Count = Annotated[int, Field(ge=1, le=1_000_000_000)]
Size = Annotated[int, Field(ge=1, le=16_384)]  # units, and dimensions of an embedding
SizeOrNone = Annotated[int, Field(ge=0, le=16_384)]  # 0: without that embedding
Layers = Annotated[int, Field(ge=1, le=64)]
Heads = Annotated[int, Field(ge=1, le=256)]
MAX_TOKENS, MAX_VOCABULARY = 16_384, 1_000_000
# Changes to a file whose run registers nothing.
NO_GATES = ("evaluation.gate=null", "evaluation.beat_initial=false")
MAX_WEIGHTS, BYTES_PER_WEIGHT = 1_000_000_000, 16  # weight, gradient, two moments of Adam
Share = Annotated[float, Field(ge=0, lt=1)]
# Of a run and its preset.
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")]


def one_of(choices: Collection[str]) -> BeforeValidator:
    """Validator of a name that must be one of the choices, looked up at validation time.

    Args:
        choices: Names, such as `zoo.choices.ENCODERS`, and those registered later.
    """

    def validate(value: Any) -> Any:
        if not is_choice(value, choices):
            raise PydanticCustomError("choice", "unknown name", {"choices": list(choices)})
        return value

    return BeforeValidator(validate)


class Section(BaseModel):
    """Section of a recipe file: its keys with their types and defaults."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)
    paths: ClassVar[frozenset[str]] = frozenset()  # keys that may hold paths of files

    def conflicts(self) -> Iterator[Conflict]:
        """Yields the invalid combinations among the values of this section."""
        return iter(())

    def with_absolute_paths(self) -> Self:
        """The section with absolute paths, so that a run can be resumed in another folder."""
        changed = {}
        for name in type(self).model_fields:
            value = getattr(self, name)
            if isinstance(value, Section):
                changed[name] = value.with_absolute_paths()
            elif name in self.paths and (path := _absolute(value)) != value:
                changed[name] = path
        return self.model_copy(update=changed)


def _absolute(value: Any) -> Any:
    """The absolute paths of existing files and folders; other values as they are."""
    if isinstance(value, list):
        return [_absolute(one) for one in value]
    if isinstance(value, str) and value and Path(value).exists():
        return str(Path(value).absolute())
    return value


def absolute_preset(source: str) -> str:
    """The absolute path of a preset's folder; names of pretrained models and URIs as they are."""
    is_name = "/" not in source and (PRETRAINED / source).is_dir()
    is_path = bool(source) and ":/" not in source and Path(source).is_dir() and not is_name
    return str(Path(source).absolute()) if is_path else source


class DataConfig(Section):
    """Training data: a named dataset, or the user's own files."""

    paths = frozenset({"train", "dev", "test"})
    task: ClassVar[str]  # of the named datasets that are allowed

    name: str | None = None
    options: dict = {}
    train: str | list | None = None
    dev: str | list | None = None
    test: str | list | None = None
    dev_fraction: Annotated[float, Field(gt=0, lt=1)] = 0.1
    split_seed: Annotated[int, Field(ge=0, lt=2**32)] | None = None

    def conflicts(self) -> Iterator[Conflict]:
        if (self.name is None) == (self.train is None):
            yield Conflict(
                "give either the name of a dataset or a file to train on, and set the other null",
                name=self.name,
                train=self.train,
            )
        elif self.name is not None:
            cards = [card for card in data.list_datasets() if card.task == self.task]
            names = [card.name for card in cards if not card.is_yardstick]
            if self.name in {card.name for card in cards if card.is_yardstick}:
                yield Conflict(
                    f"{self.name} measures models and is never trained on, or its numbers would "
                    "mean nothing: `zoo eval MODEL --behaviour` and evaluation.behaviour use it; "
                    f"train on one of {', '.join(names)}",
                    name=self.name,
                )
            elif self.name not in names:
                near = difflib.get_close_matches(self.name, names, n=1)
                meant = f"; did you mean {near[0]}" if near else ""
                yield Conflict(f"name must be one of {', '.join(names)}{meant}", name=self.name)
            files = {key: getattr(self, key) for key in ("dev", "test")}
            if any(files.values()):
                yield Conflict(
                    "a named dataset defines its splits: leave out dev and test",
                    name=self.name,
                    **files,
                )
        elif self.options:
            yield Conflict(
                "only a named dataset has options: leave out options",
                train=self.train,
                options=self.options,
            )

    def load(self, seed: int) -> "Dataset":
        """Loads the data, with the splits `train` and `dev`, and `test` where there is one.

        Args:
            seed: Seed of the recipe, by which rows of the user's own files are held out as `dev`
                unless there is a `split_seed`.

        Raises:
            FileNotFoundError: if a file does not exist.
            ValueError: if a file or an option is invalid.
        """
        if self.name is not None:
            return data.load(self.name, **self.options)
        return self.load_files(self.seed_of_split(seed))

    def seed_of_split(self, seed: int) -> int:
        """The seed by which rows are held out: `split_seed`, or else that of the recipe."""
        return seed if self.split_seed is None else self.split_seed

    def load_files(self, seed: int) -> "Dataset":
        """Loads the user's own files, in the format of the task."""
        raise NotImplementedError(f"{type(self).__name__} must define `load_files(seed)`.")


class TrainingConfig(Section):
    """Optimizer, batches and stopping. `sentiment/quickstart.yaml` explains each key."""

    epochs: Annotated[int, Field(ge=1, le=100_000)] = 10
    batch_size: Annotated[int, Field(ge=1, le=65_536)] = 64
    batch_tokens: Annotated[int, Field(ge=1, le=1_048_576)] | None = None
    accumulate: Annotated[int, Field(ge=1, le=1_000_000)] = 1
    buckets: Annotated[int, Field(ge=1, le=6)] = 4
    optimizer: Literal["adamw", "adam", "sgd"] = "adamw"
    learning_rate: Annotated[float, Field(gt=0, le=100)] = 1e-3
    schedule: Literal["constant", "linear", "cosine", "inverse_sqrt"] = "constant"
    warmup_steps: Annotated[int, Field(ge=0, le=1_000_000_000)] = 0
    weight_decay: Annotated[float, Field(ge=0, le=100)] = 0.0
    beta_2: Annotated[float, Field(ge=0, lt=1)] = 0.999
    clip_norm: Annotated[float, Field(gt=0, le=1_000_000)] | None = 1.0
    label_smoothing: Share = 0.0
    r_drop: Annotated[float, Field(ge=0, le=1000)] = 0.0
    ema: Annotated[float, Field(gt=0, lt=1)] | None = None
    average_last: Annotated[int, Field(ge=2, le=1000)] | None = None
    average_trigger: Annotated[int, Field(ge=1, le=1000)] | None = None
    precision: Literal["float32", "mixed_bfloat16", "mixed_float16"] = "float32"
    jit: bool | None = None
    patience: Count | None = None
    max_steps: Count | None = None
    devices: Annotated[int, Field(ge=1, le=1024)] | Literal["auto"] = 1
    checkpoint_every: Count = 500
    init_from: str | None = None

    def with_absolute_paths(self) -> Self:
        source: Any = self.init_from
        if isinstance(source, list):
            source = [absolute_preset(one) for one in source]
        elif source is not None:
            source = absolute_preset(source)
        return super().with_absolute_paths().model_copy(update={"init_from": source})

    def conflicts(self) -> Iterator[Conflict]:
        if self.devices != "auto" and self.batch_size % self.devices and not self.batch_tokens:
            yield Conflict(
                "each device takes an equal part of a batch: set batch_size to a multiple of "
                "devices",
                batch_size=self.batch_size,
                devices=self.devices,
            )
        if self.optimizer == "sgd" and self.beta_2 != type(self).model_fields["beta_2"].default:
            yield Conflict(
                "sgd keeps no mean squared gradient: set optimizer adamw, or leave beta_2 out",
                optimizer=self.optimizer,
                beta_2=self.beta_2,
            )
        if self.optimizer == "adam" and self.weight_decay:
            yield Conflict(
                "adam has no decoupled weight decay: set optimizer adamw, or weight_decay 0",
                optimizer=self.optimizer,
                weight_decay=self.weight_decay,
            )
        averages = {"ema": self.ema, "average_trigger": self.average_trigger}
        given = {name: value for name, value in averages.items() if value is not None}
        if given and self.accumulate > 1:
            yield Conflict(
                "Keras advances the average of the weights with each batch, not with each update: "
                "set accumulate 1, or average_last in place of the other averages",
                **given,
                accumulate=self.accumulate,
            )
        if len(given) > 1:
            yield Conflict("both average the weights: leave one of them null", **given)
        if self.average_trigger and self.patience and self.patience < self.average_trigger + 2:
            yield Conflict(
                "training would stop before the weights are averaged: set patience to at least "
                "average_trigger + 2",
                patience=self.patience,
                average_trigger=self.average_trigger,
            )


class WriterTraining(TrainingConfig):
    """Training of a model that writes, which may learn from the scores of texts that it draws.

    A schema whose recipe can do so restricts the names of `rewards`.
    """

    rewards: Annotated[list[str], Field(min_length=1)] | None = None
    drawn_texts: Annotated[int, Field(ge=2, le=100)] = 5
    drawn_inputs: Count | None = None
    drawn_temperature: Annotated[float, Field(ge=MIN_TEMPERATURE, le=MAX_TEMPERATURE)] = 0.5

    def conflicts(self) -> Iterator[Conflict]:
        yield from super().conflicts()
        if not self.rewards:
            return
        if self.init_from is None:
            yield Conflict(
                "a model that cannot write yet draws nothing to learn from: set init_from, or "
                "rewards null",
                rewards=self.rewards,
                init_from=None,
            )
        for name in ("label_smoothing", "r_drop"):
            if value := getattr(self, name):
                yield Conflict(
                    f"rewards are in the place of the cross-entropy: set {name} 0",
                    rewards=self.rewards,
                    **{name: value},
                )
        if self.devices != 1:
            yield Conflict(
                "one process draws the texts: set devices 1",
                rewards=self.rewards,
                devices=self.devices,
            )


def drawn_text_conflicts(config: Any) -> Iterator[Conflict]:
    """Yields the settings of a recipe file that contradict `training.rewards`."""
    rewards, metric = config.training.rewards, config.evaluation.metric
    if not rewards:
        return
    for name in ("sampling", "word_dropout"):
        if value := getattr(config.tokenizer, name):
            yield Conflict(
                f"drawn texts are learned as they are: set {name} 0",
                **{"training__rewards": rewards, f"tokenizer__{name}": value},
            )
    for name in ("doubly_stochastic", "coverage", "flip"):
        if value := getattr(config.training, name, None):
            yield Conflict(
                f"rewards are in the place of what true texts teach: leave {name} out",
                **{"training__rewards": rewards, f"training__{name}": value},
            )
    if metric in ("loss", "perplexity"):
        yield Conflict(
            "rewards make true texts less probable: select the best epoch by another metric",
            training__rewards=rewards,
            evaluation__metric=metric,
        )


class EvaluationConfig(Section):
    """Metric that selects the best epoch, and the gate a model must pass to be registered.

    A metric of `None` becomes `RecipeConfig.default_metric` when the data are loaded.
    """

    lower_is_better: ClassVar[frozenset[str]] = frozenset({"loss", "perplexity"})
    # Metrics that stay, with their gate, when other data replace the named dataset of a file.
    for_any_data: ClassVar[frozenset[str]] = frozenset({"loss"})

    metric: str | None = None
    gate: Annotated[float, Field(ge=-1_000_000_000, le=1_000_000_000)] | None = None
    beat_initial: bool = False
    test: bool = False
    samples: Annotated[int, Field(ge=0, le=100_000)] = 50

    @property
    def mode(self) -> Literal["min", "max"]:
        return "min" if self.metric in self.lower_is_better else "max"


class WriterEvaluation(EvaluationConfig):
    """Evaluation of a model that writes by beam search."""

    length_penalties: (
        Annotated[
            list[Annotated[float, Field(ge=0, le=MAX_PENALTY)]], Field(min_length=1, max_length=50)
        ]
        | None
    ) = None


class TrackingConfig(Section):
    """Names of the run and its model in MLflow."""

    experiment: Annotated[str, Field(min_length=1)] | None = None
    name: Name | None = None
    register_as: Annotated[str, Field(pattern=r"^[^/:]+$")] | None = None
    study: Annotated[str, Field(min_length=1)] | None = None


class RecipeConfig(Section):
    """Recipe file. The schema of a task adds sections and restricts these."""

    recipe: str | None = None
    description: str = ""
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    data: DataConfig
    training: TrainingConfig = TrainingConfig()
    evaluation: EvaluationConfig = EvaluationConfig()
    tracking: TrackingConfig = TrackingConfig()
    variants: dict[Name, list[str]] = {}

    def conflicts(self) -> Iterator[Conflict]:
        yield from super().conflicts()
        if self.evaluation.beat_initial and self.training.init_from is None:
            yield Conflict(
                "there is no model to beat: set training.init_from, or beat_initial false",
                evaluation__beat_initial=self.evaluation.beat_initial,
                training__init_from=self.training.init_from,
            )

    def cost_conflicts(self) -> Iterator[Conflict]:
        """Yields the sizes of a model that would take more memory than any machine has."""
        given = {
            f"{section}.{name}": value
            for section in ("tokenizer", "model")
            for name, value in getattr(self, section, Section()).model_dump().items()
        }
        units, layers = given.get("model.units", 1), given.get("model.num_layers", 1)
        width = given.get("model.embedding_dim", given.get("model.word_dim", units))
        tokens = given.get("tokenizer.vocabulary_size", 1)
        weights = tokens * width + layers * 8 * units**2
        if weights > MAX_WEIGHTS:
            yield Conflict(
                f"a model may have at most {MAX_WEIGHTS:,} weights: this one has about "
                f"{weights:,}, which take {weights * BYTES_PER_WEIGHT / 1e9:,.0f} GB in training",
                **{
                    name.replace(".", "__"): given[name]
                    for name in ("tokenizer.vocabulary_size", "model.units", "model.num_layers")
                    if name in given
                },
            )

    def default_metric(self, dataset: "Dataset") -> str:
        """The metric of a recipe that states none."""
        return "loss"

    def data_conflicts(self, dataset: "Dataset") -> Iterator[Conflict]:
        """Yields the settings that do not fit the dataset, such as a metric of absent labels.

        Raises:
            FileNotFoundError: if the recipe's word vectors do not exist.
            ValueError: if they cannot be read.
        """
        if vectors := getattr(getattr(self, "model", None), "word_vectors", None):
            from zoo.vectors import check_vectors  # NumPy, which a wrong file does not need

            check_vectors(vectors)
        return iter(())


@dataclass(frozen=True)
class RecipeSpec:
    """Entry point of a recipe, in the group `zoo.recipes`. Importing it must not import Keras.

    Its YAML files are in the folder of the module in `target`.

    Attributes:
        name: Name of the recipe and its entry point, such as `"sentiment"`.
        Config: Schema of its files, a `RecipeConfig`.
        target: Its subclass of `zoo.training.Recipe`, as `"module:Class"`.
    """

    name: str
    Config: type[RecipeConfig]
    target: str

    def load(self) -> "type[Recipe]":
        """Imports the class, and with it Keras."""
        module, _, name = self.target.partition(":")
        return getattr(importlib.import_module(module), name)

    @property
    def folder(self) -> Path:
        """Folder of its YAML files."""
        spec = importlib.util.find_spec(self.target.partition(":")[0])
        if spec is None or spec.origin is None:
            raise ModuleNotFoundError(f"A recipe needs its module. Received: target={self.target}")
        return Path(spec.origin).parent
