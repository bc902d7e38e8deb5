"""Studies: a recipe run once for each of its variants, and a table that compares them."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

import keras
from mlflow import MlflowClient
from mlflow.entities import Run as StoredRun
from rich import box
from rich.console import Console
from rich.table import Table

import zoo
from zoo.data import Dataset
from zoo.tracking import prepare_store, start_run
from zoo.training.checkpoint import Checkpoint, RunManifest
from zoo.training.config import DIGEST_TAG, config_digest
from zoo.training.display import run_page
from zoo.training.finish import RunResult
from zoo.training.recipe import Recipe
from zoo.training.schema import NO_GATES, RecipeConfig

MAX_WIDTH = 1000  # characters of a row


@dataclass(frozen=True)
class StudyResult:
    """Result of a study.

    Attributes:
        run_id: Id of the summary run.
        url: Page of the summary run.
        study: Value of the tag `study`, which all its runs share.
        columns: Columns of the table by name, with one value for each variant.
    """

    run_id: str
    url: str
    study: str
    columns: dict[str, list]


def run_study(
    recipe: Recipe,
    dataset: Dataset,
    label: str,
    overrides: Sequence[str],
    *,
    resolve: Callable[[list[str]], RecipeConfig],
    run: Callable[[RecipeConfig, list[str], RunManifest | None], RunResult],
) -> StudyResult:
    """Runs each variant that lacks a finished run, and compares all on the dev split.

    Running an interrupted study again therefore resumes it. Its runs are not nested; they share
    the tag `study`.

    Args:
        recipe: The recipe; its configuration has `variants`.
        dataset: The data.
        label: The recipe as `zoo run` takes it: `translation/attention_study`, or a path.
        overrides: Changes to its file.
        resolve: Function from overrides to the resolved configuration of the file.
        run: Function that runs a configuration, given its overrides and the manifest of the
            checkpoint to resume, or `None`.

    Returns:
        A `StudyResult`.
    """
    config, backend = recipe.config, keras.config.backend()
    title = config.tracking.name or Path(label).stem
    digest = config_digest(config.model_dump(), dataset.digest, backend)
    study = f"{config.tracking.study or title}-{digest[:8]}"
    client, models, speeds = MlflowClient(prepare_store()), {}, {}
    runs = run_each(recipe, dataset, label, overrides, config.variants, study, client, resolve, run)
    for variant, finished in zip(config.variants, runs, strict=True):
        models[variant] = zoo.load(model_uri(finished))
        speeds[variant] = finished.data.metrics["progress/tokens_per_second"]
    with start_run(
        config.tracking.experiment or config.recipe,
        title,
        config=config.model_dump(),
        tags={"recipe": label, "task": dataset.task, "study": study, "summary": "true"},
        dataset=dataset,
    ) as summary:
        columns = {
            "variant": list(models),
            "parameters": [model.count_params() for model in models.values()],
            "trained tokens/s": [round(speed) for speed in speeds.values()],
        }
        columns |= recipe.compare(models, dataset.splits["dev"], summary)
        text = markdown(columns)
        summary.log_table(columns, "study.json")
        summary.log_text(text, "study.md")
    print(f"{text}\nstudy: {study}\nrun: {run_page(summary.id, summary.url())}")
    return StudyResult(summary.id, summary.url(), study, columns)


def run_each(
    recipe: Recipe,
    dataset: Dataset,
    label: str,
    overrides: Sequence[str],
    variants: Mapping[str, Sequence[str]],
    study: str,
    client: MlflowClient,
    resolve: Callable[[list[str]], RecipeConfig],
    run: Callable[[RecipeConfig, list[str], RunManifest | None], RunResult],
) -> Iterator[StoredRun]:
    """Yields the finished run of each variant, which is trained, or resumed, if it has none.

    Args:
        recipe, dataset, label, overrides, resolve, run: As in `run_study`.
        variants: Overrides by name of the variant and its run.
        study: Value of the tag `study`.
        client: Client of the tracking store.
    """
    backend, config = keras.config.backend(), recipe.config
    split_seed = []
    if config.data.name is None or getattr(config.data, "unlabelled_limit", None):
        # Whatever their seeds, all hold out the rows, and draw the texts, of the recipe's own.
        split_seed = [f"data.split_seed={config.data.seed_of_split(config.seed)}"]
    for number, (variant, variant_overrides) in enumerate(variants.items(), 1):
        changes = [
            *overrides,
            *variant_overrides,
            "variants={}",
            *split_seed,
            *NO_GATES,  # a run of a study registers nothing
            f"tracking.study={json.dumps(study)}",
            f"tracking.name={json.dumps(variant)}",
        ]
        resolved = type(recipe)(resolve(changes)).config  # with the sizes of an initial model
        values = resolved.model_dump()
        heading = f"{label}: {number} of {len(variants)}, {variant}"
        finished = _finished(client, study, config_digest(values, dataset.digest, backend))
        if finished is None:
            print(heading, flush=True)
            checkpoint = Checkpoint.of(values, dataset.digest, backend)
            manifest = checkpoint.read_manifest() if checkpoint else None
            finished = client.get_run(run(resolved, changes, manifest).run_id)
        else:
            print(f"{heading}: already finished, run {finished.info.run_id}", flush=True)
        yield finished


def markdown(columns: dict[str, list]) -> str:
    """Formats a table in Markdown; all columns but the first hold numbers."""
    table = Table(box=box.MARKDOWN)
    for i, name in enumerate(columns):
        table.add_column(name, justify="right" if i else "left", no_wrap=True)
    for row in zip(*columns.values(), strict=True):
        table.add_row(*(f"{value:,}" if isinstance(value, int) else str(value) for value in row))
    text = StringIO()
    Console(file=text, width=MAX_WIDTH).print(table)
    lines = (line.strip() for line in text.getvalue().splitlines())
    return "\n".join(filter(None, lines)) + "\n"


def _finished(client, study, digest):
    """Latest finished run of a variant, or `None`."""
    found = client.search_runs(
        [experiment.experiment_id for experiment in client.search_experiments()],
        f"tags.study = '{study}' and tags.`{DIGEST_TAG}` = '{digest}' "
        "and attributes.status = 'FINISHED'",
        order_by=["start_time DESC"],
        max_results=1,
    )
    return found[0] if found else None


def model_uri(run: StoredRun) -> str:
    """The address of a run's logged model, for `zoo.load`."""
    outputs = run.outputs.model_outputs  # type: ignore[union-attr]
    return f"models:/{max(outputs, key=lambda output: output.step).model_id}"
