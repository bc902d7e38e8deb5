"""Trains, evaluates, tracks and registers a model by a recipe.

Every key of the recipe can be set on the command line; `zoo recipes RECIPE/NAME` prints them.
"""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from zoo.cli import backend, recipe_files
from zoo.cli.errors import WrongUse

EXAMPLES = """\
  zoo run sentiment/quickstart
  zoo run sentiment/quickstart model.pooling=multi_head training.epochs=5 --backend jax
  zoo run sentiment/bilstm_bahdanau_nsmc_ko --resume RUN"""
NEXT = "zoo recipes"


def arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "recipe", metavar="RECIPE[/NAME]", help="from `zoo recipes`; NAME is quickstart if left out"
    )
    parser.add_argument(
        "overrides",
        metavar="KEY.SUB=VALUE",
        nargs="*",
        default=[],
        help="what differs from the file",
    )
    parser.add_argument("--resume", metavar="RUN", help="go on with a run that was interrupted")
    parser.add_argument("--output", type=Path, metavar="DIR", help="keep the preset here as well")
    parser.add_argument("--no-progress", action="store_true", help="a line an epoch, no bar")
    backend.add_argument(parser)


def run(args: Namespace) -> None:
    for override in args.overrides:
        if "=" not in override:
            raise WrongUse(
                f"What differs from the file is written KEY.SUB=VALUE. Received: {override}",
                hint=f"zoo recipes {args.recipe}",
            )
    file = recipe_files.find(args.recipe)
    backend.choose(args.backend)
    recipe = file.entry_point.load()
    recipe.run(
        file.name,
        args.overrides,
        resume=args.resume,
        output=args.output,
        progress=not args.no_progress,
    )
