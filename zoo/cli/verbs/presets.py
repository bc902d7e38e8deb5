"""Enter the published models in the tracking store, so that `zoo ui` shows them.

Each becomes a run in the experiment of its task, with its metrics, learning curves, settings and
card, and a registered version with the alias `published`. It takes seconds, and may be repeated:
models that are there are left alone, and what was interrupted is completed.
"""

import shlex
from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

from zoo.cli import backend, output, recipe_files
from zoo.cli.errors import WrongUse
from zoo.extras import need
from zoo.suggestions import did_you_mean

if TYPE_CHECKING:
    from zoo import Card

EXAMPLES = """\
  zoo presets import
  zoo presets import bilstm_bahdanau_sst2_en
  zoo infer models:/bilstm_bahdanau_sst2_en@published "Not bad at all.\""""
NEXT = "zoo ls"


def arguments(parser: ArgumentParser) -> None:
    parser.add_argument("action", choices=("import",), help="enter models in the tracking store")
    parser.add_argument(
        "names", metavar="NAME", nargs="*", default=[], help="a model of `zoo ls` (default: all)"
    )
    parser.add_argument("--json", action="store_true", help="print the runs as JSON")


def run(args: Namespace) -> None:
    import zoo

    cards = {card.name: card for card in zoo.list_models()}
    for name in args.names:
        if name not in cards:
            raise WrongUse(
                f"There is no pretrained model `{name}`.{did_you_mean(name, cards)}", hint="zoo ls"
            )
    entered = enter([cards[name] for name in args.names or cards])
    if args.json:
        output.print_json(
            [{"name": it.card.name, "run": it.run_id, "new": it.is_new} for it in entered]
        )
        return
    new = sum(it.is_new for it in entered)
    print(f"{new} entered, {len(entered) - new} were there")
    print("next: zoo ui, or zoo registry ls")


def enter(cards: "list[Card]") -> list:
    """Enters models in the tracking store, with a line for each that is new."""
    need("train", "Entering models in the tracking store", "mlflow")
    backend.quiet_libraries()
    from filelock import FileLock
    from mlflow import MlflowClient

    from zoo import presets
    from zoo.home import home
    from zoo.tracking import prepare_store, published

    client = MlflowClient(prepare_store())
    lock = home() / "runs" / "presets.lock"
    lock.parent.mkdir(parents=True, exist_ok=True)
    entered = []
    with FileLock(lock):
        for card in cards:
            one = published.enter(client, presets.resolve(card.name), card, _config(card))
            entered.append(one)
            if one.is_new:
                output.say(f"{card.name}: run {one.run_id[:8]}, {card.dataset}, {card.task}")
    return entered


def _config(card: "Card") -> dict:
    """The configuration that trained a model; `{}` if its recipe has changed or is gone."""
    from zoo.training.config import ConfigError, load

    words = shlex.split(card.training.get("command", ""))
    overrides = [word for word in words if "=" in word and not word.startswith("-")]
    try:
        file = recipe_files.find(card.recipe)
        config = load(file.entry_point.load().Config, file.path, overrides, source=card.recipe)
    except (ConfigError, WrongUse):
        return {}
    return config.model_dump() | {"description": card.description}
