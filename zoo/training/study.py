"""A study: a recipe run once for each of its variants, and what came of them side by side."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from io import StringIO
from typing import TYPE_CHECKING

import keras
from mlflow import MlflowClient
from rich import box
from rich.console import Console
from rich.table import Table

import zoo
from zoo.tracking import prepare_store, start_run
from zoo.training.checkpoint import Checkpoint
from zoo.training.config import DIGEST_TAG, config_digest
from zoo.training.schema import RecipeConfig

if TYPE_CHECKING:
    from zoo.training.recipe import Recipe

WIDEST = 1000  # characters of a row


@dataclass(frozen=True)
class StudyResult:
    """What a study came to.

    Attributes:
        run_id: The id of the run that sums it up.
        url: Its page.
        study: The tag that all its runs share.
        columns: The table: a list of values for each column, by name.
    """

    run_id: str
    url: str
    study: str
    columns: dict[str, list]


def run_study(
    recipe: "type[Recipe]",
    name: str,
    label: str,
    config: RecipeConfig,
    overrides: Sequence[str],
    *,
    progress: bool,
) -> StudyResult:
    """Runs each variant that has no finished run yet, and compares them on the dev split.

    So a study that was interrupted goes on when it is run again. Its runs are not nested: they
    share the tag `study`.

    Args:
        recipe: The recipe's class.
        name: As `Recipe.run` takes it.
        label: What it is called, `translation/attention_study`.
        config: The resolved configuration, with `variants`.
        overrides: What differs from the file.
        progress: bool. Whether to draw a bar, on a terminal.

    Returns:
        A `StudyResult`.
    """
    title = config.tracking.name or label.partition("/")[2]
    dataset = recipe(config).load_data()
    backend = keras.config.backend()
    budget = config_digest(config.model_dump(), dataset.digest, backend)
    study = f"{config.tracking.study or title}-{budget[:8]}"
    client, models, trained = MlflowClient(prepare_store()), {}, {}
    for number, (variant, own) in enumerate(config.variants.items(), 1):
        differs = [
            *overrides,
            *own,
            "variants={}",
            "evaluation.gate=null",  # a study registers nothing
            f"tracking.study={json.dumps(study)}",
            f"tracking.name={json.dumps(variant)}",
        ]
        resolved = recipe.resolve(name, differs).model_dump()
        heading = f"{label}: {number} of {len(config.variants)}, {variant}"
        run = _finished(client, study, config_digest(resolved, dataset.digest, backend))
        if run is None:
            print(heading, flush=True)
            kept = Checkpoint.of(resolved, dataset.digest)
            again = [] if kept else differs
            result = recipe.run(name, again, resume=kept and kept.run_id, progress=progress)
            run = client.get_run(result.run_id)
        else:
            print(f"{heading}: there is a finished run, {run.info.run_id}", flush=True)
        models[variant] = zoo.load(_model_uri(run))
        trained[variant] = run.data.metrics["progress/tokens_per_second"]
    with start_run(
        config.tracking.experiment or recipe.name,
        title,
        config=config.model_dump(),
        tags={"recipe": label, "task": dataset.task, "study": study, "summary": "true"},
        dataset=dataset,
    ) as summary:
        columns = {
            "variant": list(models),
            "parameters": [model.count_params() for model in models.values()],
            "trained tokens/s": [round(rate) for rate in trained.values()],
        }
        columns |= recipe(config).compare(models, dataset.splits["dev"], summary)
        text = markdown(columns)
        summary.log_table(columns, "study.json")
        summary.log_text(text, "study.md")
    print(f"{text}\nstudy: {study}\nrun: {summary.url()}")
    return StudyResult(summary.id, summary.url(), study, columns)


def markdown(columns: dict[str, list]) -> str:
    """A table in Markdown; all columns but the first are numbers."""
    grid = Table(box=box.MARKDOWN)
    for i, name in enumerate(columns):
        grid.add_column(name, justify="right" if i else "left", no_wrap=True)
    for row in zip(*columns.values(), strict=True):
        grid.add_row(*(f"{value:,}" if isinstance(value, int) else str(value) for value in row))
    console = Console(file=StringIO(), width=WIDEST)
    console.print(grid)
    lines = (line.strip() for line in console.file.getvalue().splitlines())
    return "\n".join(filter(None, lines)) + "\n"


def _finished(client, study, digest):
    """The latest run of a variant that has ended well, or `None`."""
    found = client.search_runs(
        [experiment.experiment_id for experiment in client.search_experiments()],
        f"tags.study = '{study}' and tags.`{DIGEST_TAG}` = '{digest}' "
        "and attributes.status = 'FINISHED'",
        order_by=["start_time DESC"],
        max_results=1,
    )
    return found[0] if found else None


def _model_uri(run) -> str:
    return f"models:/{run.outputs.model_outputs[0].model_id}"
