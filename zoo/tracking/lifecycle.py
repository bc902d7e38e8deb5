"""Start, resumption and end of a tracked run."""

import logging
import os
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import quote

import yaml
from mlflow import MlflowClient
from mlflow.entities import Experiment
from mlflow.exceptions import MlflowException
from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor
from mlflow.tracking.context.registry import resolve_tags
from mlflow.utils.mlflow_tags import MLFLOW_RUN_NOTE, MLFLOW_SOURCE_NAME

from zoo.processes import Process
from zoo.tracking import experiments
from zoo.tracking.abandoned import PROCESS_TAG, abandoned_runs, close
from zoo.tracking.environment import environment
from zoo.tracking.run import MAX_TAG_LENGTH, MODEL_TAG, Run
from zoo.tracking.signals import termination_ignored, termination_raises
from zoo.tracking_store import artifact_root, failure, prepare_store, without_passwords

if TYPE_CHECKING:
    from zoo.data import Dataset

SAMPLING_SECONDS = 5  # between two samples of the system metrics
EPOCH_METRIC = "progress/steps"  # which every epoch of a training run logs

logger = logging.getLogger(__name__)


@contextmanager
def start_run(
    experiment: str,
    name: str,
    *,
    config: dict[str, Any],
    tags: dict[str, str] | None = None,
    dataset: "Dataset | None" = None,
    resume: str | None = None,
) -> Iterator[Run]:
    """Tracks the `with` block as one run.

    The run ends with the status `FINISHED`; `KILLED` after Ctrl-C, SIGTERM, SIGHUP or `SystemExit`;
    or `FAILED` after another exception, whose traceback is logged as `error.txt`. The logged model
    is created when the run starts, with the status `PENDING`. If `Run.log_model` is never called,
    the logged model ends as `FAILED`, or is deleted if the run finished without an error. Under
    `mlflow run`, the run that MLflow has created is used. Runs of this machine whose process was
    killed are closed first (see `zoo.tracking.abandoned`).

    Args:
        experiment: Name of the experiment, which is created if it does not exist.
        name: Name of the run.
        config: The resolved configuration: nested dictionaries. Logged as the params `a.b` and as
            the file `config.yaml`.
        tags: Further tags. Runs of one study share a tag; they are not nested.
        dataset: The data, a `zoo.data.Dataset`.
        resume: Id of a run to resume. Params of a run cannot change: new values are logged in the
            tag `resumed.changes`.

    Yields:
        The `Run`.

    Raises:
        StoreError: if the store cannot be used (see `zoo.tracking.prepare_store`), or fails later.
        ValueError: if the experiment was deleted, or the run `resume` does not exist.
    """
    with termination_raises():
        client = MlflowClient(tracking_uri=prepare_store())
        for abandoned in abandoned_runs(client):
            if abandoned.info.run_id != resume:
                close(client, abandoned)
        tags = resolve_tags(environment() | {k: str(v) for k, v in (tags or {}).items()})
        if recipe := tags.get("recipe"):
            tags[MLFLOW_SOURCE_NAME] = recipe  # otherwise the name of this program's first file
        process = Process.current().to_json()
        tags[PROCESS_TAG] = process
        if resume:
            run = resume_run(client, resume, process)
        elif launched := os.environ.get("MLFLOW_RUN_ID"):  # by `mlflow run`
            run = resume_run(client, launched, process)
            client.update_run(launched, name=name)
            run.log_tags(tags)
        else:
            found = get_experiment(client, experiment)
            experiments.describe(
                client, found, tags.get("recipe", name), tags.get("task", ""), config
            )
            experiment_id = found.experiment_id
            info = client.create_run(experiment_id, run_name=name, tags=tags).info
            run = Run(client, info.run_id, experiment_id, name)
        monitor = SystemMetricsMonitor(
            run.id,
            sampling_interval=SAMPLING_SECONDS,
            resume_logging=resume is not None,
            tracking_uri=client.tracking_uri,
        )
        try:
            _log_start(run, config, dataset, tags)
            monitor.start()
            try:
                yield run
            finally:
                monitor.finish()
        except BaseException as error:
            killed = isinstance(error, KeyboardInterrupt | SystemExit)
            with termination_ignored():
                _fail(client, run, "KILLED" if killed else "FAILED", error)
            if isinstance(error, MlflowException):
                raise failure(error, client.tracking_uri) from error
            raise
        try:
            _finish(client, run)
        except MlflowException as error:
            raise failure(error, client.tracking_uri) from error


