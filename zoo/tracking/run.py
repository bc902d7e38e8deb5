"""A tracked run: what a recipe reports while it trains."""

import json
import logging
import os
import tempfile
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import yaml
from mlflow import MlflowClient
from mlflow.entities import (
    Experiment,
    LoggedModelOutput,
    Metric,
    Param,
    RunTag,
)
from mlflow.exceptions import MlflowException
from mlflow.models import Model
from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor
from mlflow.tracking.context.registry import resolve_tags
from mlflow.utils.mlflow_tags import MLFLOW_RUN_NOTE

from zoo.tracking import data, flavor, registry
from zoo.tracking.environment import environment
from zoo.tracking.signals import sigterm_raises
from zoo.tracking.store import artifact_root, failure, prepare_store

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from zoo.data import Dataset
    from zoo.presets import Card

MODEL_TAG = "zoo.model_id"
BATCH = 100  # params a request may hold
SECONDS_BETWEEN_SAMPLES = 5
LOCAL_UI = "http://127.0.0.1:5000"

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
) -> Iterator["Run"]:
    """Tracks what happens inside the `with` block as one run.

    The run ends as `FINISHED`; as `KILLED` on Ctrl-C, SIGTERM or `SystemExit`; as `FAILED` on
    another exception, which is then among its files. A model that is announced when the run starts
    (`PENDING`) and never logged ends as `FAILED`, or is removed if the run itself went well.
    Under `mlflow run`, it is the run that MLflow has made already.

    Args:
        experiment: The experiment to which the run belongs. Made if it does not exist.
        name: The name of the run.
        config: The resolved configuration: nested dictionaries. Becomes the params `a.b` and the
            file `config.yaml`.
        tags: More tags. Runs of one study share a tag, and are not nested.
        dataset: The data, a `zoo.data.Dataset`.
        resume: The id of a run to go on with. Params that differ now are told in the tag
            `resumed.changes`; params of a run never change.

    Yields:
        The `Run`.

    Raises:
        StoreError: if the store cannot be used, see `zoo.tracking.prepare_store`, or fails later.
        ValueError: if the experiment was deleted, or there is no run `resume`.
    """
    client = MlflowClient(tracking_uri=prepare_store())
    tags = resolve_tags(environment() | {k: str(v) for k, v in (tags or {}).items()})
    if resume:
        run = Run._resumed(client, resume)
    elif launched := os.environ.get("MLFLOW_RUN_ID"):  # by `mlflow run`
        run = Run._resumed(client, launched)
        client.update_run(launched, name=name)
        run.log_tags(tags)
    else:
        run = Run._new(client, experiment, name, tags)
    monitor = SystemMetricsMonitor(
        run.id,
        sampling_interval=SECONDS_BETWEEN_SAMPLES,
        resume_logging=resume is not None,
        tracking_uri=client.tracking_uri,
    )
    try:
        with sigterm_raises():
            run._describe(config, dataset, tags)
            monitor.start()
            try:
                yield run
            finally:
                monitor.finish()
    except BaseException as error:
        killed = isinstance(error, KeyboardInterrupt | SystemExit)
        run._fail("KILLED" if killed else "FAILED", error)
        if isinstance(error, MlflowException):
            raise failure(error, client.tracking_uri) from error
        raise
    run._finish()


