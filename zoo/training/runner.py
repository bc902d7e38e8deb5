"""Runs a recipe: resolves its configuration, loads its data, trains or resumes, prints a summary.

Keras and MLflow are imported only after the configuration and the data have been checked, so that
mistakes in them are reported immediately.
"""

import shlex
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from zoo import backends
from zoo.terminal import starting
from zoo.training import config as configs
from zoo.training.config import ConfigError
from zoo.training.devices import launched
from zoo.training.display import Display, format_metrics, run_page
from zoo.training.mistakes import format_conflict
from zoo.training.schema import RecipeConfig, RecipeSpec

if TYPE_CHECKING:
    from zoo.data import Dataset
    from zoo.training.checkpoint import RunManifest
    from zoo.training.finish import RunResult
    from zoo.training.seeds import SeedsResult
    from zoo.training.study import StudyResult

# Keys that may change when a run is resumed.
RESUMABLE = (
    "evaluation",
    "tracking",
    "training.checkpoint_every",
    "training.epochs",
    "training.max_steps",
    "training.patience",
)
# Keys that a variant of a study may not change.
SHARED = ("data", "recipe", "tracking", "variants")


def run(
    spec: RecipeSpec,
    name: str = "quickstart",
    overrides: Sequence[str] = (),
    *,
    resume: str | None = None,
    output: str | Path | None = None,
    progress: bool = True,
    seeds: Sequence[int] = (),
) -> "RunResult | StudyResult | None":
    """Runs a recipe file: once, or once for each of its `variants` or of several seeds.

    Of several processes that a launcher has started, the first runs the recipe, and the others
    compute their part of each batch.

    Args:
        spec: The recipe.
        name: Name of a file that comes with the recipe, such as `"quickstart"`; or the path of a
            `.yaml` file.
        overrides: Changes to the file, each `key.sub=value`.
        resume: Id of an interrupted run to resume from its checkpoint with its own
            configuration; its first characters suffice.
        output: A new or empty directory in which to save the preset too. Defaults to that of the
            run to resume, if it had one.
        progress: bool. Whether to show a progress bar on a terminal. Defaults to `True`.
        seeds: Two or more seeds to run the file with; the best model on dev is the result.
            Defaults to none: the seed of the file.

    Returns:
        A `RunResult`; a `StudyResult` for a file with variants, a `SeedsResult` for several seeds;
        `None` in the processes that compute alone.

    Raises:
        ConfigError: with every mistake in the file and the overrides; also if the run to resume
            was started on another backend.
        FileNotFoundError: if the recipe file or a file of data does not exist.
        FileExistsError: if `output` is not an empty directory.
        ValueError: if the data, or the model of `training.init_from`, does not fit the recipe.
        zoo.tracking.StoreError: if the run cannot be tracked; before training starts.
        TrainingError: if the loss is not finite, or the metric was never a number.
        CheckpointError: if no checkpoint matches `resume`, or one cannot be written or read.
        LeaseError: if another process is working on the run to resume.
        WorkerError: if another process of a training on several devices ends.
    """
    place = launched()
    if place is None:
        return _run(spec, name, overrides, resume, output, progress, seeds)
    with starting("Meeting the other processes …"):
        from zoo.training.parallel.group import joined  # Keras
        from zoo.training.parallel.worker import follow

    with joined(place) as group:
        if group.rank == 0:
            return _run(spec, name, overrides, resume, output, progress, seeds)
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # ends a wait, too
        follow(group, spec.load(), spec.Config)
        group.leave()
        return None


def _run(spec, name, overrides, resume, output, progress, seeds):
    file = _file(spec, name)
    label = label_of(spec, name)
    if seeds:
        _check_seeds(label, seeds, overrides, resume)
        refuse_processes(label, "leave out --seeds")
    output = None if output is None else Path(output)
    _check_output(output)
    if resume is not None:
        from zoo.training.checkpoint import Checkpoint  # NumPy
        from zoo.training.lease import refuse_if_held

        checkpoint = Checkpoint.find(resume)
        refuse_if_held(checkpoint.folder)
        manifest = checkpoint.read_manifest()
        config = _resumed_config(spec, manifest, label, overrides)
        changes = [*(it for it in manifest.overrides if it not in overrides), *overrides]
        if output is None and manifest.output:
            output = Path(manifest.output)
            _check_output(output)
        return _run_one(spec, label, config, changes, manifest, output, progress)
    config = _resolve_file(spec, file, label, overrides)
    if seeds:
        if config.variants:
            raise ConfigError(
                label,
                ["a file with variants is a study already: set variants={}, or leave out --seeds"],
            )
        return _run_study(spec, file, label, config, list(overrides), progress, seeds, output)
    if not config.variants:
        return _run_one(spec, label, config, list(overrides), None, output, progress)
    refuse_processes(label, "set variants={}")
    if output is not None:
        raise ConfigError(
            label, [f"a study has several models: leave out --output. Received: {output}"]
        )
    return _run_study(spec, file, label, config, list(overrides), progress)


