"""Writes a tagger or a text classifier as a graph that runs without this library.

A tagger's graph holds the Viterbi algorithm. What is written is run on a hundred sentences first,
and kept only if it answers as the model does. Beside it, in assets.extra, lie the vocabularies and
model.json, which says how it is fed.
"""

from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from zoo import exporting
from zoo.cli import backend, models, output
from zoo.cli.errors import Failure, WrongUse
from zoo.terminal import quiet, waiting

EXAMPLES = """\
  zoo export bilstm_crf_ewt_en_upos --format saved_model -o tagger
  zoo export bilstm_bahdanau_sst2_en --format onnx -o classifier
  zoo export models:/slots@champion -o slots"""
NEXT = "zoo export --help"


def arguments(parser: ArgumentParser) -> None:
    models.add_argument(parser)
    parser.add_argument(
        "--format",
        default="saved_model",
        metavar="{saved_model,onnx}",
        help="for TensorFlow, or for ONNX Runtime (default: saved_model)",
    )
    parser.add_argument(
        "-o", "--output", type=Path, metavar="DIR", required=True, help="a new directory"
    )
    parser.add_argument(
        "--backend",
        choices=backend.BACKENDS,
        default=exporting.BACKEND,
        help="tensorflow, for from no other it is right; models of all can be exported",
    )


def run(args: Namespace) -> None:
    models.check(args.model)
    _check(args)
    card, directory = models.card_of(args.model)
    if card:
        with _wrong_use("zoo ls"):
            exporting.check_task(card.task)
    model = models.load(str(directory), exporting.BACKEND)
    with quiet(), waiting(f"Writing {args.output}, and checking it …"):
        checked = exporting.export(model, args.output, args.format, card)
    written = sum(path.stat().st_size for path in args.output.rglob("*") if path.is_file())
    print(f"{args.output}: {args.format}, {output.size(written)}")
    print(
        f"checked on {checked.sentences} sentences: the same answers, largest difference of a "
        f"probability {checked.difference:.1g}"
    )


def _check(args: Namespace) -> None:
    """Better now than after the model is loaded."""
    with _wrong_use("zoo export --help"):
        exporting.check_format(args.format)
    if args.backend != exporting.BACKEND:
        raise WrongUse(
            "Models are exported from TensorFlow, whatever they were trained on: "
            f"{exporting.OTHER_BACKENDS[args.backend]}. A preset is the same on every backend: "
            f"leave --backend out. Received: --backend {args.backend}",
            hint=f"zoo export {args.model} --format {args.format} -o {args.output}",
        )
    if args.output.suffix == ".onnx":
        raise WrongUse(
            f"A directory is written, also for ONNX: model.onnx, and what it takes to feed it. "
            f"Received: --output {args.output}",
            hint=f"-o {args.output.with_suffix('')}",
        )
    if args.output.is_file() or (args.output.is_dir() and any(args.output.iterdir())):
        raise WrongUse(
            f"There is something already. Received: --output {args.output}",
            hint=f"-o {args.output.with_name(args.output.name + '_2')}",
        )


@contextmanager
def _wrong_use(hint: str) -> Iterator[None]:
    try:
        yield
    except ValueError as error:
        raise WrongUse(str(error), hint=hint) from None
    except ImportError as error:
        raise Failure(str(error), hint='pip install "seqzoo[onnx]"') from None
