"""The experiments of the runs: their descriptions, and the columns of their tables."""

import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from zoo.tasks import TASKS

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Experiment

NOTE_TAG = "mlflow.note.content"
KIND_TAG, KIND = "mlflow.experimentKind", "custom_model_development"  # not MLflow's mode for LLMs
VIEW = "zoo"  # the key of the table's view in an address: `…/runs?viewStateShareKey=zoo`
VIEW_TAG = f"mlflow.sharedViewState.{VIEW}"
# Settings that tell models apart, those of them that a recipe has.
SETTINGS = ("attention", "pooling", "cell", "encoder", "decoder", "head", "units", "num_layers")


def describe(
    client: "MlflowClient", experiment: "Experiment", recipe: str, task: str, config: Mapping
) -> None:
    """Writes the description of an experiment, and the columns of its table of runs.

    A description that is there stays. Columns of other tasks and recipes in the same experiment
    are kept.

    Args:
        client: A client of the tracking store.
        experiment: The experiment.
        recipe: The recipe of a run in it, such as `"sentiment/quickstart"`.
        task: Name of its task in `zoo.tasks.TASKS`.
        config: Its resolved configuration.
    """
    tags = {KIND_TAG: KIND, NOTE_TAG: _note(recipe, task)}
    tags = {key: value for key, value in tags.items() if key not in experiment.tags}
    known = json.loads(experiment.tags.get(VIEW_TAG, '{"selectedColumns": []}'))["selectedColumns"]
    wanted = list(dict.fromkeys([*known, *columns(task, config)]))
    if wanted != known:
        tags[VIEW_TAG] = json.dumps({"selectedColumns": _in_order(wanted)})
    for key, value in tags.items():
        client.set_experiment_tag(experiment.experiment_id, key, value)


def columns(task: str, config: Mapping[str, Any]) -> list[str]:
    """The first columns of the table of runs, as MLflow names them.

    They are the headline metric on dev and test, what tells models apart, data and backend.

    Args:
        task: Name of a task in `zoo.tasks.TASKS`.
        config: The resolved configuration of a run.
    """
    row = TASKS.get(task)
    metric = config.get("evaluation", {}).get("metric")
    metrics = dict.fromkeys([*([metric] if metric else []), *(row.headline[:1] if row else ())])
    model = config.get("model", {})
    return [
        *(f"metrics.`{split}/{name}`" for name in metrics for split in ("test", "dev")),
        *(f"params.`model.{name}`" for name in SETTINGS if name in model),
        "metrics.`model/parameters`",
        "attributes.`Dataset`",
        "tags.`backend`",
    ]


def _in_order(names: Iterable[str]) -> list[str]:
    """Metrics of the data first, then settings, size, data and backend."""
    order = ("metrics.`test", "metrics.`dev", "params.", "metrics.`model", "attributes.", "tags.")
    return sorted(
        names, key=lambda name: next(i for i, it in enumerate(order) if name.startswith(it))
    )


def _note(recipe: str, task: str) -> str:
    name, row = recipe.partition("/")[0], TASKS.get(task)
    kind = f": {row.pipeline_tag.replace('-', ' ')}" if row else ""
    return (
        f"Runs of the recipes `{name}/…`{kind}. A run's name says what differs from its recipe; "
        "its description has the command that repeats it, and `config.yaml` among its artifacts "
        "every setting (`zoo run config.yaml` runs that file). Runs of one study share the tag "
        "`study`, those of a sweep the tag `sweep`. Models that come with the zoo have the tag "
        "`source` with the value `published` (`zoo presets import`)."
    )
