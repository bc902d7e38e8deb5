"""Export a model to a SavedModel or ONNX graph.

The graph runs without this library. That of a tagger includes the Viterbi algorithm, that of a
translator or a captioner the beam search. It is compared with the model on a hundred inputs and
kept only if the answers agree. The folder assets.extra beside it holds the vocabularies and
model.json, which describes the inputs and outputs.
"""

from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from zoo import exporting
from zoo.cli import backend, models, output, settings
from zoo.cli.errors import WrongUse, command
from zoo.tasks import Task
from zoo.terminal import quiet, waiting

EXAMPLES = """\
  zoo export bilstm_crf_ewt_en_upos --format saved_model -o tagger
  zoo export bilstm_bahdanau_sst2_en --format onnx -o classifier
  zoo export gru_bahdanau_multi30k_en_de --set beam=5 --set n_best=3 -o translator
  zoo export models:/slots@champion -o slots"""
NEXT = "zoo export --help"


def arguments(parser: ArgumentParser) -> None:
    models.add_argument(parser)
    parser.add_argument(
        "--format",
        default="saved_model",
        metavar="{saved_model,onnx}",
        help="a TensorFlow SavedModel, or a file for ONNX Runtime (default: saved_model)",
    )
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="DIR",
        required=True,
        help="the directory to write",
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="OPTION=VALUE",
        help="set an option of the beam search of a model that writes, such as beam=10; repeatable",
    )
    parser.add_argument(
        "--backend",
        choices=backend.BACKENDS,
        default=exporting.BACKEND,
        help="only tensorflow exports correctly; models trained on any backend can be exported",
    )


def run(args: Namespace) -> None:
    models.check(args.model)
    _check(args)
    found = models.find(args.model)
    with _wrong_use("zoo ls"):
        exporting.check_task(found.task.name)
    search = _search(args, found.task)
    model = models.load(found, exporting.BACKEND)
    with quiet(), waiting(f"Exporting to {args.output} and checking …"):
        check = exporting.export(model, args.output, args.format, found.card, **search)
    size = sum(path.stat().st_size for path in args.output.rglob("*") if path.is_file())
    print(f"{args.output}: {args.format}, {output.size(size)}")
    print(
        f"checked on {check.sentences} {found.task.inputs_name}: equal answers, largest difference "
        f"of a probability {check.difference:.1g}"
    )


def _search(args: Namespace, task: Task) -> dict[str, Any]:
    """The options of a search, refused if they are wrong before the model is loaded."""
    hint = "zoo export --help"
    if args.set and task.options_class is None:
        raise WrongUse(
            "Only models that write have a search to set options of. "
            f"Received: --set {args.set[0]} for a {task.name}",
            hint=hint,
        )
    known = {name: task.options[name] for name in exporting.SEARCH if name in task.options}
    search = settings.read(args.set, known, hint)
    settings.check(task, search, hint)
    return search


def _check(args: Namespace) -> None:
    """Refuses wrong arguments before the model is loaded."""
    with _wrong_use("zoo export --help"):
        exporting.check_format(args.format)
    if args.backend != exporting.BACKEND:
        raise WrongUse(
            "Models are exported on TensorFlow, whichever backend trained them: "
            f"{exporting.OTHER_BACKENDS[args.backend]}. A preset is the same on every backend: "
            f"omit --backend. Received: --backend {args.backend}",
            hint=command("zoo", "export", args.model, "--format", args.format, "-o", args.output),
        )
    if args.output.suffix == ".onnx":
        raise WrongUse(
            f"The output is a directory, also for ONNX: model.onnx and its vocabularies. "
            f"Received: --output {args.output}",
            hint=command("-o", args.output.with_suffix("")),
        )
    if args.output.is_file() or (args.output.is_dir() and any(args.output.iterdir())):
        raise WrongUse(
            f"The output must be a new or empty directory. Received: --output {args.output}",
            hint=command("-o", args.output.with_name(args.output.name + "_2")),
        )


@contextmanager
def _wrong_use(hint: str) -> Iterator[None]:
    try:
        yield
    except ValueError as error:
        raise WrongUse(str(error), hint=hint) from None
