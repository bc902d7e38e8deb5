"""The trials of a sweep: handing them out, training with their values, recording how they went.

`Trials` holds the study, and `train` does not know it: a trial that is trained in another process
or on another machine sends its metrics and gets an answer.
"""

import math
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from zoo import backends
from zoo.data import Dataset
from zoo.terminal import starting
from zoo.training import naming, runner, search_space
from zoo.training.config import ConfigError
from zoo.training.display import Display
from zoo.training.lease import LeaseError
from zoo.training.mistakes import format_conflict
from zoo.training.pruning import Pruned
from zoo.training.schema import RecipeConfig
from zoo.training.sweep_study import (
    AGAIN,
    LOST,
    REUSED,
    Plan,
    completed,
    count,
    ended,
    folder,
    open_study,
    requeue,
    taken,
)

MOST_FAILURES = 3  # trials that fail before any succeeds end the sweep
MOST_LOSSES = 2  # times that a trial is tried whose process dies
# Of torch and NumPy, of TensorFlow, and of XLA, which JAX uses.
CORES = ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "NPROC")


@dataclass(frozen=True)
class Trial:
    """Values to train with.

    Attributes:
        number: Its number in the study, from 0.
        changes: The values, as changes to the recipe.
        config: The resolved recipe.
        again: Whether an earlier process may have left a checkpoint of these values.
    """

    number: int
    changes: tuple[str, ...]
    config: RecipeConfig
    again: bool

    @property
    def prefix(self) -> str:
        """The beginning of its lines."""
        return f"trial {self.number + 1}: "


@dataclass(frozen=True)
class Outcome:
    """The end of a trial.

    Attributes:
        run_id: Its run, if it was trained to its end or pruned.
        value: The metric at the end of the training.
        pruned: Why it was given up.
        error: Why it failed.
    """

    run_id: str = ""
    value: float | None = None
    pruned: str = ""
    error: str = ""


def use_cores(cores: int) -> None:
    """Lets this process compute on so many cores, unless its environment says otherwise.

    Args:
        cores: Number of cores; it has an effect before the backend is imported.
    """
    for variable in CORES:
        os.environ.setdefault(variable, str(cores))


class Trials:
    """Hands out the trials of a sweep, and records how they went.

    Args:
        plan: The sweep.
        config: The configuration that the trials share.
        worker: Number of the process. Defaults to 0.
        say: Called with each line for the user. Defaults to `None`: lines go to stderr.
    """

    def __init__(
        self,
        plan: Plan,
        config: RecipeConfig,
        worker: int = 0,
        say: Callable[[str], None] | None = None,
    ):
        self.plan, self.say = plan, say or Display(bar=False).say
        self.metric = f"dev/{config.evaluation.metric}"
        self.study = open_study(plan, config, worker)
        self._running: dict = {}  # Optuna's trials by number

    def next(self) -> Trial | None:
        """The next trial to train; `None` if the sweep has as many as it should have."""
        from filelock import FileLock

        while True:
            with FileLock(folder() / f"{self.plan.name}.ask"):
                if count(taken(self.study), self.plan) >= self.plan.trials:
                    return None
                trial = self.study.ask()
                changes = search_space.suggest(self.plan.space, trial)
            self._running[trial.number] = trial
            said = " ".join(naming.run_name("", changes).split())
            if self._reuse(trial, said):
                continue
            self.say(f"trial {trial.number + 1}: {said}")
            try:
                config = self.plan.resolve(changes)
            except ConfigError as error:
                self.tell(trial.number, Outcome(error="; ".join(error.mistakes)))
                continue
            return Trial(trial.number, tuple(changes), config, AGAIN in trial.user_attrs)

    def report(self, number: int, values: Mapping[int, float]) -> bool:
        """Records the metric after some epochs; returns whether the trial is to be pruned.

        Args:
            number: Number of the trial.
            values: The metric by epoch, from 1.
        """
        trial = self._running[number]
        for epoch, value in values.items():
            trial.report(value, epoch)
        return trial.should_prune()

    def tell(self, number: int, outcome: Outcome) -> None:
        """Records how a trial went.

        Raises:
            RuntimeError: if all of the first trials have failed.
        """
        from optuna.trial import TrialState

        trial, prefix = self._running.pop(number), f"trial {number + 1}: "
        if outcome.run_id:
            trial.set_user_attr("run_id", outcome.run_id)
        if outcome.error:
            trial.set_user_attr("error", outcome.error)
            self.study.tell(trial, state=TrialState.FAIL)
            self.say(f"{prefix}failed: {outcome.error}")
            over = ended(self.study)
            if len(over) >= MOST_FAILURES and all(it.state == TrialState.FAIL for it in over):
                raise RuntimeError(
                    f"The first {len(over)} trials of the sweep failed, the last one thus: "
                    f"{outcome.error}"
                )
        elif outcome.pruned:
            self.study.tell(trial, state=TrialState.PRUNED)
            self.say(f"{prefix}pruned {outcome.pruned}")
        else:
            self.study.tell(trial, outcome.value)
            mark = ", the best so far" if completed(self.study)[0].number == number else ""
            self.say(f"{prefix}{self.metric} {outcome.value:.4f}{mark}")

    def lose(self, number: int, reason: str) -> None:
        """Records that the process of a trial died: it is tried again, once.

        Args:
            number: Number of the trial.
            reason: Why it died.
        """
        trial = self._running[number]
        losses = trial.user_attrs.get(LOST, 0) + 1
        if losses >= MOST_LOSSES:
            self.tell(number, Outcome(error=f"its process died {losses} times: {reason}"))
            return
        del self._running[number]
        self.say(f"trial {number + 1}: its process died, and it is tried again: {reason}")
        requeue(self.study, self.plan, [number], {LOST: losses})

    def _reuse(self, trial, said: str) -> bool:
        """Records the result of an earlier trial that had the same values; false if none had."""
        for other in completed(self.study):
            if other.params == trial.params:
                self.say(f"trial {trial.number + 1}: {said}, the same as trial {other.number + 1}")
                trial.set_user_attr(REUSED, other.number)
                trial.set_user_attr("run_id", other.user_attrs["run_id"])
                self.study.tell(self._running.pop(trial.number), other.value)
                return True
        return False


