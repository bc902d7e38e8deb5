"""Base class of recipes: what a task adds to the training engine."""

import functools
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import keras
import keras_hub
import numpy as np

from zoo.data import Columns, Dataset
from zoo.metrics import Behaviour, Calibration
from zoo.tracking import Gate, Run
from zoo.training import pretrained
from zoo.training.devices import with_devices
from zoo.training.display import Display
from zoo.training.distillation.teacher import Teacher
from zoo.training.naming import source_name
from zoo.training.schema import RecipeConfig


@dataclass(frozen=True)
class TrainingExamples:
    """The training split, encoded.

    Attributes:
        lengths: Length of each example, which decides its bucket.
        collate: Function `(indices, length)` that returns a batch `(x, y)` of NumPy arrays.
        tokens: Number of tokens of each example, for the throughput. Defaults to its length.
        scores: Scores of what is learned, such as of texts that the model drew, which are logged
            with the epoch. Defaults to none.
        in_order: Whether each batch has the examples that follow those of the batch before, because
            a state is carried from batch to batch. All must have one length. Defaults to `False`:
            in each epoch another order.
    """

    lengths: Sequence[int]
    collate: Callable[[np.ndarray, int], tuple]
    tokens: Sequence[int] | None = None
    scores: Mapping[str, float] = field(default_factory=dict)
    in_order: bool = False