class Run:
    """A run in progress. Made by `start_run`.

    Attributes:
        id: The id of the run.
        experiment_id: The id of its experiment.
        name: Its name.
    """

    def __init__(self, client: MlflowClient, id: str, experiment_id: str, name: str):
        self.id = id
        self.experiment_id = experiment_id
        self.name = name
        self._client = client
        self._params: dict[str, str] = {}
        self._dataset: Dataset | None = None
        self._pending: str | None = None  # the id of the announced model
        self._step = 0

    @classmethod
    def _new(cls, client, experiment, name, tags) -> "Run":
        experiment_id = _experiment(client, experiment).experiment_id
        info = client.create_run(experiment_id, run_name=name, tags=tags).info
        return cls(client, info.run_id, experiment_id, name)

    @classmethod
    def _resumed(cls, client, run_id) -> "Run":
        try:
            entity = client.get_run(run_id)
        except MlflowException as error:
            raise ValueError(
                "There is no such run to go on with; `zoo ui` shows the runs, and a run's page "
                f"its id. Received: resume={run_id!r}"
            ) from error
        client.update_run(run_id, status="RUNNING")
        run = cls(client, run_id, entity.info.experiment_id, entity.info.run_name)
        run._params = dict(entity.data.params)
        if model_id := entity.data.tags.get(MODEL_TAG):
            status = client.get_logged_model(model_id).status
            run._pending = None if status == "READY" else model_id
        return run

    def url(self) -> str:
        """The address of the run's page: on the server, or, without one, under `zoo ui`."""
        uri = self._client.tracking_uri
        base = uri.rstrip("/") if uri.startswith("http") else LOCAL_UI
        page = f"#/experiments/{quote(self.experiment_id)}/runs/{self.id}"
        return f"{base}/{page}?workflowType=machine_learning"

    def log_metrics(self, metrics: dict[str, float], step: int) -> None:
        """Logs metrics of one moment in one request.

        Args:
            metrics: Values by name; what precedes a `/` is the section of its chart
                (`train/loss`, `dev/accuracy`).
            step: The epoch, or whatever the charts shall have on their axis.
        """
        now = int(time.time() * 1000)
        self._step = max(self._step, step)
        self._client.log_batch(
            self.id, metrics=[Metric(k, float(v), now, step) for k, v in metrics.items()]
        )

    def log_params(self, params: dict[str, Any]) -> None:
        """Logs settings; nested dictionaries become `a.b`.

        Params of a run never change: in a resumed run, those that differ now are told in the tag
        `resumed.changes`.
        """
        flat = _flatten(params)
        changed = {k: v for k, v in flat.items() if self._params.get(k, v) != v}
        new = [Param(k, v) for k, v in flat.items() if k not in self._params]
        for start in range(0, len(new), BATCH):
            self._client.log_batch(self.id, params=new[start : start + BATCH])
        self._params |= {param.key: param.value for param in new}
        if changed:
            told = "; ".join(f"{k}: {self._params[k]} → {v}" for k, v in changed.items())
            self._client.set_tag(self.id, "resumed.changes", told[:5000])

    def log_tags(self, tags: dict[str, str]) -> None:
        """Sets tags, in one request."""
        self._client.log_batch(self.id, tags=[RunTag(k, str(v)) for k, v in tags.items()])

    def log_file(self, path: str | Path, folder: str | None = None) -> None:
        """Keeps a file with the run.

        Args:
            path: The file, or a directory with all that is in it.
            folder: Where among the run's files. Defaults to the top.
        """
        log = self._client.log_artifacts if Path(path).is_dir() else self._client.log_artifact
        log(self.id, str(path), folder)

    def log_text(self, text: str, name: str) -> None:
        """Keeps a text as the file `name`, such as `"report.md"`."""
        self._client.log_text(self.id, text, name)

    def log_figure(self, figure: "Figure", name: str) -> None:
        """Keeps a Matplotlib figure as the file `name`, such as `"figures/confusion.png"`."""
        self._client.log_figure(self.id, figure, name)

    def log_table(self, columns: dict[str, list], name: str) -> None:
        """Keeps a table.

        Args:
            columns: Lists of the same length by name. MLflow compares the *second* one across
                runs: put the predictions there.
            name: The file, such as `"samples.json"`.
        """
        self._client.log_table(self.id, columns, name)

    def log_model(self, preset: str | Path, card: "Card") -> str:
        """Logs a preset as an MLflow model that answers text in, text out.

        Args:
            preset: The directory of the preset.
            card: Its card. The metrics on it become metrics of the model.

        Returns:
            Its address, `models:/m-…`.
        """
        model_id = self._pending or self._announce(card.task)
        model = self._client.get_logged_model(model_id)
        description = Model(
            artifact_path=model.artifact_location,
            model_uuid=model_id,
            model_id=model_id,
            run_id=self.id,
        )
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "model")
            flavor.save_model(preset, path, task=card.task, mlflow_model=description)
            self._client.log_model_artifacts(model_id, str(path))
        self._client.set_logged_model_tags(
            model_id,
            {
                "task": card.task,
                "dataset": card.dataset,
                "languages": ", ".join(card.languages),
                "licence": card.licence,
                "preset": card.name,
                "sha256": card.sha256,
            },
        )
        now = int(time.time() * 1000)
        measured_on = {}
        if dataset := self._dataset:
            measured_on = {
                "dataset_name": dataset.name,
                "dataset_digest": data.short_digest(dataset),
            }
        metrics = [
            Metric(k, float(v), now, self._step, model_id=model_id, run_id=self.id, **measured_on)
            for k, v in card.metrics.items()
        ]
        self._client.log_batch(self.id, metrics=metrics)
        self._client.log_outputs(self.id, [LoggedModelOutput(model_id, self._step)])
        self._client.finalize_logged_model(model_id, "READY")
        self._pending = None
        return f"models:/{model_id}"

    def register(
        self, model_uri: str, name: str, card: "Card", gate: registry.GateResult
    ) -> registry.Registered:
        """Registers a logged model as the next version of `name`.

        The alias `champion` moves to it if the gate passed and the present champion is not better;
        see `zoo.tracking.registry.register`.

        Args:
            model_uri: What `log_model` returned.
            name: The name in the registry, without `/` and `:`.
            card: The card of the preset.
            gate: What the recipe's gate said of the dev split.

        Returns:
            The `zoo.tracking.Registered`.
        """
        return registry.register(
            self._client,
            model_uri,
            name,
            card,
            gate,
            run_id=self.id,
            dataset_digest=self._dataset.digest if self._dataset else "",
        )

    def _describe(self, config, dataset, tags) -> None:
        self.log_params(config)
        text = yaml.safe_dump(config, sort_keys=False, allow_unicode=True)
        self.log_text(text, "config.yaml")
        if description := config.get("description"):
            self.log_tags({MLFLOW_RUN_NOTE: description})
        if dataset is not None:
            self._log_dataset(dataset)
        if self._pending is None:
            self._announce(dataset.task if dataset else tags.get("task", ""))

    def _log_dataset(self, dataset: "Dataset") -> None:
        self._dataset = dataset
        facts = data.facts(dataset)
        self._client.log_inputs(self.id, [data.dataset_input(dataset)])
        self._client.log_dict(self.id, facts | {"samples": data.samples(dataset)}, "dataset.json")
        tags = {name: facts[name] for name in ("digest", "licence")}
        self.log_tags({"dataset": dataset.name} | {f"dataset.{k}": v for k, v in tags.items()})

    def _announce(self, task: str) -> str:
        """Makes the entry of the model that is being trained."""
        model = self._client.create_logged_model(
            self.experiment_id,
            name="".join("_" if c in "/:.%\"'" else c for c in self.name),
            source_run_id=self.id,
            params=self._params,
            tags={"task": task},
            model_type=task or None,
        )
        self._client.set_tag(self.id, MODEL_TAG, model.model_id)
        self._pending = model.model_id
        return model.model_id

    def _finish(self) -> None:
        if self._pending:  # a run without a model, such as an evaluation
            self._client.delete_logged_model(self._pending)
            self._client.delete_tag(self.id, MODEL_TAG)
        self._client.set_terminated(self.id, "FINISHED")

    def _fail(self, status: str, error: BaseException) -> None:
        """Says so in the store; what goes wrong here must not hide the error itself."""
        try:
            if self._pending:
                self._client.finalize_logged_model(self._pending, "FAILED")
            self.log_tags({"error": f"{type(error).__name__}: {error}"[:5000]})
            self.log_text("".join(traceback.format_exception(error)), "error.txt")
            self._client.set_terminated(self.id, status)
        except Exception as second:
            logger.warning("The end of run %s could not be tracked: %s", self.id, second)


def _experiment(client: MlflowClient, name: str) -> Experiment:
    experiment = client.get_experiment_by_name(name)
    if experiment is None:
        uri = client.tracking_uri
        root = artifact_root(uri)
        location = (root / quote(name, safe="")).as_uri() if root else None
        try:
            client.create_experiment(name, artifact_location=location)
        except MlflowException as error:  # another process was faster
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
        experiment = client.get_experiment_by_name(name)
    if experiment.lifecycle_stage != "active":
        raise ValueError(
            "The experiment was deleted. Choose another name (tracking.experiment=…), or restore "
            f"it with `mlflow experiments restore -x {experiment.experiment_id}`. "
            f"Received: experiment={name!r}"
        )
    return experiment


def _flatten(config: dict[str, Any], prefix: str = "") -> dict[str, str]:
    flat = {}
    for key, value in config.items():
        if isinstance(value, dict) and value:
            flat |= _flatten(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = (
                value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
            )
    return flat
