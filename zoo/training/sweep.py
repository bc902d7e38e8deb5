"""Sweeps: trials of a recipe with settings that Optuna chooses, in processes or on a cluster.

A sweep is a study of Optuna in the file `sweeps.db` beside the runs, under its name, so that the
same command goes on where an earlier one was interrupted. Its runs are flat and share the tag
`sweep`. Keras, MLflow and Optuna are imported when the first trial begins.
"""

import json
import multiprocessing
import os
import re
import shlex
import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from hashlib import sha256

from zoo.backends import current
from zoo.extras import need
from zoo.terminal import starting
from zoo.tracking.signals import termination_raises
from zoo.training import naming, runner, search_space
from zoo.training.config import ConfigError, config_digest
from zoo.training.display import Display
from zoo.training.ray_cluster import check_address
from zoo.training.schema import RecipeSpec
from zoo.training.sweep_ray import Cluster
from zoo.training.sweep_study import (
    Plan,
    SweepResult,
    count,
    ended,
    folder,
    open_study,
    requeue,
)
from zoo.training.sweep_trials import Trials, train, use_cores

# Of several processes: none takes all cores, or all memory of a GPU.
SHARED = {"XLA_PYTHON_CLIENT_PREALLOCATE": "false", "TF_FORCE_GPU_ALLOW_GROWTH": "true"}


def sweep(
    spec: RecipeSpec,
    recipe: str = "quickstart",
    changes: Sequence[str] = (),
    *,
    trials: int = 20,
    workers: int | None = None,
    name: str | None = None,
    ray: str | None = None,
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
        workers: Number of processes. Defaults to 1: this one; on a cluster to its GPUs, or
            machines if it has none.
        name: Name of the sweep. Defaults to `None`: it follows from recipe, space and changes.
        ray: The cluster of Ray to train on: `"HOST:PORT"`, `"auto"` for the one that this machine
            belongs to, or `"local"` for one on this machine that ends with the sweep. Defaults to
            `None`: none.

    Returns:
        A `SweepResult`.

    Raises:
        ConfigError: with every mistake in the space and the changes.
        ValueError: if the address of a cluster has another form.
        MissingExtra: if Optuna or Ray is not installed.
        RuntimeError: if no trial succeeded, another process runs this sweep, or its processes
            ended before all trials did.
        LeaseError: if a process of an earlier call is still working on a trial.
        zoo.tracking.StoreError: if the runs cannot be tracked.
        ConnectionError: if the cluster does not answer, or a machine of it cannot train.
    """
    label = runner.label_of(spec, recipe)
    space, fixed = search_space.parse(changes, label)
    trials = len(search_space.grid(space, trials)) or trials
    plan = Plan(spec, recipe, label, tuple(space), tuple(fixed), name or "", trials, workers or 1)
    search_space.check(space, plan.resolve, label)
    config = plan.resolve()
    if config.variants:
        raise ConfigError(label, ["a file with variants is a study already: set variants={}"])
    runner.refuse_processes(label, "start a sweep as one process, on one machine or with --ray")
    need("sweep", "A sweep")
    if ray:
        check_address(ray)
        need("ray", "A sweep on several machines", "ray")
    dataset, config = runner.load_data(config, label)
    plan = replace(plan, digest=config_digest(config.model_dump(), dataset.digest, current()))
    if not name:
        content = json.dumps([label, search_space.to_json(space), sorted(fixed), plan.digest])
        digest = sha256(content.encode()).hexdigest()[:8]
        # The name is part of a query of MLflow's and of names of files.
        model = re.sub(r"[/\\:'\"]+", "_", naming.model_name(config, label, dataset))
        plan = replace(plan, name=f"{model}-{digest}")
    connected = Cluster(ray, workers) if ray else nullcontext()
    with _only_process(plan), termination_raises(), connected as cluster:
        if cluster:
            plan = replace(plan, workers=cluster.workers)
        study = open_study(plan, config)
        requeue(study, plan)
        Display(bar=False).say(
            f"sweep {plan.name}: {trials} trials ({count(ended(study), plan)} done) of "
            f"{'; '.join(map(str, space))}"
        )
        try:
            if cluster:
                cluster.run(plan, config)
            elif plan.workers > 1:
                _work_in_processes(plan)
            else:
                work(plan)
        finally:
            if (done := count(ended(study), plan)) < trials:
                Display(bar=False).say(
                    f"{done} of {trials} trials are done; the same command goes on with the others"
                )
        if done < trials:
            error = RuntimeError(
                "The processes of the sweep ended before all trials did: see the lines above, and "
                f"go on with fewer --workers if memory was short. Received: {done} of {trials} "
                f"trials, workers={plan.workers}"
            )
            options = {
                "--trials": trials,
                "--workers": workers,
                "--name": name,
                "--ray": ray,
                "--backend": current(),
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
    dataset, config = runner.load_data(plan.resolve(), plan.label)
    trials = Trials(plan, config, worker)
    while trial := trials.next():
        display = Display(bar=False, prefix=trial.prefix)
        trials.tell(trial.number, train(plan, trial, dataset, trials.report, display))


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
    use_cores(max((os.cpu_count() or 1) // plan.workers, 1))
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