class Recipe(ABC):
    """Base class of recipes: builds the model of a task and prepares its data.

    Args:
        config: The resolved configuration.

    Attributes:
        config: The same, with the settings of `model` that were not given taken from the model of
            `training.init_from`, and `training.devices=auto` counted.
        class_weights: Weights of the labels in the loss, set by `build`; `{}` without any.
        initial_scores: Scores on dev of the model of `training.init_from`, before it is trained
            further, set by `measure_initial` with `evaluation.beat_initial`; `{}` without.
        Task: Class of the model. `training.init_from` accepts models of this class only, where
            `initial_model` is not overridden.
    """

    Task: ClassVar[type[keras_hub.models.Task]]

    def __init__(self, config: RecipeConfig):
        config = self.config = with_devices(config)
        self.class_weights: dict[str, float] = {}
        self.initial_scores: dict[str, float] = {}
        settings = getattr(config, "model", None)
        if config.training.init_from and settings is not None:
            fields = type(settings).model_fields
            missing = [name for name in fields if name not in settings.model_fields_set]
            if missing:  # a resumed run has them all
                known = self.settings_of(self.initial_model)
                found = {name: known[name] for name in missing if name in known}
                self.config = pretrained.with_settings(config, found)

    def extend(self, dataset: Dataset, display: Display) -> Dataset:
        """The dataset with further training examples, such as those that a model writes.

        Called before the run is recorded, and again when it is resumed. Defaults to the dataset.
        """
        return dataset

    @abstractmethod
    def prepare(self, dataset: Dataset) -> keras_hub.models.Preprocessor:
        """Builds the preprocessor; its vocabulary is learned from the training split."""

    @abstractmethod
    def build(
        self, dataset: Dataset, preprocessor: keras_hub.models.Preprocessor, dtype: str
    ) -> keras_hub.models.Task:
        """Builds the model, initialized and not compiled.

        Args:
            dataset: The data, for its labels.
            preprocessor: The preprocessor.
            dtype: Dtype or dtype policy of the backbone.
        """

    @abstractmethod
    def examples(
        self, model: keras_hub.models.Task, columns: Columns, epoch: int
    ) -> TrainingExamples:
        """Encodes `training_columns` for one epoch."""

    def draw(self, model: keras_hub.models.Task, columns: Columns, epoch: int) -> Columns:
        """Further columns: the texts that the model writes before an epoch, to learn from in it.

        They are stored with the checkpoint, as JSON, so that a resumed epoch has the same.

        Args:
            model: The model, with the weights at the start of the epoch.
            columns: `training_columns`.
            epoch: int. The epoch, from 0.

        Returns:
            Columns, which `examples` finds among the others. Defaults to none.
        """
        return {}

    @property
    def examples_vary_by_epoch(self) -> bool:
        """True if `examples` differ between epochs. Defaults to `False`.

        They must be a function of seed and epoch, and of what `draw` returned.
        """
        return False

    def training_model(self, model: keras_hub.models.Task) -> keras.Model:
        """Model to train on `examples`, which shares its weights with `model`.

        Defaults to `model` itself.
        """
        return model

    def rate_factors(self, model: keras_hub.models.Task) -> dict[str, float] | None:
        """Factors of the learning rate by the path of a variable. Defaults to `None`: 1 for all."""
        return None

    @abstractmethod
    def compile_options(self, model: keras_hub.models.Task) -> dict[str, Any]:
        """Arguments of `keras.Model.compile`: `loss`, `weighted_metrics` and others."""

    def undivided(self, backend: str) -> str | None:
        """The setting, if there is one, with which devices of a backend cannot share a batch."""
        settings = self.config.training
        if backend != "jax" and settings.jit:
            return "training.jit"
        if backend != "tensorflow":
            return None
        if settings.precision == "mixed_float16":
            return "training.precision=mixed_float16"
        # The replicas of TensorFlow would mix up the penalties that layers add to the loss.
        given = [name for name in ("coverage", "doubly_stochastic") if getattr(settings, name, 0)]
        return f"training.{given[0]}" if given else None

    def frozen_epochs(self, model: keras_hub.models.Task) -> dict[str, int]:
        """The first epochs, in which a trainable weight stays as it is, by its path.

        Defaults to none.
        """
        return {}

    def undecayed_weights(self, model: keras_hub.models.Task) -> list[str]:
        """The paths of weights without weight decay, besides biases. Defaults to none."""
        return []

    def describe_data(
        self, model: keras_hub.models.Task, dataset: Dataset
    ) -> tuple[list[str], dict[str, float]]:
        """Lines to print and metrics to log before training. Defaults to none."""
        return [], {}

    @abstractmethod
    def report(
        self, model: keras_hub.models.Task, columns: Columns, run: Run, samples: int
    ) -> None:
        """Logs figures and samples of the dev split.

        Args:
            model: The stored model.
            columns: The dev split.
            run: The run.
            samples: Number of samples; `evaluation.samples`.
        """

    def measure(self, model: keras_hub.models.Task, columns: Columns) -> dict[str, float]:
        """Scores the model on the dev split after an epoch.

        The best epoch is that with the best `evaluation.metric` and, among equals, the lowest
        `loss`: the scores should have both. Defaults to `model.score(columns)`, which is also what
        the end of a run measures.
        """
        return model.score(columns)

    def log_progress(
        self, model: keras_hub.models.Task, columns: Columns, run: Run, epoch: int
    ) -> None:
        """Logs what an unfinished model answers, before `measure`. Defaults to nothing.

        Args:
            model: The model, with the weights that `measure` scores.
            columns: The dev split.
            run: The run.
            epoch: int. The number of finished epochs.
        """
        return None

    def behaviour(self, model: keras_hub.models.Task, languages: Sequence[str]) -> Behaviour | None:
        """Measures the stored model on the behaviour set of its language.

        Args:
            model: The stored model.
            languages: Its languages.

        Returns:
            The behaviour; `None` where the recipe does not ask for it, the default.
        """
        return None

    def calibrate(self, model: keras_hub.models.Task, columns: Columns) -> Calibration | None:
        """Sets the temperature of the trained model before it is stored.

        Args:
            model: The model.
            columns: The dev split.

        Returns:
            The calibration; `None` where the recipe does not ask for it, the default.
        """
        return None

    def tune(
        self, model: keras_hub.models.Task, columns: Columns, display: Display
    ) -> dict[str, float]:
        """Sets what of the trained model is chosen on dev, before it is stored.

        Args:
            model: The model.
            columns: The dev split.
            display: Shows the progress.

        Returns:
            Metrics to log: the scores of what was tried. Defaults to none, `{}`.
        """
        return {}

    def measure_initial(self, columns: Columns, known: Mapping[str, float] | None = None) -> None:
        """Sets `initial_scores` to those of the model of `training.init_from`.

        Args:
            columns: The dev split.
            known: The scores, if they were measured before. Defaults to `None`.

        Raises:
            ValueError: if it is a model of another task, or lacks the metric of the recipe.
        """
        source, metric = self.config.training.init_from, self.config.evaluation.metric
        model = self.initial_model
        if not isinstance(model, self.Task):
            raise ValueError(
                f"evaluation.beat_initial compares two models of one task: set it false. Received: "
                f"training.init_from={source!r}, a {type(model).__name__}"
            )
        scores = known or model.score(columns)
        if metric not in scores:
            raise ValueError(
                f"evaluation.beat_initial needs a metric that {source} has: set evaluation.metric "
                f"to one of {', '.join(scores)}, or beat_initial false. Received: {metric}"
            )
        self.initial_scores = {name: float(scores[name]) for name in scores}

    def gates(self) -> list[Gate]:
        """The gates that a model must pass to be registered.

        They compare the scores of the dev split, and `behaviour/…` where behaviour is measured.
        The metric of the first also decides between the model and the present champion. Defaults
        to those of `evaluation.gate` and `evaluation.beat_initial`.
        """
        evaluation, gates = self.config.evaluation, []
        if evaluation.gate is not None:
            gates.append(Gate(evaluation.metric, evaluation.gate, evaluation.mode))
        if self.initial_scores:
            value = self.initial_scores[str(evaluation.metric)]
            rival = source_name(str(self.config.training.init_from))
            gates.append(Gate(evaluation.metric, value, evaluation.mode, rival))
        return gates

    def compare(
        self, models: dict[str, keras_hub.models.Task], columns: Columns, run: Run
    ) -> dict[str, list]:
        """Compares the models of a study on the dev split, and may log figures.

        Args:
            models: The model of each variant.
            columns: The dev split.
            run: The summary run of the study.

        Returns:
            Columns of the study's table, with one value for each model. Defaults to the scores.
        """
        scores = [model.score(columns) for model in models.values()]
        return {name: [score[name] for score in scores] for name in scores[0]}

    def settings_of(self, model: keras_hub.models.Task) -> dict[str, Any]:
        """Settings of the section `model` that describe a model, and others.

        Defaults to the arguments of the task, its preprocessor and its backbone, by name.
        """
        parts = (model, model.preprocessor, model.backbone)
        return {name: value for part in parts for name, value in part.get_config().items()}

    def training_columns(self, dataset: Dataset, display: Display) -> Columns:
        """The columns that `examples` encodes: by default those of the training split.

        A recipe with `teachers` adds unlabelled rows, and the column `teacher` with the answers of
        the teachers to all rows.
        """
        return dataset.splits["train"]

    @functools.cached_property
    def teachers(self) -> list[Teacher]:
        """The teachers that `training.teacher` names.

        Raises:
            ValueError: if one is not a `Task` of this recipe, or does not exist.
        """
        sources = getattr(self.config.training, "teachers", [])
        return [Teacher(source, self.Task) for source in sources]

    def model_digests(self) -> list[str]:
        """SHA-256 of the files of the teachers, and of the models of `training.init_from`."""
        source = self.config.training.init_from
        sources = source if isinstance(source, list) else [source] if source else []
        return [teacher.digest for teacher in self.teachers] + list(map(pretrained.digest, sources))

    def differences(self, model: keras_hub.models.Task) -> list[str]:
        """Lines to print: the parts of the model of `training.init_from` that a new model lacks."""
        source = str(self.config.training.init_from)
        return pretrained.differences(self.initial_model, model, source)

    @functools.cached_property
    def initial_model(self) -> keras_hub.models.Task | None:
        """The model that `training.init_from` names; `None` without one.

        Raises:
            ValueError: if it is not a `Task` of this recipe.
        """
        source = self.config.training.init_from
        return pretrained.load(source, self.Task) if source else None
