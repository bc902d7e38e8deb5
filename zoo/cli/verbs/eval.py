"""Measures a model on a dataset, beside the numbers on its card."""

import time
from argparse import ArgumentParser, Namespace
from pathlib import Path

from zoo.cli import backend, models, output
from zoo.cli.errors import WrongUse
from zoo.suggestions import did_you_mean
from zoo.terminal import waiting

EXAMPLES = """\
  zoo eval bilstm_bahdanau_nsmc_ko
  zoo eval bilstm_bahdanau_sst2_en --dataset imdb --split dev
  zoo eval bilstm_bahdanau_sst2_en --dataset mine.csv --text review --label verdict"""
NEXT = "zoo eval --help"


def arguments(parser: ArgumentParser) -> None:
    models.add_argument(parser)
    parser.add_argument(
        "--dataset",
        metavar="NAME|FILE",
        help="a name from `zoo data ls`, or a file as for training (default: that of its card)",
    )
    parser.add_argument("--split", help="which part of a named dataset (default: test)")
    parser.add_argument(
        "--text", help="a file's column of texts or pictures (default: text, source, or image)"
    )
    parser.add_argument(
        "--label",
        help="the column of what is right (default: label, target, caption, or upos)",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    backend.add_argument(parser)


def run(args: Namespace) -> None:
    card, directory = models.card_of(args.model)
    name = args.dataset or (card.dataset if card else None)
    if not name:
        raise WrongUse(
            f"`{args.model}` has no card that names a dataset, so --dataset must.",
            hint="zoo data ls",
        )
    split, columns = _split(name, args, card)
    rows, things = len(next(iter(columns.values()))), "pictures" if "image" in columns else "texts"
    model = models.load(str(directory), args.backend)
    start = time.perf_counter()
    with waiting(f"Reading {rows:,} {things} …"):
        measured = model.score(columns)
    seconds = time.perf_counter() - start
    published = _published(card, split) if card and name == card.dataset else {}
    if args.json:
        output.print_json(
            {"model": args.model, "dataset": name, "split": split, "rows": rows}
            | {"metrics": measured, "card": published, "seconds": round(seconds, 3)}
        )
        return
    part = f"{name}, {split}" if split else name
    print(f"{args.model} on {part}: {rows:,} {things} in {seconds:.1f} s")
    output.table(
        ["metric", "measured", "card"],
        [[metric, value, published.get(metric)] for metric, value in measured.items()],
        numbers=["measured", "card"],
    )


def _split(name: str, args: Namespace, card) -> tuple[str | None, dict[str, list]]:
    """What is read: the name of a dataset's split, `None` for a file; and its columns."""
    from zoo import data

    task = card.task if card else None
    known = {dataset.name: dataset for dataset in data.list_datasets()}
    if name in known:
        options = {}
        if task == "seq2seq_lm" and len(known[name].languages) > 2:  # the model has two of them
            options = dict(zip(("source", "target"), card.languages, strict=True))
        if task == "token_classifier" and args.label:
            options = {"column": args.label}
        with waiting(f"Getting {name} …"):
            splits = data.load(name, **options).splits
        split = args.split or "test"
        if split not in splits:
            raise WrongUse(
                f"The dataset {name} has the splits {', '.join(splits)}. Received: --split {split}",
                hint=f"--split {next(iter(splits))}",
            )
        return split, splits[split]
    if not Path(name).is_file():
        raise WrongUse(
            f"There is neither a dataset nor a file `{name}`.{did_you_mean(name, known)}",
            hint="zoo data ls",
        )
    if args.split:
        raise WrongUse(
            f"A file has no splits, and all of it is read. Received: --split {args.split}",
            hint=f"zoo eval {args.model} --dataset {name}",
        )
    if task == "token_classifier":
        return None, data.read_tagged(name, args.label or "upos")
    if task == "image_to_text":
        return None, data.read_captioned(
            name, image=args.text or "image", caption=args.label or "caption"
        )
    if task == "seq2seq_lm":
        return None, data.read_parallel(name, args.text or "source", args.label or "target")
    return None, data.read_labelled(name, args.text or "text", args.label or "label")


def _published(card, split: str) -> dict[str, float]:
    """The card's numbers of one split, by the name of the metric alone."""
    prefix = f"{split}/"
    return {
        key.removeprefix(prefix): value
        for key, value in card.metrics.items()
        if key.startswith(prefix)
    }
