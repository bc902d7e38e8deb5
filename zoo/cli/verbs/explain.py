"""Draw which parts of one input a model looked at, and which speak for and against its answer.

Without --method both are drawn: attention, and the effect of leaving each word out (or of covering
each region of an image). Attention alone is no explanation of an answer. Of a language model the
surprisal of each token is drawn: where it did not expect what came. Of a recording the spectrogram
is drawn, with its alignment.
"""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from zoo.cli import backend, models, output
from zoo.cli.errors import WrongUse, command
from zoo.explain.effects import METHODS
from zoo.extras import need
from zoo.terminal import waiting

EXAMPLES = """\
  zoo explain bilstm_bahdanau_sst2_en "Not a bad film at all." -o map.png
  zoo explain bilstm_bahdanau_nsmc_ko "정말 재미있어요" -o map.svg
  zoo explain gru_none_multi30k_en_de "A man sleeps." --method gradient
  zoo explain bilstm_bahdanau_sst2_en "Unwatchable." --pieces
  zoo explain lstm_shakespeare_char "Once more unto the breach" -o surprisal.png
  zoo explain models:/quickstart@champion "I did not like it." --json
  zoo explain models:/scenes@champion photo.jpg -o photo_map.png
  zoo explain bilstm_ctc_fsdd_digits_en 7_theo_0.wav -o alignment.png"""
NEXT = "zoo explain --help"

FORMATS = (".png", ".svg", ".pdf", ".html")


def arguments(parser: ArgumentParser) -> None:
    models.add_argument(parser)
    parser.add_argument(
        "input", metavar="INPUT", help="a text, or the path of an image or a recording"
    )
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="FILE",
        help=f"write the map to a {', '.join(FORMATS)} file (default: map.png, or none with "
        "--json)",
    )
    parser.add_argument(
        "--method",
        choices=(*METHODS, "surprisal"),
        help="draw one method alone: attention weights, the effect of leaving a word out, or "
        "gradient × input (default: attention and occlusion); of a language model surprisal (the "
        "default) or attention to its past",
    )
    parser.add_argument(
        "--pieces", action="store_true", help="explain the pieces of words that the model reads"
    )
    parser.add_argument("--json", action="store_true", help="print the numbers as JSON")
    backend.add_argument(parser)


def run(args: Namespace) -> None:
    file = args.output or (None if args.json else Path("map.png"))
    if file:
        _check_output(file)
    found = models.find(args.model)
    _check_input(args, found)
    if file and (file.suffix.lower() != ".html" or found.task.input == "audio"):
        need("draw", "Drawing")
    options = {"method": args.method} if args.method else {}
    if args.pieces:
        options["pieces"] = True
    model = models.load(found, args.backend)
    with waiting("Explaining …"):  # a text is read once for each of its words
        explanation = model.explain(args.input, **options)
    if file:
        explanation.save(file)
    if args.json:
        output.print_json(explanation.to_dict())
    else:
        print(file)
        for sentence in explanation.summary:
            output.say(sentence)


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
    is_transformer = backbone.get("decoder") == "transformer"  # of a language model
    if args.method == "attention" and backbone.get("attention") == "none" and not is_transformer:
        raise WrongUse(
            f"`{args.model}` has no attention to explain. Received: --method attention, and a "
            f"{task.name} with attention='none'",
            hint=command("zoo", "explain", args.model, args.input, "--method", "occlusion"),
        )
    if args.method and task.input == "audio":
        raise WrongUse(
            f"--method is for models that read texts or images, and `{args.model}` takes "
            f"{task.inputs_name}, whose alignment is drawn. Received: --method {args.method}",
            hint=command("zoo", "explain", args.model, args.input),
        )
    if args.pieces and task.input != "text":
        raise WrongUse(
            f"--pieces is for models that read texts in pieces, and `{args.model}` takes "
            f"{task.inputs_name}. Received: --pieces",
            hint=command("zoo", "explain", args.model, args.input),
        )
    if task.input in ("image", "audio") and not Path(args.input).is_file():
        kind = {"image": "an image", "audio": "an audio"}[task.input]
        raise WrongUse(
            f"`{args.model}` takes the path of {kind} file. Received: {args.input!r}",
            hint="zoo explain --help",
        )
    if not args.input.strip():
        raise WrongUse(
            f"An empty text cannot be explained. Received: {args.input!r}",
            hint="zoo explain --help",
        )
