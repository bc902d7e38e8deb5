"""Sweeps: trials of a recipe with settings that Optuna chooses, in one or several processes.

A sweep is a study of Optuna in the file `sweeps.db` beside the runs, under its name, so that the
same command goes on where an earlier one was interrupted. Its runs are flat and share the tag
`sweep`. Keras, MLflow and Optuna are imported when the first trial begins.
"""

import json
import math
import multiprocessing
import os
import shlex
import signal
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from zoo.home import home
from zoo.terminal import starting
from zoo.training import naming, runner, search_space
from zoo.training.config import ConfigError
from zoo.training.display import Display
from zoo.training.mistakes import format_conflict
from zoo.training.pruning import Pruned
from zoo.training.schema import RecipeConfig, RecipeSpec

if TYPE_CHECKING:
    import optuna


WARMUP_EPOCHS = 2  # the first epoch in which a trial may be pruned
MOST_FAILURES = 3  # trials that fail before any succeeds end the sweep
REUSED, AGAIN = "same_as", "again"  # attributes of a trial: the number of an earlier one
# Of several processes: none takes all cores, or all memory of a GPU.
SHARED = {"XLA_PYTHON_CLIENT_PREALLOCATE": "false", "TF_FORCE_GPU_ALLOW_GROWTH": "true"}


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
        workers: Number of processes.
    """

    spec: RecipeSpec
    recipe: str
    label: str
    space: tuple[search_space.Dimension, ...]
    fixed: tuple[str, ...]
    name: str
    trials: int
    workers: int

    def resolve(self, changes: Sequence[str] = ()) -> RecipeConfig:
        """The configuration of a trial with these values."""
        # The test split chooses nothing, a trial registers nothing, and explanations take long.
        first = ["evaluation.test=false", "evaluation.samples=0"]
        given = [*first, *self.fixed, *changes, "evaluation.gate=null"]
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


def sweep(
    spec: RecipeSpec,
    recipe: str = "quickstart",
    changes: Sequence[str] = (),
    *,
    trials: int = 20,
    workers: int = 1,
    name: str | None = None,
) -> SweepResult:
    """Runs the trials of a sweep that are not done yet, and summarizes all.

    The values are chosen by a tree-structured Parzen estimator, or are all combinations of the
    choices if there are no more of them than trials. A trial whose metric on dev is worse than the
    median of the others at the same epoch is pruned. What is invalid or diverges fails, and the
    sweep goes on.

    Args:
        spec: The recipe.
        recipe: Name of a file that comes with it, or the path of a `.yaml` file.
        changes: The search space and fixed changes; see `zoo.training.search_space.parse`.
        trials: Number of trials, with those of earlier calls. Defaults to 20.
        workers: Number of processes. Defaults to 1: this one.
        name: Name of the sweep. Defaults to `None`: it follows from recipe, space and changes.

    Returns:
        A `SweepResult`.

    Raises:
        ConfigError: with every mistake in the space and the changes.
        ImportError: if Optuna is not installed.
        RuntimeError: if no trial succeeded, or another process runs this sweep.
        zoo.tracking.StoreError: if the runs cannot be tracked.
    """
    label = runner.label_of(spec, recipe)
    space, fixed = search_space.parse(changes, label)
    trials = len(search_space.grid(space, trials)) or trials
    plan = Plan(spec, recipe, label, tuple(space), tuple(fixed), name or "", trials, workers)
    search_space.check(space, plan.resolve, label)
    config = plan.resolve()
    if config.variants:
        raise ConfigError(label, ["a file with variants is a study already: set variants={}"])
    _require_optuna()
    dataset, config = runner.load_data(config, label)
    if not name:
        content = json.dumps([label, search_space.to_json(space), sorted(fixed)])
        digest = sha256(content.encode()).hexdigest()[:8]
        plan = replace(plan, name=f"{naming.model_name(config, label, dataset)}-{digest}")
    with _only_process(plan):
        study = _study(plan, config)
        _requeue(study, plan)
        try:
            _work_in_processes(plan) if workers > 1 else work(plan)
        except KeyboardInterrupt:
            done = len(_taken(study)) - len(_running(study))
            Display(bar=False).say(
                f"{done} of {trials} trials are done; the same command goes on with the others"
            )
            raise
        with starting("Summarizing …"):
            from zoo.training.sweep_summary import summarize  # Keras, MLflow, matplotlib

        return summarize(plan, study, config, dataset)


def work(plan: Plan, worker: int = 0) -> None:
    """Runs trials until the sweep has as many as it should have.

    Args:
        plan: The sweep.
        worker: Number of the process.
    """
    from filelock import FileLock

    dataset, config = runner.load_data(plan.resolve(), plan.label)
    study = _study(plan, config, worker)
    while True:
        parent = multiprocessing.parent_process()
        if parent is not None and not parent.is_alive():
            return
        with FileLock(_folder() / f"{plan.name}.ask"):
            if len(_taken(study)) >= plan.trials:
                return
            trial = study.ask()
            changes = search_space.suggest(plan.space, trial)
        _try(plan, study, trial, changes, dataset)


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


def _try(plan, study, trial, changes, dataset) -> None:
    """Trains with the values of one trial, and tells Optuna how it went."""
    from optuna.trial import TrialState

    from zoo.tracking import StoreError

    said = " ".join(naming.run_name("", changes).split())
    display = Display(bar=False, prefix=f"trial {trial.number + 1}: ")
    for other in completed(study):
        if other.params == trial.params:
            display.say(f"{said}, the same as trial {other.number + 1}")
            trial.set_user_attr(REUSED, other.number)
            trial.set_user_attr("run_id", other.user_attrs["run_id"])
            study.tell(trial, other.value)
            return
    display.say(said)
    try:
        run_id, metric, value = _train(plan, trial, changes, dataset, display)
    except Pruned as pruned:
        trial.set_user_attr("run_id", pruned.run_id)
        study.tell(trial, state=TrialState.PRUNED)
        display.say(f"pruned {pruned}")
    except StoreError:
        raise
    except (ValueError, RuntimeError, OSError) as error:
        mistakes = getattr(error, "mistakes", None)
        trial.set_user_attr("error", "; ".join(mistakes) if mistakes else str(error))
        study.tell(trial, state=TrialState.FAIL)
        display.say(f"failed: {trial.user_attrs['error']}")
        over = ended(study)
        if len(over) >= MOST_FAILURES and all(it.state == TrialState.FAIL for it in over):
            raise RuntimeError(
                f"The first {len(over)} trials of the sweep failed, the last one thus: {error}"
            ) from error
    else:
        trial.set_user_attr("run_id", run_id)
        study.tell(trial, value)
        best = completed(study)[0]
        mark = ", the best so far" if best.number == trial.number else ""
        display.say(f"{metric} {value:.4f}{mark}")


def _train(plan, trial, changes, dataset, display) -> tuple[str, str, float]:
    """Trains with some values; returns the id of the run, the metric and its value."""
    with starting(f"Starting {plan.label} …"):
        from zoo.training.checkpoint import Checkpoint
        from zoo.training.session import Session  # Keras, MLflow

        recipe_class = plan.spec.load()
    config = runner.with_metric(plan.resolve(changes), dataset)
    if mistakes := [format_conflict(it) for it in config.data_conflicts(dataset)]:
        raise ConfigError(plan.label, mistakes)
    recipe = recipe_class(config)
    metric = f"dev/{config.evaluation.metric}"
    reported = 0

    def after_epoch(history) -> None:
        nonlocal reported
        for epoch, metrics in history:
            if epoch > reported and metric in metrics:
                trial.report(metrics[metric], epoch)
                reported = epoch
        if reported < config.training.epochs and trial.should_prune():
            raise Pruned(f"after epoch {reported}: {metric} is worse than the median of the others")

    manifest = None
    if AGAIN in trial.user_attrs:
        checkpoint = Checkpoint.of(recipe.config.model_dump(), dataset.digest)
        manifest = checkpoint.read_manifest() if checkpoint else None
    given = [*changes, *plan.fixed]  # the name of the run begins with what differs
    tags = {"sweep": plan.name, "sweep.trial": str(trial.number + 1)}
    session = Session(recipe, dataset, plan.label, given, display, tags, after_epoch)
    result = session.run(manifest, None)
    value = result.metrics[metric]
    if not math.isfinite(value):
        raise ValueError(f"{metric} is {value}")
    return result.run_id, metric, value


# The study


def _require_optuna() -> None:
    try:
        import optuna  # noqa: F401  # heavy and optional
    except ImportError:
        error = ImportError("A sweep needs Optuna, which is not installed.")
        error.hint = 'pip install "seqzoo[sweep]"'  # type: ignore[attr-defined]
        raise error from None


def _folder():
    folder = home() / "runs"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@contextmanager
def _only_process(plan: Plan) -> Iterator[None]:
    from filelock import FileLock, Timeout

    lock = FileLock(_folder() / f"{plan.name}.sweep", timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise RuntimeError(
            "Another process runs this sweep: wait for it, or give the new one a --name. "
            f"Received: name={plan.name}"
        ) from None
    try:
        yield
    finally:
        lock.release()


def _study(plan: Plan, config: RecipeConfig, worker: int = 0) -> "optuna.Study":
    """The study of a sweep, created if it does not exist."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    storage = optuna.storages.RDBStorage(
        f"sqlite:///{_folder() / 'sweeps.db'}", engine_kwargs={"connect_args": {"timeout": 60}}
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
    }
    if not study.user_attrs:
        study.set_user_attr("sweep", content)
    elif study.user_attrs.get("sweep") != content:
        raise ValueError(
            "An earlier sweep has this name, and another recipe, space or changes: give this one "
            f"another --name. Received: name={plan.name}"
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


def _running(study) -> list:
    from optuna.trial import TrialState

    return study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))


