"""The one path of every recipe, and what a task adds to it.

Keras and MLflow are imported after the recipe and its data have been read, so that a mistake in
them is told at once: that is why the path itself is in `zoo.training.session`.
"""

import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from zoo.terminal import starting
from zoo.training import config as configs
from zoo.training.config import ConfigError
from zoo.training.schema import RecipeConfig

if TYPE_CHECKING:
    import keras
    import keras_hub
    import numpy as np

    from zoo.data import Columns, Dataset
    from zoo.presets import Card
    from zoo.tracking import GateResult, Registered, Run
    from zoo.training.study import StudyResult

# What may differ when a run is resumed: all else would make it another run.
RESUMABLE = (
    "evaluation",
    "tracking",
    "training.checkpoint_every",
    "training.epochs",
    "training.max_steps",
    "training.patience",
)
# What the variants of a study must have in common.
SHARED = ("data", "tracking", "variants")


@dataclass(frozen=True)
class TrainingExamples:
    """The training split as the model takes it.

    Attributes:
        lengths: The length of each example, for the buckets.
        collate: A function `(indices, length)` that makes a batch `(x, y)` of NumPy arrays.
        tokens: How many tokens each example has, to tell the speed. Defaults to its length.
    """

    lengths: "Sequence[int]"
    collate: "Callable[[np.ndarray, int], tuple]"
    tokens: "Sequence[int] | None" = None


@dataclass(frozen=True)
class RunResult:
    """What a run came to.

    Attributes:
        run_id: Its id in the tracking store.
        url: Its page there.
        model: The model with the best weights, as they are stored.
        card: The card of its preset.
        metrics: What was measured from the stored file: `dev/accuracy` and the like.
        gate: What the gate said; `None` if there is none.
        model_uri: The logged model, which `zoo.load` takes.
        registered: The registered version; `None` if the gate did not pass, or there is none.
        preset: The directory of the preset, if it was asked for.
    """

    run_id: str
    url: str
    model: "keras_hub.models.Task"
    card: "Card"
    metrics: dict[str, float]
    gate: "GateResult | None"
    model_uri: str
    registered: "Registered | None"
    preset: Path | None


