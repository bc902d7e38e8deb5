"""Finds and loads the model that a command line names."""

from argparse import ArgumentParser
from pathlib import Path
from typing import TYPE_CHECKING

from zoo.cli import backend
from zoo.cli.errors import WrongUse
from zoo.suggestions import did_you_mean
from zoo.terminal import starting

if TYPE_CHECKING:
    from zoo import Card

HELP = "a name from `zoo ls`, a directory, models:/NAME@ALIAS, runs:/…, hf://… or kaggle://…"


def add_argument(parser: ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL", help=HELP)


def check(source: str) -> str:
    """Says at once, before anything slow is imported, that a name is not in the catalogue.

    Args:
        source: What the person wrote.

    Returns:
        `source`.

    Raises:
        WrongUse: if it is neither a known name, a directory, nor a URI.
    """
    if ":/" in source or Path(source).is_dir():
        return source
    names = {card.name for card in _catalogue()}
    if source not in names:
        raise WrongUse(
            f"There is neither a pretrained model nor a directory `{source}`."
            f"{did_you_mean(source, names)}",
            hint="zoo ls",
        )
    return source


def load(source: str, backend_name: str | None):
    """Loads a model onto the backend asked for, with a sign of life while Keras starts."""
    check(source)
    backend.choose(backend_name)
    with starting(f"Loading {source} …"):
        import zoo

        return zoo.load(source)


def card_of(source: str) -> "tuple[Card | None, Path]":
    """The card of a model, if it has one, and the directory where the model lies."""
    from zoo import presets

    directory = presets.resolve(check(source))
    card = presets.read_card(directory) if (directory / "card.json").is_file() else None
    return card, directory


def _catalogue() -> "list[Card]":
    import zoo

    return zoo.list_models()