def train(
    plan: Plan,
    trial: Trial,
    dataset: Dataset,
    report: Callable[[int, Mapping[int, float]], bool],
    display: Display,
) -> Outcome:
    """Trains with the values of a trial.

    Args:
        plan: The sweep.
        trial: The trial.
        dataset: The data.
        report: `Trials.report`.
        display: Shows the progress.

    Returns:
        The outcome, also of a training that fails by its values.

    Raises:
        Exception: an error that says nothing of the values, after which the trial can be tried
            again: the tracking store or the study fails, or another process has the run.
    """
    try:
        return _train(plan, trial, dataset, report, display)
    except Pruned as pruned:
        return Outcome(run_id=pruned.run_id or "", pruned=str(pruned))
    except Exception as error:  # also those that only a backend has, as for too little memory
        if _ends_sweep(error):
            raise
        mistakes = getattr(error, "mistakes", None) or [str(error) or type(error).__name__]
        return Outcome(error="; ".join(mistakes))


def _ends_sweep(error: Exception) -> bool:
    """True if an error says nothing of the values of a trial, which is then tried again."""
    from mlflow.exceptions import MlflowException

    from zoo.tracking import StoreError

    # Those of Optuna's are known by their module: where a trial of a cluster runs, it may be
    # missing.
    is_of_study = type(error).__module__.startswith("optuna.")
    return is_of_study or isinstance(error, StoreError | LeaseError | MlflowException)


def _train(plan, trial, dataset, report, display) -> Outcome:
    with starting(f"Starting {plan.label} …"):
        from zoo.training.checkpoint import Checkpoint
        from zoo.training.session import Session  # Keras, MLflow

        recipe_class = plan.spec.load()
    config = runner.with_metric(trial.config, dataset)
    if mistakes := [format_conflict(it) for it in config.data_conflicts(dataset)]:
        raise ConfigError(plan.label, mistakes)
    recipe = recipe_class(config)
    metric = f"dev/{config.evaluation.metric}"
    reported = 0

    def after_epoch(history) -> None:
        nonlocal reported
        new = {
            epoch: metrics[metric]
            for epoch, metrics in history
            if epoch > reported and metric in metrics
        }
        reported = max(new, default=reported)
        prunes = report(trial.number, new)
        if prunes and reported < config.training.epochs:
            raise Pruned(f"after epoch {reported}: {metric} is worse than the median of the others")

    manifest = None
    if trial.again:
        values = recipe.config.model_dump()
        checkpoint = Checkpoint.of(values, dataset.digest, backends.current())
        manifest = checkpoint.read_manifest() if checkpoint else None
    given = [*trial.changes, *plan.fixed]  # the name of the run begins with what differs
    tags = {"sweep": plan.name, "sweep.trial": str(trial.number + 1)}
    session = Session(recipe, dataset, plan.label, given, display, tags, after_epoch)
    result = session.run(manifest, None)
    value = result.metrics[metric]
    if not math.isfinite(value):
        raise ValueError(f"{metric} is {value}")
    return Outcome(result.run_id, value)
