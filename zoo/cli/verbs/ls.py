"""Lists the pretrained models that came with the zoo."""

from argparse import ArgumentParser, Namespace

from zoo.cli import output
from zoo.cli.errors import WrongUse

EXAMPLES = """\
  zoo ls
  zoo ls --task text_classifier
  zoo ls --json | jq -r '.[].name'"""
NEXT = "zoo --help"


def arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--task", help="only the models of this task, as `text_classifier`")
    parser.add_argument("--json", action="store_true", help="every field of every card, as JSON")


def run(args: Namespace) -> None:
    import zoo

    try:
        cards = zoo.list_models(args.task)
    except ValueError as error:  # no such task
        raise WrongUse(str(error), hint="zoo ls") from None
    if args.json:
        output.print_json([card.to_dict() for card in cards])
    elif not cards:
        output.say("No pretrained model is here yet.\nnext: zoo run sentiment/quickstart")
    else:
        output.table(
            ["name", "task", "languages", "trained on", "parameters", "size", "measured"],
            [
                [
                    card.name,
                    card.task,
                    card.languages,
                    card.dataset,
                    card.parameters,
                    output.size(card.bytes),
                    _headline(card.metrics),
                ]
                for card in cards
            ],
            numbers=["parameters", "size"],
        )


def _headline(metrics: dict[str, float]) -> dict[str, float]:
    """The first number of the test set, else the first there is; `zoo show` has all."""
    first = next((name for name in metrics if name.startswith("test/")), next(iter(metrics), None))
    return {first: metrics[first]} if first else {}
