"""Draws where a model looked when it answered."""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from zoo.cli import backend, models, output
from zoo.cli.errors import WrongUse

EXAMPLES = """\
  zoo explain bilstm_bahdanau_sst2_en "Not a bad film at all." -o map.png
  zoo explain bilstm_bahdanau_nsmc_ko "정말 재미있어요" -o map.svg
  zoo explain models:/quickstart@champion "I did not like it." --json
  zoo explain models:/scenes@champion photo.jpg -o photo_map.png"""
NEXT = "zoo ls"

FORMATS = (".png", ".svg", ".pdf", ".html")


def arguments(parser: ArgumentParser) -> None:
    models.add_argument(parser)
    parser.add_argument(
        "input", metavar="TEXT", help="what it is to read; the file of a picture for a captioner"
    )
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="FILE",
        help=f"the picture, {', '.join(FORMATS)} (default: map.png, or none with --json)",
    )
    parser.add_argument("--json", action="store_true", help="print the weights")
    backend.add_argument(parser)


def run(args: Namespace) -> None:
    picture = args.output or (None if args.json else Path("map.png"))
    if picture:
        _check(picture)
    model = models.load(args.model, args.backend)
    if not hasattr(model, "explain"):
        raise WrongUse(
            f"`{args.model}` is a {type(model).__name__}, which cannot explain itself.",
            hint=f'zoo infer {args.model} "{args.input}"',
        )
    explanation = model.explain(args.input)
    if picture:
        explanation.save(picture)
    if args.json:
        output.print_json(explanation.to_dict())
    else:
        print(picture)


def _check(picture: Path) -> None:
    """Better now than after the model is loaded."""
    if picture.suffix.lower() not in FORMATS:
        raise WrongUse(
            f"The file's ending tells what is drawn: {', '.join(FORMATS)}. "
            f"Received: --output {picture}",
            hint=f"-o {picture.with_suffix('.png')}",
        )
    if not picture.parent.is_dir():
        raise WrongUse(
            f"There is no such directory. Received: --output {picture}",
            hint=f"mkdir -p {picture.parent}",
        )
