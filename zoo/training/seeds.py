"""Runs of one recipe with several seeds: mean and deviation, and the best of them published."""

import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, stdev

import keras
from mlflow import MlflowClient
from mlflow.entities import Run as StoredRun

from zoo import presets
from zoo.data import Dataset
from zoo.files import atomic_directory
from zoo.tracking import GateResult, Registered, prepare_store, start_run
from zoo.training import naming
from zoo.training.checkpoint import RunManifest
from zoo.training.config import config_digest
from zoo.training.finish import RunResult
from zoo.training.recipe import Recipe
from zoo.training.schema import RecipeConfig
from zoo.training.study import StudyResult, markdown, model_uri, run_each


@dataclass(frozen=True)
class SeedsResult(StudyResult):
    """Result of a study of seeds.

    Attributes:
        best: Seed of the best model on dev.
        card: Card of that model, with mean and deviation of all seeds.
        gates: Results of its gates; empty without `evaluation.gate`.
        model_uri: Address of the logged model, for `zoo.load`.
        registered: The registered version; `None` without a gate, or if one did not pass.
        preset: Directory of the preset, if `output` was given.
    """

    best: int
    card: presets.Card
    gates: list[GateResult]
    model_uri: str
    registered: Registered | None
    preset: Path | None


def run_seeds(
    recipe: Recipe,
    dataset: Dataset,
    label: str,
    overrides: Sequence[str],
    seeds: Sequence[int],
    *,
    resolve: Callable[[list[str]], RecipeConfig],
    run: Callable[[RecipeConfig, list[str], RunManifest | None], RunResult],
    output: Path | None = None,
) -> SeedsResult:
    """Runs a recipe once for each seed that lacks a finished run, and publishes the best on dev.

    Running an interrupted study again resumes it, and with more seeds trains only those. The card
    of the best model carries the mean and the standard deviation (n - 1) of each metric over the
    seeds; its gates are those of the recipe.

    Args:
        recipe, dataset, label, overrides, resolve, run: As in `zoo.training.study.run_study`; the
            configuration has no `variants`.
        seeds: Two or more different seeds.
        output: A directory in which to save the preset of the best too, or `None`.

    Returns:
        A `SeedsResult`.
    """
    config, evaluation = recipe.config, recipe.config.evaluation
    title = naming.model_name(config, label, dataset)
    digest = config_digest(config.model_dump(), dataset.digest, keras.config.backend())
    study = f"{config.tracking.study or title}-seeds-{digest[:8]}"
    variants = {f"{title}_seed_{seed}": [f"seed={seed}"] for seed in seeds}
    if evaluation.beat_initial:
        recipe.measure_initial(dataset.splits["dev"])
    client = MlflowClient(prepare_store())
    runs = dict(
        zip(
            seeds,
            run_each(recipe, dataset, label, overrides, variants, study, client, resolve, run),
            strict=True,
        )
    )
    measured = {seed: _metrics(run) for seed, run in runs.items()}
    best = _best(measured, f"dev/{evaluation.metric}", evaluation.mode)
    columns, summary_of_seeds = _columns(measured), _summary(measured)
    with (
        start_run(
            config.tracking.experiment or config.recipe,
            title,
            config=config.model_dump(),
            tags={"recipe": label, "task": dataset.task, "study": study, "summary": "true"}
            | {"seeds": ", ".join(map(str, seeds)), "seeds.best": str(best)},
            dataset=dataset,
        ) as summary,
        tempfile.TemporaryDirectory() as folder,
    ):
        text = markdown(columns)
        summary.log_table(columns, "study.json")
        summary.log_text(text, "study.md")
        for kind, values in summary_of_seeds.items():
            if kind != "seeds":
                summary.log_metrics({f"{kind}/{name}": value for name, value in values.items()}, 0)
        directory = Path(folder, title)
        shutil.copytree(presets.resolve(model_uri(runs[best])), directory)
        card = presets.update_card(directory, name=title, seeds=summary_of_seeds)
        uri = summary.log_model(directory, card, naming.input_column(config, card.task))
        scores = {name.removeprefix("dev/"): value for name, value in measured[best].items()}
        gates = [gate.check(scores) for gate in recipe.gates()]
        registered = None
        if gates:
            summary.log_tags({"gate": "; ".join(map(str, gates))})
            if all(gate.passed for gate in gates):
                name = config.tracking.register_as or title
                registered = summary.register(uri, name, card, gates[0])
        if output is not None:
            with atomic_directory(output) as temporary:
                shutil.copytree(directory, temporary, dirs_exist_ok=True)
    print(f"{text}\nbest on dev: seed {best}\nstudy: {study}")
    return SeedsResult(
        run_id=summary.id,
        url=summary.url(),
        study=study,
        columns=columns,
        best=best,
        card=card,
        gates=gates,
        model_uri=uri,
        registered=registered,
        preset=output,
    )


def _metrics(run: StoredRun) -> dict[str, float]:
    """The metrics of a run's stored model: of its splits, and of its behaviour in total."""
    metrics = run.data.metrics
    return {
        name: metrics[name]
        for prefix in ("dev/", "test/", "behaviour/accuracy")
        for name in metrics
        if name.startswith(prefix)
    }


def _best(measured: dict[int, dict[str, float]], metric: str, mode: str) -> int:
    """The seed with the best metric; the first of equals."""
    choose = max if mode == "max" else min
    return choose(measured, key=lambda seed: measured[seed][metric])


def _summary(measured: dict[int, dict[str, float]]) -> dict:
    """`seeds`, and `mean` and `deviation` of each metric."""
    names = list(next(iter(measured.values())))
    values = {name: [metrics[name] for metrics in measured.values()] for name in names}
    return {
        "seeds": list(measured),
        "mean": {name: mean(of_seeds) for name, of_seeds in values.items()},
        "deviation": {name: stdev(of_seeds) for name, of_seeds in values.items()},
    }


def _columns(measured: dict[int, dict[str, float]]) -> dict[str, list]:
    """Columns of the table: a row for each seed, then mean and deviation."""
    summary = _summary(measured)
    rows = [*measured.values(), summary["mean"], summary["deviation"]]
    columns: dict[str, list] = {"seed": [*map(str, measured), "mean", "deviation"]}
    return columns | {name: [f"{row[name]:.4f}" for row in rows] for name in summary["mean"]}
