"""Name, description and languages of a run's model, where the recipe states none."""

import re
import shlex
from collections.abc import Sequence
from pathlib import Path

from zoo.data import Dataset
from zoo.data.languages import guess_language
from zoo.presets.loading import members_of
from zoo.tasks import TASKS
from zoo.training.schema import RecipeConfig

TEXT_COLUMNS = ("text", "source", "target")
UNTOLD = ("data.", "description", "evaluation.", "tracking.", "variants")  # not in a run's name
MAX_NAME = 120
LIST_COLUMNS = ("tokens", "captions")  # a list of strings in each row


def model_name(config: RecipeConfig, label: str, dataset: Dataset) -> str:
    """Name of a run and its model.

    Args:
        config: The configuration.
        label: The recipe as `zoo run` takes it: `sentiment/quickstart`, or the path of a file.
        dataset: The data.

    Returns:
        `tracking.name`; or else the name of the file to train on, if it is the user's own, and
        the name of the recipe file otherwise.
    """
    if config.tracking.name:
        return config.tracking.name
    if config.data.name is not None:
        return Path(label).stem
    name = re.sub(r"[^A-Za-z0-9_.-]+", "_", dataset.name).strip("_.-")
    return name or f"{config.recipe}_{dataset.digest[:8]}"


def run_name(name: str, overrides: Sequence[str]) -> str:
    """Name of a run: that of its model, and what differs from the recipe file.

    >>> run_name("quickstart", ["training.epochs=4", "model.units=24", "evaluation.samples=2"])
    'quickstart units=24 epochs=4'

    Args:
        name: Name of the model.
        overrides: Changes to the recipe file. Where they name the run, its name says what differs.
    """
    changes = [change.strip() for change in overrides]
    if any(change.startswith("tracking.name") for change in changes):
        return name
    told = sorted(changes, key=lambda change: not change.startswith("model."))  # tables cut names
    told = [_last(change) for change in told if not change.startswith(UNTOLD)]
    return " ".join([name, *told])[:MAX_NAME]


def command(label: str, overrides: Sequence[str], backend: str) -> str:
    """The command that repeats a run.

    Args:
        label: The recipe as `zoo run` takes it.
        overrides: Changes to its file.
        backend: The Keras backend.
    """
    return shlex.join(["zoo", "run", label, *overrides, "--backend", backend])


def resume_command(label: str, run_id: str, backend: str | None) -> str:
    """The command that resumes an interrupted run, on its backend."""
    chosen = ["--backend", backend] if backend else []
    return shlex.join(["zoo", "run", label, "--resume", run_id[:8], *chosen])


def description(config: RecipeConfig, dataset: Dataset) -> str:
    """The description of the recipe, or one that names the data."""
    if config.description:
        return config.description
    row = TASKS.get(dataset.task)
    task = row.pipeline_tag.replace("-", " ") if row else config.recipe
    rows = len(next(iter(dataset.splits["train"].values()), []))
    labels = f", {len(dataset.labels)} labels" if dataset.labels else ""
    source: str | list[str] = config.training.init_from or []
    names = list(map(source_name, [source] if isinstance(source, str) else source))
    start = f", starting from {' and '.join(names)}" if names else ""
    if teachers := getattr(config.training, "teachers", []):
        taught_by = ", ".join(Path(it).name for teacher in teachers for it in members_of(teacher))
        start += f", taught by {taught_by}"
    return f"A model for {task}, trained on {dataset.name} ({rows:,} rows{labels}){start}."


def source_name(source: str) -> str:
    """A model as a recipe names it; of an absolute path the last part: cards are published."""
    return Path(source).name if Path(source).is_absolute() else source


def languages(dataset: Dataset) -> tuple[str, ...]:
    """The languages of the data, each once: those stated, else guessed from the training split."""
    if dataset.languages:
        return tuple(dict.fromkeys(dataset.languages))
    guessed = []
    for name, values in dataset.splits["train"].items():
        if name in TEXT_COLUMNS:
            guessed.append(guess_language(values))
        elif name in LIST_COLUMNS:
            guessed.append(guess_language(" ".join(words) for words in values))
    known = [language for language in guessed if language]
    return tuple(known) if len(known) == len(guessed) else ()


def input_column(config: RecipeConfig, task: str) -> str | None:
    """Name of the column of inputs in the user's own files; `None` for other data and formats."""
    row = TASKS.get(task)
    if config.data.name is not None or row is None or row.input_column is None:
        return None
    return getattr(config.data, row.input_column.argument, None)


def _last(change: str) -> str:
    """`units=24` of `model.units=24`."""
    key, equals, value = change.partition("=")
    return f"{key.rpartition('.')[2]}{equals}{value}"
