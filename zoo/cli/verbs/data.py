"""List the datasets, download one, or print its path.

Files are searched in $ZOO_DATA/NAME, then in the cache ($ZOO_HOME/data, by default ~/.zoo/data).
`get` downloads missing files and verifies their checksums.
"""

from argparse import ArgumentParser, Namespace
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from zoo.cli import output
from zoo.cli.errors import Failure, WrongUse, command
from zoo.suggestions import did_you_mean

if TYPE_CHECKING:
    from zoo.data import DatasetCard

EXAMPLES = """\
  zoo data ls
  zoo data get nsmc
  ls "$(zoo data path nsmc)\""""
NEXT = "zoo data ls"


def arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "action", choices=("ls", "get", "path"), help="list, download, or print the path"
    )
    parser.add_argument(
        "names", metavar="NAME", nargs="*", default=[], help="a dataset (`ls`: default all)"
    )
    parser.add_argument(
        "--json", action="store_true", help="print the list as JSON, with URLs and licences"
    )


def run(args: Namespace) -> None:
    from zoo import data

    cards = {card.name: card for card in data.list_datasets()}
    for name in args.names:
        if name not in cards:
            raise WrongUse(
                f"There is no dataset `{name}`.{did_you_mean(name, cards)}", hint="zoo data ls"
            )
        if args.action != "ls" and _is_generated(cards[name]):
            raise WrongUse(
                f"The dataset `{name}` is generated when it is loaded and has no files.",
                hint=f"python -c \"import zoo.data; print(zoo.data.load('{name}'))\"",
            )
    if args.action == "ls":
        _list([cards[name] for name in args.names or cards], args.json)
    elif not args.names:
        raise WrongUse(
            f"`zoo data {args.action}` needs the name of one or more datasets.", hint="zoo data ls"
        )
    else:
        for name in args.names:
            print(data.get(name) if args.action == "get" else _path(name))


def _list(cards: "list[DatasetCard]", as_json: bool) -> None:
    from zoo import data

    if as_json:
        output.print_json([_fields(card, data.path(card.name)) for card in cards])
        return
    output.table(
        ["dataset", "task", "languages", "rows", "licence", "path"],
        [
            [card.name, card.task, card.languages, card.splits, card.licence, _location(card)]
            for card in cards
        ],
    )


def _fields(card: "DatasetCard", path: Path | None) -> dict:
    return asdict(card) | {"path": str(path) if path else None}


def _location(card: "DatasetCard") -> str:
    from zoo import data

    if _is_generated(card):
        return "generated"
    return str(data.path(card.name) or "not downloaded")


def _path(name: str) -> Path:
    from zoo import data

    path = data.path(name)
    if path is None:
        raise Failure(
            f"The dataset `{name}` is not on this machine.",
            hint=command("zoo", "data", "get", name),
        )
    return path


def _is_generated(card: "DatasetCard") -> bool:
    """True if a dataset has files neither on the network nor in the library."""
    from zoo import data

    return not card.files and data.path(card.name) is None
