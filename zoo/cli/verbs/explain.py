"""Draw the attention weights of a model's answer to one input."""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from zoo.cli import backend, models, output
from zoo.cli.errors import WrongUse, command

EXAMPLES = """\
  zoo explain bilstm_bahdanau_sst2_en "Not a bad film at all." -o map.png
  zoo explain bilstm_bahdanau_nsmc_ko "정말 재미있어요" -o map.svg
  zoo explain models:/quickstart@champion "I did not like it." --json
  zoo explain models:/scenes@champion photo.jpg -o photo_map.png"""
NEXT = "zoo ls"

FORMATS = (".png", ".svg", ".pdf", ".html")


def arguments(parser: ArgumentParser) -> None:
    models.add_argument(parser)
    parser.add_argument("input", metavar="INPUT", help="a text, or the path of an image")
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="FILE",
        help=f"write the map to a {', '.join(FORMATS)} file (default: map.png, or none with "
        "--json)",
    )
    parser.add_argument("--json", action="store_true", help="print the weights as JSON")
    backend.add_argument(parser)


def run(args: Namespace) -> None:
    file = args.output or (None if args.json else Path("map.png"))
    if file:
        _check_output(file)
    found = models.find(args.model)
    _check_input(args, found)
    explanation = models.load(found, args.backend).explain(args.input)
    if file:
        explanation.save(file)
    if args.json:
        output.print_json(explanation.to_dict())
    else:
        print(file)


def _check_output(file: Path) -> None:
    """Refuses a wrong output file before the model is loaded."""
    if file.suffix.lower() not in FORMATS:
        raise WrongUse(
            f"The suffix of the output must be one of {', '.join(FORMATS)}. "
            f"Received: --output {file}",
            hint=command("-o", file.with_suffix(".png")),
        )
    if not file.parent.is_dir():
        raise WrongUse(
            f"The directory of --output must exist. Received: --output {file}",
            hint=command("mkdir", "-p", file.parent),
        )


def _check_input(args: Namespace, found: models.FoundModel) -> None:
    """Refuses a model or an input that cannot be explained before the model is loaded."""
    task, backbone = found.task, found.config("config.json") or {}
    if task.explain_needs_attention and backbone.get("attention") == "none":
        raise WrongUse(
            f"`{args.model}` has no attention to explain. Received: a {task.name} with "
            "attention='none'",
            hint=command("zoo", "infer", args.model, args.input),
        )
    if task.input == "image" and not Path(args.input).is_file():
        raise WrongUse(
            f"`{args.model}` takes the path of an image file. Received: {args.input!r}",
            hint="zoo explain --help",
        )
    if not args.input.strip():
        raise WrongUse(
            f"An empty text cannot be explained. Received: {args.input!r}",
            hint="zoo explain --help",
        )
