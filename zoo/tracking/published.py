"""Enters published models in the tracking store: a run and a registered version for each."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from mlflow import MlflowClient
from mlflow.entities import Run as RunEntity
from mlflow.utils.mlflow_tags import MLFLOW_RUN_NOTE, MLFLOW_SOURCE_NAME, MLFLOW_USER

from zoo import data, presets
from zoo.processes import Process
from zoo.tracking import experiments, registry
from zoo.tracking.abandoned import PROCESS_TAG
from zoo.tracking.data import published_input
from zoo.tracking.lifecycle import get_experiment, note, resume_run
from zoo.tracking.run import Run

if TYPE_CHECKING:
    from zoo.presets import Card

SOURCE = "published"  # the value of the tag `source`, and the alias of the version
DIGEST_TAG = "preset.sha256"


@dataclass(frozen=True)
class Entered:
    """A published model in the store.

    Attributes:
        card: Its card.
        run_id: Id of its run.
        is_new: Whether it was entered now; otherwise it was there.
    """

    card: "Card"
    run_id: str
    is_new: bool


def enter(
    client: MlflowClient, directory: Path, card: "Card", config: Mapping[str, Any]
) -> Entered:
    """Enters a published model, unless the store has it.

    What was begun and interrupted is completed. Neither Keras nor the data are needed.

    Args:
        client: A client of the tracking store.
        directory: The directory of the preset.
        card: Its card.
        config: The resolved configuration of its recipe; `{}` if that is not installed.

    Returns:
        An `Entered`.
    """
    recipe = card.recipe or card.task
    experiment = get_experiment(client, recipe.partition("/")[0])
    begun = _begun(client, experiment.experiment_id, card)
    if begun and begun.info.status == "FINISHED":
        return Entered(card, begun.info.run_id, is_new=False)
    experiments.describe(client, experiment, recipe, card.task, config)
    process, start = Process.current().to_json(), _saved(directory)
    if begun is None:
        tags = _tags(card) | {PROCESS_TAG: process}
        begun = client.create_run(
            experiment.experiment_id, start_time=start, tags=tags, run_name=card.name
        )
    run = resume_run(client, begun.info.run_id, process)
    run.log_params(dict(config))
    if known := next((it for it in data.list_datasets() if it.name == card.dataset), None):
        client.log_inputs(run.id, [published_input(known)])
    _log_files(run, card, config)
    # Before the metrics of the stored model, which `log_model` gives the time of its directory.
    earlier = min(start, int(1000 * directory.stat().st_mtime)) - 1
    for epoch, metrics in presets.read_history(directory):
        run.log_metrics(metrics, epoch, earlier)
    uri = run.log_model(directory, card)
    number = registry.add_version(
        client, uri, card.name, card, registry.describe(card), {"source": SOURCE}, run.id
    )
    client.set_registered_model_alias(card.name, SOURCE, str(number))
    seconds = card.training.get("wall_time_s", 0)
    client.set_terminated(run.id, "FINISHED", end_time=start + int(1000 * seconds))
    return Entered(card, run.id, is_new=True)


def _begun(client: MlflowClient, experiment_id: str, card: "Card") -> RunEntity | None:
    """The run of a published model, or `None`."""
    found = client.search_runs(
        [experiment_id],
        f"tags.source = '{SOURCE}' and tags.`{DIGEST_TAG}` = '{card.sha256}'",
        max_results=1,
    )
    return found[0] if found else None


def _tags(card: "Card") -> dict[str, str]:
    training = card.training
    versions = {f"version.{name}": it for name, it in training.get("versions", {}).items()}
    command = training.get("command", "")
    tags = {
        "source": SOURCE,
        DIGEST_TAG: card.sha256,
        "task": card.task,
        "recipe": card.recipe,
        "dataset": card.dataset,
        "dataset.licence": card.licence,
        "seed": training.get("seed", ""),
        "backend": training.get("backend", ""),
        "device": training.get("machine", ""),
        "command": command,
        MLFLOW_RUN_NOTE: note(card.description, command or None),
        MLFLOW_SOURCE_NAME: "zoo presets import",
        MLFLOW_USER: "seqzoo",
    }
    return {name: str(value) for name, value in (tags | versions).items() if value != ""}


def _log_files(run: Run, card: "Card", config: Mapping[str, Any]) -> None:
    """Logs the card, the recipe, and the behaviour if it was measured."""
    run.log_text(presets.model_card(card), "card.md")
    run.log_text(json.dumps(card.to_dict(), ensure_ascii=False, indent=2), "card.json")
    if config:
        text = yaml.safe_dump(dict(config), sort_keys=False, allow_unicode=True)
        run.log_text(text, "config.yaml")
    if kinds := card.behaviour.get("kinds"):
        columns = {
            "kind": list(kinds),
            "right": [it["right"] for it in kinds.values()],
            "sentences": [it["n"] for it in kinds.values()],
        }
        run.log_table(columns, "behaviour.json")


def _saved(directory: Path) -> int:
    """The time at which a preset was saved, in milliseconds since the epoch."""
    try:
        text = json.loads((directory / "metadata.json").read_text("utf-8"))["date_saved"]
        saved = datetime.strptime(text, "%Y-%m-%d@%H:%M:%S").replace(tzinfo=UTC)
        return int(1000 * saved.timestamp())
    except (OSError, ValueError, KeyError, TypeError):
        return int(1000 * directory.stat().st_mtime)
