"""Writes a model for others to run, and hands it out only if it answers as the model does."""

import importlib.util
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from zoo.exporting.formats import BACKEND, FORMATS, OTHER_BACKENDS, REFUSED
from zoo.files import atomic_directory
from zoo.suggestions import did_you_mean

if TYPE_CHECKING:
    import keras_hub

    from zoo.exporting.adapters import ExportAdapter
    from zoo.presets import Card

EXTRA, DESCRIPTION_FILE = "assets.extra", "model.json"  # a folder that SavedModels may have
TASKS = ("token_classifier", "text_classifier")
TOLERANCE = 1e-5  # of a probability
BATCHES = (1, 2, 3, 14, 30, 50)  # sizes of those in which the sentences are checked


class ExportError(RuntimeError):
    """A model that cannot be exported, or answered otherwise when it was."""


@dataclass(frozen=True)
class Check:
    """How an exported model was compared with the one it was made of; all names were the same.

    Attributes:
        sentences: How many sentences both were given.
        difference: The largest difference of a probability.
    """

    sentences: int
    difference: float


def export(
    model: "keras_hub.models.Task",
    directory: str | Path,
    format: str = "saved_model",
    card: "Card | None" = None,
) -> Check:
    """Exports a tagger or a text classifier, with all that its answer takes.

    A tagger's graph holds the Viterbi algorithm and gives `tags` and `confidences`, and
    `intents` where it knows any; a classifier's gives `probabilities`. Batches and sentences
    may have any size. Beside the graph, in `assets.extra`, lie the vocabularies and
    `model.json`, which says how inputs are made and what outputs mean.

    What was written is run on a hundred sentences and compared with `model.infer`: if tags or
    labels differ, or probabilities by more than 1e-5, nothing is left.

    Args:
        model: A `TokenClassifier` or a `TextClassifier` with its preprocessor, on TensorFlow.
        directory: Where it shall be: a directory, also for ONNX.
        format: `"saved_model"`, or `"onnx"`, which needs the packages tf2onnx and onnxruntime.
            Defaults to `"saved_model"`.
        card: Of the model, whose name, description, licence and citation go into `model.json`.
            Defaults to `None`.

    Returns:
        The `Check`.

    Raises:
        ValueError: if the format, the task or the backend is another.
        ImportError: if a package that the format needs is missing.
        FileExistsError: if the directory holds something.
        ExportError: if the model could not be written so, or what was written answers
            otherwise.
    """
    import keras

    check_format(format)
    running = keras.config.backend()
    if running != BACKEND:
        reason = OTHER_BACKENDS.get(running, "no other was tried")
        raise ValueError(
            f"Models are exported from TensorFlow: {reason}. Load the preset in a process with "
            f"KERAS_BACKEND=tensorflow. Received: a model on {running}"
        )
    from zoo.exporting.adapters import ADAPTERS
    from zoo.models.checks import require_preprocessor

    kinds = [kind for task, kind in ADAPTERS.items() if isinstance(model, task)]
    if not kinds:
        raise _refused(type(model).__name__)
    require_preprocessor(model.preprocessor)  # its vocabularies go along
    subject, how = kinds[0](model), FORMATS[format]
    with atomic_directory(directory) as beside:
        try:
            how.write(subject.graph, subject.shapes, beside)
            checked = compare(subject, how.load(beside))
        except ExportError:
            raise
        except Exception as error:  # whatever the converters and runtimes think of
            reason = str(error).strip().partition("\n")[0]
            raise ExportError(
                f"The model could not be written as {format}, or what was written does not run: "
                f"nothing was left. Another format may do: {', '.join(FORMATS)}. "
                f"Received: {type(error).__name__}: {reason}"
            ) from error
        _describe(subject, beside / EXTRA, card, checked)
    return checked


def check_format(format: str) -> None:
    """Says at once what is wrong with a format, or missing for it.

    Raises:
        ValueError: if there is no such format, or it cannot be right.
        ImportError: if a package is missing.
    """
    if format not in FORMATS:
        known = " or ".join(FORMATS)
        if reason := REFUSED.get(format.lower()):
            raise ValueError(
                f"The format is {known}; this one is refused, because {reason}. "
                f"Received: format={format}"
            )
        raise ValueError(
            f"The format is {known}.{did_you_mean(format, FORMATS)} Received: format={format}"
        )
    missing = [name for name in FORMATS[format].needs if not importlib.util.find_spec(name)]
    if missing:
        raise ImportError(
            f"To write {format}, and to check what was written, takes the packages "
            f'{" and ".join(FORMATS[format].needs)}: pip install "seqzoo[{format}]". '
            f"Received: no {' and no '.join(missing)}"
        )


def check_task(task: str) -> None:
    """Says whether models of a task, by its name, can be exported.

    Raises:
        ValueError: if not.
    """
    if task not in TASKS:
        raise _refused(task)


def compare(subject: "ExportAdapter", run: Callable) -> Check:
    """Asks the model and what was exported the same, in batches of several sizes.

    Args:
        subject: The model.
        run: The exported graph: from arrays by name to arrays by name.

    Returns:
        What was found.

    Raises:
        ExportError: if a name is another, or a probability too far off.
    """
    import numpy as np

    random = np.random.default_rng(0)
    sentences = subject.sentences(random)
    expected = subject.expected(sentences)
    order = random.permutation(len(sentences))
    largest = 0.0
    for rows in np.split(order, np.cumsum(BATCHES)[:-1]):
        answers = run(subject.batch([sentences[row] for row in rows]))
        for place, row in enumerate(rows):
            names, probabilities = subject.found(answers, place, sentences[row])
            if names != expected[row][0]:
                raise ExportError(
                    "What was exported does not answer as the model does: nothing was left. "
                    f"Received: {names} instead of {expected[row][0]} for {sentences[row]!r:.300}"
                )
            difference = np.abs(np.subtract(probabilities, expected[row][1])).max()
            largest = np.maximum(largest, difference)  # not a number, if either is none
    if not largest <= TOLERANCE:
        raise ExportError(
            f"The probabilities of what was exported may differ by {TOLERANCE:g} from the model's: "
            f"nothing was left. Received: a difference of {largest:.2g}"
        )
    return Check(len(sentences), float(largest))


def _refused(task):
    return ValueError(
        f"Only taggers and text classifiers are exported: {', '.join(TASKS)}. A model that writes "
        "finds its answer in a search outside of the graph, which alone would answer something "
        f"else. Received: a {task}"
    )


def _describe(subject, directory, card, checked):
    """Writes the vocabularies, and what tells how to feed the graph."""
    import zoo

    directory.mkdir()
    subject.model.preprocessor.tokenizer.save_assets(str(directory))
    origin = {"exported_by": f"seqzoo {zoo.__version__}"}
    if card:
        named = ("name", "task", "description", "languages", "dataset", "licence", "citation")
        origin |= {name: getattr(card, name) for name in named}
    content = origin | subject.description() | {"checked": asdict(checked)}
    text = json.dumps(content, ensure_ascii=False, indent=2)
    (directory / DESCRIPTION_FILE).write_text(text + "\n", "utf-8")