def _taken(study) -> list:
    """The trials that are over or running."""
    return [*ended(study), *_running(study)]


def _requeue(study, plan) -> None:
    """Sets the trials that an earlier process left unfinished to be tried again."""
    from optuna.trial import TrialState

    for trial in _running(study):
        study.tell(trial.number, state=TrialState.FAIL)
        if len(trial.params) == len(plan.space):
            study.enqueue_trial(trial.params, user_attrs={AGAIN: trial.number})


# Processes


def _work_in_processes(plan: Plan) -> None:
    context = multiprocessing.get_context("spawn")
    processes = [
        context.Process(target=_worker, args=(plan, number)) for number in range(plan.workers)
    ]
    for process in processes:
        process.start()
    try:
        for process in processes:
            process.join()
    finally:
        for process in processes:
            if process.is_alive():
                process.terminate()
        for process in processes:
            process.join()


def _worker(plan: Plan, number: int) -> None:
    """Runs trials in a process of its own."""
    cores = max((os.cpu_count() or 1) // plan.workers, 1)
    for variable in ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS"):
        os.environ.setdefault(variable, str(cores))
    for variable, value in SHARED.items():
        os.environ.setdefault(variable, value)
    try:
        work(plan, number)
    except KeyboardInterrupt:
        raise SystemExit(128 + signal.SIGINT) from None
    except Exception as error:
        Display(bar=False).say(f"worker {number + 1} ended: {error}")
        raise SystemExit(1) from None


def trial_row(trial: Any, metric: str) -> dict[str, Any]:
    """What the table of trials says of one."""
    state, told = trial.state.name.lower(), trial.user_attrs
    if REUSED in told:
        state = f"same as {told[REUSED] + 1}"
    elif "error" in told:
        state = f"failed: {told['error']}"
    seconds = trial.duration.total_seconds() if trial.duration else 0.0
    return {
        "trial": trial.number + 1,
        metric: trial.value if state != "pruned" else None,
        **trial.params,
        "state": state,
        "epochs": len(trial.intermediate_values),
        "seconds": round(seconds),
        "run": told.get("run_id", ""),
    }
