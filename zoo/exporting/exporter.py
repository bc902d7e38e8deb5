"""Exports a model as a graph, and keeps the result only if it agrees with the model."""

import json
import pkgutil
import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.exporting.formats import BACKEND, FORMATS, OTHER_BACKENDS, REFUSED
from zoo.extras import need
from zoo.files import atomic_directory
from zoo.suggestions import did_you_mean
from zoo.tasks import TASKS, task_of

if TYPE_CHECKING:
    import keras_hub

    from zoo.exporting.adapters import ExportAdapter
    from zoo.presets import Card

EXTRA, DESCRIPTION_FILE = "assets.extra", "model.json"  # SavedModels may have this folder
TOLERANCE = 1e-5  # of a probability
BATCHES = (1, 2, 3, 14, 30, 50)  # batch sizes of the check


class ExportError(RuntimeError):
    """Error for a graph that could not be written, or that disagrees with its model."""


@dataclass(frozen=True)
class Check:
    """Result of comparing an exported graph with its model; tags, labels and texts were equal.

    Attributes:
        sentences: Number of sentences, or images, compared.
        difference: The largest absolute difference of a probability; of a text, of the exponential
            of its score.
    """

    sentences: int
    difference: float


def export(
    model: "keras_hub.models.Task",
    directory: str | Path,
    format: str = "saved_model",
    card: "Card | None" = None,
    **search: Any,
) -> Check:
    """Exports a tagger, a text classifier, or a model that writes, with its decoding.

    A tagger's graph includes the Viterbi algorithm and outputs `tags` and `confidences`, and
    `intents` if the model has any; a classifier's graph outputs `probabilities`. The graph of a
    model that writes includes the beam search and outputs the `tokens`, `scores` and `lengths` of
    the texts it finds, and its `attention`. Batches and sentences may have any size. The folder
    `assets.extra` beside the graph holds the vocabularies and `model.json`, which describes the
    inputs and outputs.

    The exported graph is run on a hundred inputs and compared with `model.infer`: if a tag, a label
    or a text differs, or a probability by more than 1e-5, the export is deleted.

    Args:
        model: A `TokenClassifier`, `TextClassifier`, `Seq2SeqLM` or `ImageToText` with its
            preprocessor, on TensorFlow.
        directory: Path of the directory to write, for both formats.
        format: `"saved_model"`, or `"onnx"`, which needs the packages tf2onnx and onnxruntime.
            Defaults to `"saved_model"`.
        card: The model's card; its name, description, licence and citation are written to
            `model.json`. Defaults to `None`.
        **search: Of a model that writes, options of `infer`: `beam`, `n_best`, the penalties and
            the lengths. `max_length` defaults to the greatest that the preprocessor has.

    Returns:
        The `Check`.

    Raises:
        ValueError: if the format, the task, the backend or an option is not supported.
        MissingExtra: if a package that the format needs is missing.
        FileExistsError: if the directory is not empty.
        ExportError: if the graph could not be written, or disagrees with the model.
    """
    import keras

    check_format(format)
    running = keras.config.backend()
    if running != BACKEND:
        reason = OTHER_BACKENDS.get(running, "no other backend was tried")
        raise ValueError(
            f"Models are exported from TensorFlow: {reason}. Load the preset in a process with "
            f"KERAS_BACKEND=tensorflow. Received: a model on {running}"
        )
    from zoo.models.checks import require_preprocessor

    task = next(filter(None, map(task_of, type(model).__mro__)), None)
    if task is None or task.export_adapter is None:
        raise _unsupported(type(model).__name__)
    if getattr(model.backbone, "pretrained", None) is not None:
        raise ValueError(
            "A model around a KerasHub encoder cannot be exported, because its tokenizer cannot be "
            "described by a vocabulary alone: use its preset. Received: a model around a "
            f"{model.backbone.encoder}"
        )
    require_preprocessor(model.preprocessor)  # its vocabularies are exported
    if search and task.options_class is None:
        raise ValueError(
            "Only models that write take options of a search; leave them out. "
            f"Received: {', '.join(search)} for a {task.name}"
        )
    adapter: ExportAdapter = pkgutil.resolve_name(task.export_adapter)(model, **search)
    writer = FORMATS[format]
    with atomic_directory(directory) as temporary:
        try:
            writer.write(adapter.graph, adapter.shapes, temporary)
            check = compare(adapter, writer.load(temporary))
        except ExportError:
            raise
        except Exception as error:  # converters and runtimes raise errors of any class
            reason = str(error).strip().partition("\n")[0]
            raise ExportError(
                f"The model could not be written as {format}, or the exported graph does not run: "
                f"nothing was kept. Try another format: {', '.join(FORMATS)}. "
                f"Received: {type(error).__name__}: {reason}"
            ) from error
        _describe(adapter, temporary / EXTRA, card, check)
    return check


