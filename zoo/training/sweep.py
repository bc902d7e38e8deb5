"""Sweeps: trials of a recipe with settings that Optuna chooses, in one or several processes.

A sweep is a study of Optuna in the file `sweeps.db` beside the runs, under its name, so that the
same command goes on where an earlier one was interrupted. Its runs are flat and share the tag
`sweep`. Keras, MLflow and Optuna are imported when the first trial begins.
"""

import json
import math
import multiprocessing
import os
import re
import shlex
import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from hashlib import sha256

from zoo.extras import need
from zoo.terminal import starting
from zoo.tracking.signals import termination_raises
from zoo.training import naming, runner, search_space
from zoo.training.config import ConfigError
from zoo.training.display import Display
from zoo.training.lease import LeaseError
from zoo.training.mistakes import format_conflict
from zoo.training.pruning import Pruned
from zoo.training.schema import RecipeSpec
from zoo.training.sweep_study import (
    AGAIN,
    REUSED,
    Plan,
    SweepResult,
    completed,
    count,
    ended,
    folder,
    open_study,
    requeue,
    taken,
)

MOST_FAILURES = 3  # trials that fail before any succeeds end the sweep
# Of several processes: none takes all cores, or all memory of a GPU.
SHARED = {"XLA_PYTHON_CLIENT_PREALLOCATE": "false", "TF_FORCE_GPU_ALLOW_GROWTH": "true"}


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
    median of the others at the same epoch is pruned. What is invalid, diverges or needs too much
    memory fails, and the sweep goes on.

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
        MissingExtra: if Optuna is not installed.
        RuntimeError: if no trial succeeded, another process runs this sweep, or its processes
            ended before all trials did.
        LeaseError: if a process of an earlier call is still working on a trial.
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
    need("sweep", "A sweep")
    dataset, config = runner.load_data(config, label)
    if not name:
        content = json.dumps([label, search_space.to_json(space), sorted(fixed)])
        digest = sha256(content.encode()).hexdigest()[:8]
        # The name is part of a query of MLflow's and of names of files.
        model = re.sub(r"[/\\:'\"]+", "_", naming.model_name(config, label, dataset))
        plan = replace(plan, name=f"{model}-{digest}")
    with _only_process(plan), termination_raises():
        study = open_study(plan, config)
        requeue(study, plan)
        Display(bar=False).say(
            f"sweep {plan.name}: {trials} trials ({count(ended(study), plan)} done) of "
            f"{'; '.join(map(str, space))}"
        )
        try:
            _work_in_processes(plan) if workers > 1 else work(plan)
        finally:
            if (done := count(ended(study), plan)) < trials:
                Display(bar=False).say(
                    f"{done} of {trials} trials are done; the same command goes on with the others"
                )
        if done < trials:
            error = RuntimeError(
                "The processes of the sweep ended before all trials did: see the lines above, and "
                f"go on with fewer --workers if memory was short. Received: {done} of {trials} "
                f"trials, workers={workers}"
            )
            options = {
                "--trials": trials,
                "--workers": workers,
                "--name": name,
                "--backend": os.environ.get("KERAS_BACKEND"),
            }
            given = [word for key, value in options.items() if value for word in (key, str(value))]
            error.hint = shlex.join(["zoo", "sweep", label, *changes, *given])  # type: ignore
            raise error
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
    study = open_study(plan, config, worker)
    while True:
        with FileLock(folder() / f"{plan.name}.ask"):
            if count(taken(study), plan) >= plan.trials:
                return
            trial = study.ask()
            changes = search_space.suggest(plan.space, trial)
        _try(plan, study, trial, changes, dataset)


def _try(plan, study, trial, changes, dataset) -> None:
    """Trains with the values of one trial, and tells Optuna how it went."""
    from optuna.trial import TrialState

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
    except Exception as error:  # also those that only a backend has, as for too little memory
        if _ends_sweep(error):
            raise
        mistakes = getattr(error, "mistakes", None) or [str(error) or type(error).__name__]
        trial.set_user_attr("error", "; ".join(mistakes))
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


def _ends_sweep(error: Exception) -> bool:
    """True if an error says nothing of the values of a trial, which is then tried again."""
    from mlflow.exceptions import MlflowException
    from optuna.exceptions import OptunaError

    from zoo.tracking import StoreError

    return isinstance(error, StoreError | LeaseError | MlflowException | OptunaError)


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


@contextmanager
def _only_process(plan: Plan) -> Iterator[None]:
    from filelock import FileLock, Timeout

    lock = FileLock(folder() / f"{plan.name}.sweep", timeout=0)
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


# Processes


def _work_in_processes(plan: Plan) -> None:
    context = multiprocessing.get_context("spawn")
    processes = []
    try:
        for number in range(plan.workers):
            process = context.Process(target=_worker, args=(plan, number))
            process.start()
            processes.append(process)
        for process in processes:
            process.join()
    finally:
        for process in processes:
            if process.is_alive():
                process.terminate()
        for process in processes:
            process.join()


def _worker(plan: Plan, number: int) -> None:
    """Runs trials in a process of its own, which ends with its parent."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
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


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os.kill(os.getpid(), signal.SIGTERM)