def resolve(
    spec: RecipeSpec, name: str = "quickstart", overrides: Sequence[str] = ()
) -> RecipeConfig:
    """Resolves the configuration that `run` would train with.

    When the data are loaded, `evaluation.metric` may still get a default that fits them; and the
    settings of `model` that are not given come from the model of `training.init_from`.

    Args:
        spec: The recipe.
        name: Name or path of the file, as in `run`.
        overrides: Changes to the file, each `key.sub=value`.

    Raises:
        ConfigError: with every mistake in the file and the overrides.
        FileNotFoundError: if there is no such file.
    """
    return _resolve_file(spec, _file(spec, name), label_of(spec, name), overrides)


def is_path(name: str) -> bool:
    """True if a name of a recipe is the path of a user's own file."""
    return Path(name).suffix in (".yaml", ".yml")


def _file(spec: RecipeSpec, name: str) -> Path:
    return Path(name) if is_path(name) else spec.folder / f"{name}.yaml"


def label_of(spec: RecipeSpec, name: str) -> str:
    """The recipe as `zoo run` takes it: `sentiment/quickstart`, or the path of a file."""
    return name if is_path(name) else f"{spec.name}/{name}"


def _resolve_file(spec, file, label, overrides) -> RecipeConfig:
    config = configs.load(spec.Config, file, overrides, source=label)
    return _with_recipe(spec, label, config).with_absolute_paths()


def _with_recipe(spec, label, config) -> RecipeConfig:
    """Sets `recipe` in the configuration, so that its logged file can be run by itself."""
    if config.recipe not in (None, spec.name):
        raise ConfigError(
            label,
            [f"recipe: must be {spec.name}, the recipe of this file. Received: {config.recipe!r}"],
        )
    return config.model_copy(update={"recipe": spec.name})


def _resumed_config(spec, manifest: "RunManifest", label, overrides) -> RecipeConfig:
    """Configuration of an interrupted run, with overrides of `RESUMABLE` keys."""
    if not _is_same_file(manifest.label, label):
        raise ConfigError(
            label,
            [
                f"the run to resume belongs to {manifest.label}: name that recipe instead. "
                f"Received: resume={manifest.run_id!r}"
            ],
        )
    mistakes = []
    used = backends.current()
    if manifest.backend not in (None, used):
        mistakes.append(
            "a run goes on with the backend that it was started on, because each draws other "
            f"random numbers: add --backend {manifest.backend}. Received: backend={used}"
        )
    for override in overrides:
        key = override.partition("=")[0]
        if not _is_within(key, RESUMABLE):
            mistakes.append(
                f"{key.strip()}: a resumed run cannot change it; it may change "
                f"{', '.join(RESUMABLE)}. Received: {override!r}"
            )
    if mistakes:
        raise ConfigError(label, mistakes)
    config = configs.resolve(spec.Config, manifest.config, overrides, source=label)
    selects = manifest.config["evaluation"]["metric"]
    if config.evaluation.metric != selects:
        raise ConfigError(
            label,
            [
                "a resumed run cannot change evaluation.metric, by which its best epoch so far was "
                f"selected: leave it {selects}. Received: {config.evaluation.metric}"
            ],
        )
    return _with_recipe(spec, label, config)


def _is_same_file(one: str, other: str) -> bool:
    """True if two labels name one recipe; of a user's files, as seen from any folder."""
    if is_path(one) and is_path(other):
        return Path(one).name == Path(other).name
    return one == other


def _is_within(key: str, sections: Sequence[str]) -> bool:
    """True if a key `a.b.c` is one of the sections or inside one."""
    key = key.strip()
    return any(key == section or key.startswith(f"{section}.") for section in sections)


def load_data(config: RecipeConfig, label: str) -> "tuple[Dataset, RecipeConfig]":
    """Loads the data; returns them and the configuration with a metric that fits them."""
    dataset = config.data.load(config.seed)
    config = with_metric(config, dataset)
    if mistakes := [format_conflict(it) for it in config.data_conflicts(dataset)]:
        raise ConfigError(label, mistakes)
    return dataset, config