def check_format(format: str) -> None:
    """Checks that a format is supported and its packages are installed, without loading a model.

    Raises:
        ValueError: if the format is unknown, or refused because its results would be wrong.
        MissingExtra: if a package is missing.
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
    need(FORMATS[format].extra, f"Writing {format} and checking it")


def check_task(task: str) -> None:
    """Checks that models of a task can be exported, without loading one.

    Args:
        task: Name of the task.

    Raises:
        ValueError: if they cannot.
    """
    if task not in TASKS or TASKS[task].export_adapter is None:
        raise _unsupported(task)


def compare(adapter: "ExportAdapter", run: Callable) -> Check:
    """Compares the exported graph with the model, in batches of several sizes.

    Args:
        adapter: The adapter of the model.
        run: The exported graph: a function from arrays by name to arrays by name.

    Returns:
        The result.

    Raises:
        ExportError: if a tag, label or text differs, or a probability by more than the tolerance.
    """
    import numpy as np

    random = np.random.default_rng(0)
    sentences = adapter.sentences(random)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*were truncated")  # these texts are not the user's
        expected = adapter.expected(sentences)
    order = random.permutation(len(sentences))
    largest = 0.0
    for rows in np.split(order, np.cumsum(BATCHES)[:-1]):
        answers = run(adapter.batch([sentences[row] for row in rows]))
        for place, row in enumerate(rows):
            names, probabilities = adapter.found(answers, place, sentences[row])
            if names != expected[row][0]:
                raise ExportError(
                    "The exported graph and the model give different answers: nothing was kept. "
                    f"Received: {names} instead of {expected[row][0]} for {sentences[row]!r:.300}"
                )
            difference = np.abs(np.subtract(probabilities, expected[row][1])).max()
            largest = np.maximum(largest, difference)  # NaN if either is NaN
    if not largest <= TOLERANCE:
        raise ExportError(
            f"Probabilities of the exported graph may differ from the model's by {TOLERANCE:g}: "
            f"nothing was kept. Received: a difference of {largest:.2g}"
        )
    return Check(len(sentences), float(largest))


def _unsupported(received):
    supported = ", ".join(name for name, row in TASKS.items() if row.export_adapter)
    return ValueError(
        f"Models of these tasks can be exported: {supported}. The decoding of others, and of "
        f"several models together, is no part of a graph. Received: {received}"
    )


def _describe(adapter, directory, card, check):
    """Writes the vocabularies and `model.json`, which describes the graph."""
    import zoo

    directory.mkdir()
    preprocessor = adapter.model.preprocessor
    preprocessor.tokenizer.save_assets(str(directory))
    if getattr(preprocessor, "has_two_tokenizers", False):
        (directory / "source").mkdir()
        preprocessor.source_tokenizer.save_assets(str(directory / "source"))
    origin = {"exported_by": f"seqzoo {zoo.__version__}"}
    if card:
        fields = ("name", "task", "description", "languages", "dataset", "licence", "citation")
        origin |= {name: getattr(card, name) for name in fields}
    content = origin | adapter.description() | {"checked": asdict(check)}
    text = json.dumps(content, ensure_ascii=False, indent=2)
    (directory / DESCRIPTION_FILE).write_text(text + "\n", "utf-8")
