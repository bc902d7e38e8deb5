"""`zoo eval --behaviour`: a table of a model's answers by kind of sentence."""

import time
from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from zoo.cli import models, output
from zoo.cli.errors import WrongUse, command
from zoo.data.behaviour import BEHAVIOUR_SETS, behaviour_set
from zoo.terminal import waiting

if TYPE_CHECKING:
    from zoo.cli.models import FoundModel
    from zoo.metrics import Behaviour

TASK = "text_classifier"
SHOWN = 10  # mistakes below the table


def run(args: Namespace, found: "FoundModel") -> None:
    """Measures, prints, and with `--update-card` writes the table to the card and README."""
    from zoo import data, metrics, presets

    _check(args, found)
    name = args.dataset or _behaviour_set(args, found)
    config = found.config("task.json") or {}
    try:
        polarity = metrics.find_polarity(config.get("labels", ()), args.negative, args.positive)
    except ValueError as error:
        raise WrongUse(str(error), hint=command("zoo", "show", args.model)) from error
    columns = data.load(name).splits["test"]
    model = models.load(found, args.backend)
    start = time.perf_counter()
    with waiting(f"Measuring on {len(columns['text']):,} sentences …"):
        answers = model.infer(columns["text"])
    seconds = time.perf_counter() - start
    behaviour = metrics.measure_behaviour(name, columns, answers, polarity)
    published = found.card.behaviour if found.card else {}
    if published.get("dataset") != name:
        published = {}
    if args.update_card:
        presets.update_card(found.directory, behaviour=behaviour.summary())
    if args.json:
        output.print_json(_json(args.model, behaviour, published, seconds))
    else:
        _print(args.model, behaviour, published, seconds)


def _check(args: Namespace, found: "FoundModel") -> None:
    again = command("zoo", "eval", args.model, "--behaviour")
    if found.task.name != TASK:
        raise WrongUse(
            f"Behaviour is measured of sentiment models, which are {TASK}s. "
            f"Received: {args.model}, a {found.task.name}",
            hint=command("zoo", "eval", args.model),
        )
    sets = tuple(BEHAVIOUR_SETS.values())
    if args.dataset and args.dataset not in sets:
        raise WrongUse(
            f"The dataset of --behaviour is one of {', '.join(sets)}. Received: {args.dataset}",
            hint=again,
        )
    for option in ("split", "text", "label"):
        if value := getattr(args, option):
            raise WrongUse(
                f"Behaviour sets have one split and fixed columns: omit --{option}. "
                f"Received: --{option} {value}",
                hint=again,
            )
    if args.update_card and Path(args.model).resolve() != found.directory.resolve():
        raise WrongUse(
            "--update-card changes the card of a preset in a directory of yours: name the "
            f"directory. Received: {args.model}",
            hint=again,
        )


def _behaviour_set(args: Namespace, found: "FoundModel") -> str:
    try:
        return behaviour_set(found.card.languages if found.card else ())
    except ValueError as error:
        name = next(iter(BEHAVIOUR_SETS.values()))
        raise WrongUse(
            f"{error}. Choose one with --dataset.",
            hint=command("zoo", "eval", args.model, "--behaviour", "--dataset", name),
        ) from error


def _print(model: str, behaviour: "Behaviour", published: dict, seconds: float) -> None:
    print(
        f"{model} on {behaviour.dataset}: right in {behaviour.right} of {behaviour.sentences} "
        f"sentences ({behaviour.accuracy:.1%}) in {seconds:.1f} s"
    )
    table = behaviour.table()
    card = {kind: counts["right"] for kind, counts in published.get("kinds", {}).items()}
    if card:
        card["all"] = sum(card.values())
    rows = [[*row, card.get(row[0])] for row in zip(*table.values(), strict=True)]
    output.table([*table, "right, card"], rows, numbers=["right", "n", "share", "right, card"])
    if mistakes := behaviour.mistakes[:SHOWN]:
        rest = f", {len(mistakes)} of {len(behaviour.mistakes)}" * (len(behaviour.mistakes) > SHOWN)
        print(f"\nwrong, the surest first{rest}{' (--json: all)' * bool(rest)}:")
        fields = ("text", "kind", "label", "predicted", "probability")
        output.table(
            fields, [[one[name] for name in fields] for one in mistakes], numbers=["probability"]
        )
    agree = behaviour.pairs - len(behaviour.disagreements)
    print(f"\npairs that agree: {agree} of {behaviour.pairs}")
    for pair in behaviour.disagreements:
        for text, label, probability in zip(*pair.values(), strict=True):
            print(f"  {label} {probability:.4f}  {text}")


def _json(model: str, behaviour: "Behaviour", published: dict, seconds: float) -> dict:
    rows = zip(*behaviour.table().values(), strict=True)
    kinds = {kind: {"right": right, "n": n, "share": share} for kind, right, n, share in rows}
    total = kinds.pop("all")
    return {
        "model": model,
        "dataset": behaviour.dataset,
        "right": total["right"],
        "n": total["n"],
        "share": total["share"],
        "kinds": kinds,
        "mistakes": behaviour.mistakes,
        "pairs": behaviour.pairs,
        "disagreements": behaviour.disagreements,
        "card": published,
        "seconds": round(seconds, 3),
    }