def with_metric(config: RecipeConfig, dataset: "Dataset") -> RecipeConfig:
    """The configuration with a metric that fits the data, where it has none."""
    if config.evaluation.metric is not None:
        return config
    metric = config.default_metric(dataset)
    evaluation = config.evaluation.model_copy(update={"metric": metric})
    return config.model_copy(update={"evaluation": evaluation})


def _run_one(spec, label, config, overrides, manifest, output, progress) -> "RunResult":
    dataset, config = load_data(config, label)
    with starting(f"Starting {label} …"):
        from zoo.training.session import Session  # Keras, MLflow

        recipe = spec.load()(config)
    with Display(bar=progress) as display:
        result = Session(recipe, dataset, label, overrides, display).run(manifest, output)
    print(_summary(result, label))
    return result


def refuse_processes(label: str, remedy: str) -> None:
    """Raises a `ConfigError` if a launcher has started several processes."""
    if place := launched():
        raise ConfigError(
            label,
            [f"several processes train one model: {remedy}. Received: {place.size} processes"],
        )


def _check_seeds(label, seeds, overrides, resume) -> None:
    mistakes = []
    if len(set(seeds)) < max(2, len(seeds)) or min(seeds) < 0:
        mistakes.append(
            "--seeds takes two or more different seeds from 0, such as --seeds 1,2,3; a single "
            f"one is seed=1. Received: {', '.join(map(str, seeds))}"
        )
    if given := [change for change in overrides if change.partition("=")[0].strip() == "seed"]:
        mistakes.append(f"--seeds sets the seed: leave out {given[0]}")
    if resume is not None:
        mistakes.append(
            "an interrupted study is resumed by running it again: leave out --resume. "
            f"Received: resume={resume!r}"
        )
    if mistakes:
        raise ConfigError(label, mistakes)


def _run_study(
    spec, file, label, config, overrides, progress, seeds=(), output=None
) -> "StudyResult":
    _check_variants(spec, file, label, config, overrides)
    dataset, config = load_data(config, label)
    with starting(f"Starting {label} …"):
        from zoo.training.seeds import run_seeds  # Keras, MLflow
        from zoo.training.study import run_study

        recipe = spec.load()(config)

    def run_variant(variant: RecipeConfig, changes: list[str], manifest: "RunManifest | None"):
        if manifest is not None:
            changes = manifest.overrides
        return _run_one(spec, label, variant, changes, manifest, None, progress)

    def resolve_variant(changes: list[str]) -> RecipeConfig:
        return with_metric(_resolve_file(spec, file, label, changes), dataset)

    study = (recipe, dataset, label, overrides)
    if not seeds:
        return run_study(*study, resolve=resolve_variant, run=run_variant)
    result = run_seeds(*study, seeds, resolve=resolve_variant, run=run_variant, output=output)
    print("\n".join(_publication(result)))
    return result


def _check_variants(spec, file, label, config, overrides) -> None:
    """Reports the mistakes of all variants before any is trained."""
    mistakes = []
    for variant, changes in config.variants.items():
        place = f"variants.{variant}"
        for change in changes:
            if _is_within(change.partition("=")[0], SHARED):
                mistakes.append(
                    f"{place}: variants cannot change {', '.join(SHARED)}: set them for all. "
                    f"Received: {change!r}"
                )
        try:
            _resolve_file(spec, file, label, [*overrides, *changes, "variants={}"])
        except ConfigError as error:
            mistakes += [f"{place}: {mistake}" for mistake in error.mistakes]
    if mistakes:
        raise ConfigError(label, mistakes)


def _check_output(path: Path | None) -> None:
    if path is not None and path.exists() and not (path.is_dir() and not any(path.iterdir())):
        raise FileExistsError(f"The output must be a new or empty directory. Received: {path}")


def _summary(result: "RunResult", label: str) -> str:
    card = result.card
    lines = [
        f"{label}: {format_metrics(result.metrics)}",
        f"stored: {card.parameters:,} weights in {card.bytes / 1e6:.1f} MB, sha256 {card.sha256}",
    ]
    lines += _publication(result)
    return "\n".join(lines)


def _publication(result: "RunResult | SeedsResult") -> list[str]:
    """Lines on gates, registered version, preset and run, and the next command."""
    lines, model = [f"gate: {gate}" for gate in result.gates], result.model_uri
    if registered := result.registered:
        model = registered.uri
        champion = "champion" if registered.champion else "not champion"
        lines.append(
            f"registered: {registered.name} version {registered.version}, {champion}: "
            f"{registered.reason}"
        )
    if result.preset:
        lines.append(f"preset: {result.preset}")
    page = run_page(result.run_id, result.url)
    return [*lines, f"run: {page}", f'next: zoo infer {shlex.quote(model)} "…", zoo ui']
