"""List the pretrained models that come with the zoo."""

from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

from zoo.cli import output
from zoo.cli.errors import WrongUse
from zoo.tasks import TASKS

if TYPE_CHECKING:
    from zoo import Card

EXAMPLES = """\
  zoo ls
  zoo ls --task text_classifier
  zoo ls --json | jq -r '.[].name'"""
NEXT = "zoo --help"


def arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--task", metavar="TASK", help=f"list only one task: {', '.join(TASKS)}")
    parser.add_argument("--json", action="store_true", help="print all fields of the cards as JSON")


def run(args: Namespace) -> None:
    import zoo

    try:
        cards = zoo.list_models(args.task)
    except ValueError as error:  # no such task
        raise WrongUse(str(error), hint="zoo ls") from None
    if args.json:
        output.print_json([card.to_dict() for card in cards])
    elif not cards:
        output.say("There are no pretrained models.\nnext: zoo run sentiment/quickstart")
    else:
        output.table(
            ["name", "task", "languages", "dataset", "parameters", "size", "metric"],
            [
                [
                    card.name,
                    card.task,
                    card.languages,
                    card.dataset,
                    card.parameters,
                    output.size(card.bytes),
                    _headline(card),
                ]
                for card in cards
            ],
            numbers=["parameters", "size"],
        )


def _headline(card: "Card") -> dict[str, float]:
    """The task's headline metric on the test set, else on the dev set."""
    for metric in TASKS[card.task].headline:
        for name in (f"test/{metric}", f"dev/{metric}"):
            if name in card.metrics:
                return {name: card.metrics[name]}
    return {}
