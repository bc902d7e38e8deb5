"""The plan of a sweep, and its study in Optuna's store. Imports Optuna when it is needed."""

import shlex
import warnings
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.backends import current
from zoo.home import home
from zoo.tracking_store import sqlite_uri
from zoo.training import runner, search_space
from zoo.training.schema import NO_GATES, RecipeConfig, RecipeSpec

if TYPE_CHECKING:
    import optuna

WARMUP_EPOCHS = 2  # the first epoch in which a trial may be pruned
REUSED, AGAIN = "same_as", "again"  # attributes of a trial: the number of an earlier one
LOST = "lost"  # and how often its process died


@dataclass(frozen=True)
class Plan:
    """A sweep, as its processes know it.

    Attributes:
        spec: The recipe.
        recipe: Name or path of its file.
        label: The recipe as `zoo run` takes it.
        space: The search space.
        fixed: Changes to the file that all trials share.
        name: Name of the sweep.
        trials: Number of trials.
        workers: Number of trials at a time.
        digest: Of the settings that all trials share, the data and the backend.
    """

    spec: RecipeSpec
    recipe: str
    label: str
    space: tuple[search_space.Dimension, ...]
    fixed: tuple[str, ...]
    name: str
    trials: int
    workers: int
    digest: str = ""

    def resolve(self, changes: Sequence[str] = ()) -> RecipeConfig:
        """The configuration of a trial with these values."""
        # The test split chooses nothing, a trial registers nothing, and explanations take long.
        first = ["evaluation.test=false", "evaluation.samples=0"]
        given = [*first, *self.fixed, *changes, *NO_GATES]
        return runner.resolve(self.spec, self.recipe, given)

    def command(self, changes: Sequence[str]) -> str:
        """The command that trains with these values."""
        return shlex.join(["zoo", "run", self.label, *self.fixed, *changes])


@dataclass(frozen=True)
class SweepResult:
    """Result of a sweep.

    Attributes:
        plan: The sweep.
        run_id: Id of the summary run.
        url: Its page.
        metric: The metric, such as `dev/accuracy`.
        columns: Columns of the table of trials, the best first.
        best: The changes of the best trial.
        value: Its metric.
    """

    plan: Plan
    run_id: str
    url: str
    metric: str
    columns: dict[str, list]
    best: list[str]
    value: float


def folder() -> Path:
    """The folder of the study and of its locks."""
    path = home() / "runs"
    path.mkdir(parents=True, exist_ok=True)
    return path


def open_study(plan: Plan, config: RecipeConfig, worker: int = 0) -> "optuna.Study":
    """The study of a sweep, created if it does not exist."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    storage = optuna.storages.RDBStorage(
        sqlite_uri(folder() / "sweeps.db"), engine_kwargs={"connect_args": {"timeout": 60}}
    )
    better = optuna.study.StudyDirection
    direction = better.MAXIMIZE if config.evaluation.mode == "max" else better.MINIMIZE
    study = optuna.create_study(
        storage=storage, study_name=plan.name, direction=direction, load_if_exists=True
    )
    content = {
        "recipe": plan.label,
        "space": search_space.to_json(plan.space),
        "fixed": sorted(plan.fixed),
        "metric": config.evaluation.metric,
        "backend": current(),
        "digest": plan.digest,
    }
    if not study.user_attrs:
        study.set_user_attr("sweep", content)
    elif content | study.user_attrs.get("sweep", {}) != content:
        raise ValueError(
            "An earlier sweep has this name, and another recipe, data, space, backend or changes: "
            f"give this one another --name. Received: name={plan.name}"
        )
    for combination in search_space.grid(plan.space, plan.trials):
        study.enqueue_trial(combination, skip_if_exists=True)
    seed = config.seed + 1000 * len(study.get_trials(deepcopy=False)) + worker
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        study.sampler = optuna.samplers.TPESampler(
            seed=seed,
            n_startup_trials=min(10, max(3, plan.trials // 3)),
            constant_liar=plan.workers > 1,
        )
    study.pruner = optuna.pruners.MedianPruner(
        n_startup_trials=min(5, max(3, plan.trials // 4)),
        n_warmup_steps=max(WARMUP_EPOCHS, config.training.epochs // 4),
    )
    return study


def running(study: "optuna.Study") -> "list[optuna.trial.FrozenTrial]":
    """The trials that are running, or were when their process ended."""
    from optuna.trial import TrialState

    return study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))


def taken(study: "optuna.Study") -> "list[optuna.trial.FrozenTrial]":
    """The trials that are over or running."""
    return [*ended(study), *running(study)]


def count(trials: "Collection[optuna.trial.FrozenTrial]", plan: Plan) -> int:
    """Counts those of the trials that the sweep should have.

    Of a grid, each combination counts once: a sweep that was smaller before may have repeated one.
    """
    if search_space.grid(plan.space, plan.trials):
        return len({tuple(sorted(trial.params.items())) for trial in trials})
    return len(trials)


def requeue(
    study: "optuna.Study",
    plan: Plan,
    numbers: Collection[int] | None = None,
    attributes: Mapping[str, Any] | None = None,
) -> None:
    """Sets the trials that a process left unfinished to be tried again.

    Args:
        study: The study.
        plan: The sweep.
        numbers: Numbers of the trials. Defaults to `None`: all that are running.
        attributes: Attributes of the trials to come. Defaults to none.
    """
    from optuna.trial import TrialState

    for trial in running(study):
        if numbers is not None and trial.number not in numbers:
            continue
        # Its process may have ended before all values were asked for.
        is_whole = len(trial.params) == len(plan.space)
        values = trial.params if is_whole else trial.system_attrs.get("fixed_params")
        if values:
            study.enqueue_trial(values, user_attrs={AGAIN: trial.number, **(attributes or {})})
        study.tell(trial.number, state=TrialState.FAIL)


def completed(study: "optuna.Study") -> "list[optuna.trial.FrozenTrial]":
    """The trials that were trained to their end, the best first."""
    from optuna.study import StudyDirection
    from optuna.trial import TrialState

    done = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    is_max = study.direction == StudyDirection.MAXIMIZE
    return sorted(done, key=lambda it: it.values[0], reverse=is_max)


def ended(study: "optuna.Study") -> "list[optuna.trial.FrozenTrial]":
    """The trials that are over, in their order; not those that were interrupted."""
    from optuna.trial import TrialState

    states = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)
    found = study.get_trials(deepcopy=False, states=states)
    return [it for it in found if it.state != TrialState.FAIL or "error" in it.user_attrs]