class Recipe(ABC):
    """What a task adds to the engine. The recipe's files lie beside the module of the class.

    Args:
        config: The resolved configuration, a `Config`.

    Attributes:
        name: The recipe's name: that of its entry point in the group `zoo.recipes`.
        Config: The schema of its files.
    """

    name: ClassVar[str]
    Config: ClassVar[type[RecipeConfig]] = RecipeConfig

    def __init__(self, config: RecipeConfig):
        self.config = config

    @abstractmethod
    def load_data(self) -> "Dataset":
        """The data, with the splits `train` and `dev`, and `test` if it shall be measured."""

    @abstractmethod
    def prepare(self, dataset: "Dataset") -> "keras_hub.models.Preprocessor":
        """What comes before the model: learns the vocabulary from the training split."""

    @abstractmethod
    def build(
        self, dataset: "Dataset", preprocessor: "keras_hub.models.Preprocessor", dtype: str
    ) -> "keras_hub.models.Task":
        """The model with its first weights, not compiled, in a dtype or a policy."""

    @abstractmethod
    def examples(
        self, model: "keras_hub.models.Task", columns: "Columns", epoch: int
    ) -> TrainingExamples:
        """The training split as the model takes it."""

    @property
    def examples_vary_by_epoch(self) -> bool:
        """Whether `examples` are others in each epoch; the same `(seed, epoch)` must then give
        the same. Defaults to `False`."""
        return False

    def training_model(self, model: "keras_hub.models.Task") -> "keras.Model":
        """What takes the `examples`: the model, which is the default, or one that shares its
        weights."""
        return model

    @abstractmethod
    def compile_options(self, model: "keras_hub.models.Task") -> dict[str, Any]:
        """`loss`, `weighted_metrics` and the like for `keras.Model.compile` of `fitted`."""

    @abstractmethod
    def report(self, model: "keras_hub.models.Task", columns: "Columns", run: "Run") -> None:
        """Keeps pictures and samples of the dev split with the run."""

    def measure(self, model: "keras_hub.models.Task", columns: "Columns") -> dict[str, float]:
        """What is measured on the dev split after each epoch. Defaults to what is measured at
        the end, `model.score(columns)`."""
        return model.score(columns)

    def compare(
        self, models: "dict[str, keras_hub.models.Task]", columns: "Columns", run: "Run"
    ) -> dict[str, list]:
        """Compares the models of a study on the dev split, and may keep pictures with its run.

        Args:
            models: The model of each variant.
            columns: The dev split.
            run: The run that sums the study up.

        Returns:
            Columns of its table: for each a value of each model. Defaults to what they score.
        """
        scores = [model.score(columns) for model in models.values()]
        return {name: [score[name] for score in scores] for name in scores[0]}

    @classmethod
    def resolve(cls, name: str, overrides: Sequence[str] = ()) -> RecipeConfig:
        """The configuration that `run` would run.

        Args:
            name, overrides: See `run`.

        Raises:
            zoo.training.config.ConfigError: with all that is wrong with the file and the overrides.
        """
        file = cls._file(name)
        return configs.load(cls.Config, file, overrides, source=f"{cls.name}/{file.stem}")

    @classmethod
    def _file(cls, name: str) -> Path:
        if Path(name).suffix in (".yaml", ".yml"):
            return Path(name)
        return Path(inspect.getfile(cls)).with_name(f"{name}.yaml")

    @classmethod
    def _check_variants(cls, name, label, config, overrides) -> None:
        """Tells every mistake in every variant before any is trained."""
        mistakes = []
        for variant, own in config.variants.items():
            place = f"variants.{variant}"
            for override in own:
                if override.lstrip().startswith(SHARED):
                    mistakes.append(
                        f"{place}: what is compared has the same data, and is tracked together. "
                        f"Received: {override!r}"
                    )
            try:
                cls.resolve(name, [*overrides, *own, "variants={}"])
            except ConfigError as error:
                mistakes += [f"{place}: {mistake}" for mistake in error.mistakes]
        if mistakes:
            raise ConfigError(label, mistakes)

    @classmethod
    def run(
        cls,
        name: str,
        overrides: Sequence[str] = (),
        *,
        resume: str | None = None,
        output: str | Path | None = None,
        progress: bool = True,
    ) -> "RunResult | StudyResult":
        """Runs a recipe file; one with `variants` once for each of them.

        Args:
            name: `quickstart` for the file `quickstart.yaml` beside the recipe's module; or the
                path of a YAML file anywhere.
            overrides: What differs from the file, each `key.sub=value`.
            resume: The id of a run that was interrupted, or as many of its first letters as
                tell it from others, to go on with from its checkpoint, with its own
                configuration.
            output: A directory for the preset, which is tracked anyway.
            progress: bool. Whether to draw a bar, on a terminal. Defaults to `True`.

        Returns:
            A `RunResult`; of a file with variants a `zoo.training.study.StudyResult`.

        Raises:
            zoo.training.config.ConfigError: with all that is wrong with the file and the overrides.
            FileExistsError: if `output` holds something.
            zoo.tracking.StoreError: if the run cannot be tracked; before it trains.
            zoo.training.loop.TrainingError: if the loss or the metric is not a number.
            zoo.training.checkpoint.CheckpointError: if a checkpoint cannot be written or read.
        """
        file = cls._file(name)
        label = f"{cls.name}/{file.stem}"
        output = None if output is None else Path(output)
        if output is not None and output.exists() and not _is_empty(output):
            raise FileExistsError(
                f"The output must be a new or an empty directory. Received: {output}"
            )
        if resume is None:
            kept, overrides = None, list(overrides)
            config = cls.resolve(name, overrides)
        else:
            from zoo.training.checkpoint import Checkpoint

            kept = Checkpoint.find(resume).read_recipe()
            config = _resumed_config(cls.Config, kept, label, overrides)
            overrides = [*kept.overrides, *overrides]

        if config.variants:
            if output is not None:
                raise ConfigError(label, ["a study has many models: leave --output out."])
            cls._check_variants(name, label, config, overrides)
            with starting(f"Starting {label} …"):
                from zoo.training.study import run_study
            return run_study(cls, name, label, config, overrides, progress=progress)
        recipe = cls(config)
        dataset = recipe.load_data()
        with starting(f"Starting {label} …"):
            import zoo.models  # noqa: F401 (with TensorFlow, whatever the backend)
            from zoo.training.display import Display
            from zoo.training.session import Session

        with Display(bar=progress) as display:
            result = Session(recipe, dataset, label, overrides, display).run(kept, output)
        print(_summary(result, label))
        return result


def _resumed_config(schema, kept, label, overrides) -> RecipeConfig:
    """The configuration of the interrupted run, with such overrides as leave it the same run."""
    if kept.label != label:
        raise ConfigError(
            label, [f"the run to go on with is one of {kept.label}: name that recipe instead."]
        )
    mistakes = []
    for override in overrides:
        key = override.partition("=")[0].strip()
        if not any(key == one or key.startswith(f"{one}.") for one in RESUMABLE):
            mistakes.append(
                f"{key}: a resumed run keeps it; what may differ is {', '.join(RESUMABLE)}. "
                f"Received: {override!r}"
            )
    if mistakes:
        raise ConfigError(label, mistakes)
    return configs.resolve(schema, kept.config, overrides, source=label)


def _is_empty(path: Path) -> bool:
    return path.is_dir() and not any(path.iterdir())


def _summary(result: RunResult, label: str) -> str:
    card, model = result.card, result.model_uri
    measured = ", ".join(f"{name} {value:.4f}" for name, value in result.metrics.items())
    lines = [
        f"{label}: {measured}",
        f"stored: {card.parameters:,} weights in {card.bytes / 1e6:.1f} MB, sha256 {card.sha256}",
    ]
    if result.gate:
        lines.append(f"gate: {result.gate}")
    if registered := result.registered:
        model = registered.uri
        champion = "champion" if registered.champion else "not champion"
        lines.append(
            f"registered: {registered.name} version {registered.version}, {champion}: "
            f"{registered.reason}"
        )
    if result.preset:
        lines.append(f"preset: {result.preset}")
    lines += [f"run: {result.url}", f'next: zoo infer {model} "…", zoo ui']
    return "\n".join(lines)
