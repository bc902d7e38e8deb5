"""Train, evaluate, track and register a model with a recipe.

Every key of the recipe can be set on the command line; `zoo recipes RECIPE/NAME` prints them.
"""

from argparse import ArgumentParser, ArgumentTypeError, Namespace
from pathlib import Path

from zoo.cli import backend, recipe_files
from zoo.cli.errors import WrongUse, command

EXAMPLES = """\
  zoo run sentiment/quickstart
  zoo run sentiment/quickstart model.pooling=multi_head training.epochs=5 --backend jax
  zoo run sentiment/quickstart --seeds 1,2,3
  zoo recipes sentiment/quickstart -o my.yaml && zoo run my.yaml
  zoo run sentiment/bilstm_bahdanau_nsmc_ko --resume RUN --backend jax"""
NEXT = "zoo recipes"


def arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "recipe",
        metavar="RECIPE[/NAME]|FILE",
        help="a recipe of `zoo recipes` (NAME defaults to quickstart), or your own .yaml file",
    )
    parser.add_argument(
        "overrides", metavar="KEY.SUB=VALUE", nargs="*", default=[], help="changes to the file"
    )
    parser.add_argument("--resume", metavar="RUN", help="resume an interrupted run, on its backend")
    parser.add_argument(
        "--seeds",
        type=read_seeds,
        default=(),
        metavar="SEED,…",
        help="run the file with each seed, compare them, and keep the best on dev, such as 1,2,3; "
        "running it again resumes it",
    )
    parser.add_argument(
        "-o", "--output", type=Path, metavar="DIR", help="save the preset here as well"
    )
    parser.add_argument(
        "--no-progress", action="store_true", help="print a line per epoch instead of a bar"
    )
    backend.add_argument(parser)


def run(args: Namespace) -> None:
    for override in args.overrides:
        if "=" not in override:
            raise WrongUse(
                f"Changes to the file are written KEY.SUB=VALUE. Received: {override}",
                hint=command("zoo", "recipes", args.recipe),
            )
    file = recipe_files.find(args.recipe)
    backend.choose(args.backend)
    from zoo.training import run

    run(
        file.entry_point.load(),
        file.argument,
        args.overrides,
        resume=args.resume,
        output=args.output,
        progress=not args.no_progress,
        seeds=args.seeds,
    )


def read_seeds(text: str) -> tuple[int, ...]:
    """The value of `--seeds`."""
    try:
        return tuple(int(seed) for seed in text.split(","))
    except ValueError:
        raise ArgumentTypeError(
            f"seeds are whole numbers with commas between, such as 1,2,3. Received: {text}"
        ) from None
