"""The methods with which a recipe logs to its run."""

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from mlflow import MlflowClient
from mlflow.entities import LoggedModel, LoggedModelOutput, Metric, Param, RunTag
from mlflow.models import Model

from zoo.backends import current
from zoo.processes import temporary_folder
from zoo.tracking import data, flavor, registry
from zoo.tracking.gates import GateResult

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from zoo.data import Dataset
    from zoo.presets import Card

MODEL_TAG = "zoo.model_id"
MAX_PARAMS = 100  # in one request
MAX_TAG_LENGTH = 5000
LOCAL_UI = "http://127.0.0.1:5000"


class Run:
    """A run in progress, created by `zoo.tracking.start_run`.

    Attributes:
        id: Id of the run.
        experiment_id: Id of its experiment.
        name: Its name.
        params: The params that are logged, by name.
        pending_model: Id of the logged model whose files are not logged yet, or `None`.
        logged_model: The logged model that the run had when it was resumed, or `None`.
        logged_steps: Steps of the epochs that were logged when it was resumed.
    """

    def __init__(self, client: MlflowClient, id: str, experiment_id: str, name: str):
        self.id = id
        self.experiment_id = experiment_id
        self.name = name
        self.params: dict[str, str] = {}
        self.pending_model: str | None = None
        self.logged_model: LoggedModel | None = None
        self.logged_steps: set[int] = set()
        self._client = client
        self._dataset: Dataset | None = None
        self._step = 0

    def url(self) -> str:
        """URL of the run's page, on the tracking server or under `zoo ui` at its default port."""
        uri = self._client.tracking_uri
        base = uri.rstrip("/") if uri.startswith("http") else LOCAL_UI
        page = f"#/experiments/{quote(self.experiment_id)}/runs/{self.id}"
        return f"{base}/{page}?workflowType=machine_learning"

    def log_metrics(
        self, metrics: dict[str, float], step: int, timestamp: int | None = None
    ) -> None:
        """Logs the metrics of one step, in one request.

        Args:
            metrics: Values by name; the prefix before a `/` is the section of the chart
                (`train/loss`, `dev/accuracy`).
            step: The epoch, or another value of the horizontal axis.
            timestamp: Milliseconds since 1970. Defaults to the present. Of values of one step
                MLflow shows the latest.
        """
        at = int(time.time() * 1000) if timestamp is None else timestamp
        self._step = max(self._step, step)
        self._client.log_batch(
            self.id, metrics=[Metric(k, float(v), at, step) for k, v in metrics.items()]
        )

    def log_epochs(self, epochs: list[tuple[int, dict[str, float]]]) -> None:
        """Logs the metrics of epochs, and removes each from the list when the store has it."""
        while epochs:
            step, metrics = epochs[0]
            self.log_metrics(metrics, step)
            del epochs[0]

    def log_params(self, params: dict[str, Any]) -> None:
        """Logs params; nested dictionaries become `a.b`.

        Params of a run cannot change: new values in a resumed run are logged in the tag
        `resumed.changes`.
        """
        flat = _flatten(params)
        changed = {k: v for k, v in flat.items() if self.params.get(k, v) != v}
        new = [Param(k, v) for k, v in flat.items() if k not in self.params]
        for start in range(0, len(new), MAX_PARAMS):
            self._client.log_batch(self.id, params=new[start : start + MAX_PARAMS])
        self.params |= {param.key: param.value for param in new}
        if changed:
            text = "; ".join(f"{k}: {self.params[k]} → {v}" for k, v in changed.items())
            self._client.set_tag(self.id, "resumed.changes", text[:MAX_TAG_LENGTH])

    def log_tags(self, tags: dict[str, str]) -> None:
        """Sets tags, in one request."""
        self._client.log_batch(self.id, tags=[RunTag(k, str(v)) for k, v in tags.items()])

    def log_file(self, path: str | Path, folder: str | None = None) -> None:
        """Logs a file.

        Args:
            path: The file, or a directory with its contents.
            folder: Folder among the artifacts of the run. Defaults to the top level.
        """
        log = self._client.log_artifacts if Path(path).is_dir() else self._client.log_artifact
        log(self.id, str(path), folder)

    def log_text(self, text: str, name: str) -> None:
        """Logs a text as the file `name`, such as `"report.md"`."""
        self._client.log_text(self.id, text, name)

    def log_figure(self, figure: "Figure", name: str) -> None:
        """Logs a Matplotlib figure as the file `name`, such as `"figures/confusion.png"`."""
        self._client.log_figure(self.id, figure, name)

    def log_table(self, columns: dict[str, list], name: str) -> None:
        """Logs a table, replacing an earlier one of this name.

        Args:
            columns: Lists of the same length by name. MLflow compares the *second* column across
                runs: it should hold the predictions.
            name: The file, such as `"samples.json"`.
        """
        folder = name.rpartition("/")[0] or None
        if any(file.path == name for file in self._client.list_artifacts(self.id, folder)):
            # MLflow appends to a table: that of a process which was killed is emptied first.
            self._client.log_dict(self.id, {"columns": list(columns), "data": []}, name)
        self._client.log_table(self.id, columns, name)

    def log_dataset(self, dataset: "Dataset") -> None:
        """Logs the name, digest and licence of the data, and a few rows of each split."""
        self._dataset = dataset
        facts = data.facts(dataset)
        self._client.log_inputs(self.id, [data.dataset_input(dataset)])
        self._client.log_dict(self.id, facts | {"samples": data.samples(dataset)}, "dataset.json")
        tags = {name: facts[name] for name in ("digest", "licence")}
        self.log_tags({"dataset": dataset.name} | {f"dataset.{k}": v for k, v in tags.items()})

    def create_model(self, task: str) -> str:
        """Creates the logged model of this run, without files.

        Args:
            task: Name of the model's task, or `""`.

        Returns:
            Its id, also in `pending_model`.
        """
        model = self._client.create_logged_model(
            self.experiment_id,
            name="".join("_" if c in "/:.%\"'" else c for c in self.name),
            source_run_id=self.id,
            params=self.params,
            tags={"task": task},
            model_type=task or None,
        )
        self._client.set_tag(self.id, MODEL_TAG, model.model_id)
        self.pending_model = model.model_id
        return model.model_id

    def log_model(self, preset: str | Path, card: "Card", column: str | None = None) -> str:
        """Logs a preset as an MLflow model of the flavor `zoo`.

        A resumed run that has logged this preset keeps that model.

        Args:
            preset: The directory of the preset.
            card: Its card, whose metrics become metrics of the model.
            column: Name of the column of its inputs in the training data, which it then reads when
                it is served. Defaults to `None`: `text`, `image` or
                `audio`.

        Returns:
            The URI of the model, `models:/m-…`.
        """
        if (logged := self.logged_model) and logged.tags.get("sha256") == card.sha256:
            return f"models:/{logged.model_id}"
        model_id = self.pending_model or self.create_model(card.task)
        model = self._client.get_logged_model(model_id)
        description = Model(
            artifact_path=model.artifact_location,
            model_uuid=model_id,
            model_id=model_id,
            run_id=self.id,
        )
        with temporary_folder() as folder:
            path = folder / "model"
            flavor.save_model(preset, path, card.task, description, column)
            self._client.log_model_artifacts(model_id, str(path))
        self._client.set_logged_model_tags(
            model_id,
            {
                "task": card.task,
                "backend": current(),
                "dataset": card.dataset,
                "languages": ", ".join(card.languages),
                "licence": card.licence,
                "preset": card.name,
                "sha256": card.sha256,
            },
        )
        # The store keeps one metric of the same time and step, so that a repetition adds nothing.
        now = int(Path(preset).stat().st_mtime * 1000)
        step = max(self._step, *self.logged_steps, 0)
        measured_on = {}
        if dataset := self._dataset:
            measured_on = {
                "dataset_name": dataset.name,
                "dataset_digest": data.short_digest(dataset),
            }
        sizes = {"model/parameters": card.parameters, "model/megabytes": card.bytes / 1e6}
        metrics = [
            Metric(k, float(v), now, step, model_id=model_id, run_id=self.id, **measured_on)
            for k, v in (card.metrics | sizes).items()
        ]
        self._client.log_batch(self.id, metrics=metrics)
        outputs = self._client.get_run(self.id).outputs.model_outputs  # type: ignore[union-attr]
        if model_id not in (output.model_id for output in outputs):
            self._client.log_outputs(self.id, [LoggedModelOutput(model_id, step)])
        self._client.finalize_logged_model(model_id, "READY")
        self.pending_model = None
        return f"models:/{model_id}"

    def register(
        self, model_uri: str, name: str, card: "Card", gate: GateResult
    ) -> registry.Registered:
        """Registers a logged model as the next version of `name`.

        The alias `champion` moves to it if the gate passed and the present champion is not better,
        or else `challenger`; see `zoo.tracking.registry.register`.

        Args:
            model_uri: The URI that `log_model` returned.
            name: Name in the registry, without `/` and `:`.
            card: The card of the preset.
            gate: The result of the recipe's gate on the dev split.

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


def _flatten(config: dict[str, Any], prefix: str = "") -> dict[str, str]:
    flat: dict[str, str] = {}
    for key, value in config.items():
        if isinstance(value, dict) and value:
            flat |= _flatten(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = (
                value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
            )
    return flat