def note(description: str, command: str | None) -> str:
    """The description of a run: of its model, and the command that repeats it.

    Args:
        description: The description of the model.
        command: The command, or `None`.
    """
    return "\n\n".join(
        [description, *([f"Repeat it:\n\n    {command}"] if command else [])]
    ).strip()


def get_experiment(client: MlflowClient, name: str) -> Experiment:
    """An experiment by name, created if it does not exist.

    Raises:
        ValueError: if the experiment was deleted.
    """
    experiment = client.get_experiment_by_name(name)
    if experiment is None:
        root = artifact_root(client.tracking_uri)
        location = (root / quote(name, safe="")).as_uri() if root else None
        try:
            client.create_experiment(name, artifact_location=location)
        except MlflowException as error:  # created by another process in the meantime
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
        experiment = cast(Experiment, client.get_experiment_by_name(name))
    if experiment.lifecycle_stage != "active":
        raise ValueError(
            "The experiment was deleted. Choose another name (tracking.experiment=…), or restore "
            f"it with `mlflow experiments restore -x {experiment.experiment_id}`. "
            f"Received: experiment={name!r}"
        )
    return experiment


def resume_run(client: MlflowClient, run_id: str, process: str) -> Run:
    """A run to go on with, whose status is set to `RUNNING`.

    Args:
        client: A client of the tracking store.
        run_id: Id of the run.
        process: The process that goes on with it, as JSON.

    Raises:
        ValueError: if there is no such run.
    """
    try:
        entity = client.get_run(run_id)
    except MlflowException as error:
        raise ValueError(
            "There is no such run to resume; the page of a run in `zoo ui` shows its id. "
            f"Received: resume={run_id!r}"
        ) from error
    client.set_tag(run_id, PROCESS_TAG, process)  # first: a running run has a living process
    client.update_run(run_id, status="RUNNING")
    run = Run(client, run_id, entity.info.experiment_id, entity.info.run_name)
    run.params = dict(entity.data.params)
    if error := entity.data.tags.get("error"):
        client.delete_tag(run_id, "error")
        run.log_text(f"The run was resumed after it had ended with:\n\n{error}\n", "error.txt")
    if model_id := entity.data.tags.get(MODEL_TAG):
        model = client.get_logged_model(model_id)
        if model.status == "READY":
            run.logged_model = model
        else:
            run.pending_model = model_id
    if EPOCH_METRIC in entity.data.metrics:
        history = client.get_metric_history(run_id, EPOCH_METRIC)
        run.logged_steps = {point.step for point in history}
    return run


def _log_start(run: Run, config: dict, dataset: "Dataset | None", tags: dict[str, str]) -> None:
    """Logs the configuration and the data, and creates the logged model."""
    run.log_params(config)
    run.log_text(yaml.safe_dump(config, sort_keys=False, allow_unicode=True), "config.yaml")
    if text := note(config.get("description", ""), tags.get("command")):
        run.log_tags({MLFLOW_RUN_NOTE: text})
    if dataset is not None:
        run.log_dataset(dataset)
    if run.pending_model is None and run.logged_model is None:
        run.create_model(dataset.task if dataset else tags.get("task", ""))


def _finish(client: MlflowClient, run: Run) -> None:
    if run.pending_model:  # a run without a model, such as an evaluation
        client.delete_logged_model(run.pending_model)
        client.delete_tag(run.id, MODEL_TAG)
    client.set_terminated(run.id, "FINISHED")


def _fail(client: MlflowClient, run: Run, status: str, error: BaseException) -> None:
    """Logs the error and the status. A failure of the store does not replace the error itself."""
    try:
        if client.get_run(run.id).data.tags.get(PROCESS_TAG) != Process.current().to_json():
            return  # another process has taken the run over
        if run.pending_model:
            client.finalize_logged_model(run.pending_model, "FAILED")
        text = without_passwords(f"{type(error).__name__}: {error}")
        run.log_tags({"error": text[:MAX_TAG_LENGTH]})
        report = without_passwords("".join(traceback.format_exception(error)))
        run.log_text(report, "error.txt")
        client.set_terminated(run.id, status)
    except Exception as second:
        said = without_passwords(str(second))
        logger.warning("The end of run %s could not be tracked: %s", run.id, said)
