"""Measure a model on a dataset and compare the results with the metrics of its card."""

import pkgutil
import time
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from zoo.cli import backend, behaviour, models, output, settings
from zoo.cli.errors import WrongUse, command
from zoo.extras import METRICS, need
from zoo.suggestions import did_you_mean
from zoo.tasks import TASKS
from zoo.terminal import waiting

if TYPE_CHECKING:
    from zoo.cli.models import FoundModel
    from zoo.data import Columns, DatasetCard

EXAMPLES = """\
  zoo eval bilstm_bahdanau_nsmc_ko
  zoo eval bilstm_bahdanau_sst2_en --dataset imdb --split dev
  zoo eval bilstm_bahdanau_sst2_en --dataset mine.csv --text review --label verdict
  zoo eval bilstm_crf_ewt_en_upos --dataset mine.conllu
  zoo eval bilstm_bahdanau_sst2_en --behaviour
  zoo eval bilstm_ctc_fsdd_digits_en+gru_attention_fsdd_digits_en --split dev
  zoo eval lstm_shakespeare_char --set cache=true --set cache_size=3000"""
NEXT = "zoo eval --help"


def arguments(parser: ArgumentParser) -> None:
    input_columns = [task.input_column.default for task in TASKS.values() if task.input_column]
    target_columns = [task.target_column.default for task in TASKS.values() if task.target_column]
    models.add_argument(parser)
    parser.add_argument(
        "--dataset",
        metavar="NAME|FILE",
        help="a name from `zoo data ls`, or a file (default: the dataset of the model's card)",
    )
    parser.add_argument("--split", help="the split of a named dataset (default: test)")
    parser.add_argument(
        "--text",
        metavar="COLUMN",
        help=f"a file's column of inputs (default, by task: {', '.join(input_columns)})",
    )
    parser.add_argument(
        "--label",
        metavar="COLUMN",
        help=f"the column of references (default, by task: {', '.join(target_columns)})",
    )
    parser.add_argument(
        "--behaviour",
        action="store_true",
        help="of a sentiment model: right answers by kind of sentence (negation, contrast, …), on "
        "the set of its language or on --dataset behaviour_en or behaviour_ko",
    )
    parser.add_argument(
        "--negative",
        metavar="LABEL",
        help="with --behaviour: the negative label, such as thumbs_down, where the name is unusual",
    )
    parser.add_argument("--positive", metavar="LABEL", help="the positive label, likewise")
    parser.add_argument(
        "--update-card",
        action="store_true",
        help="with --behaviour: write the table to the card and README of the preset in MODEL",
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="OPTION=VALUE",
        help="set an option of the model's `score`, such as cache=true of a language model; "
        "repeatable",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    backend.add_argument(parser)


def run(args: Namespace) -> None:
    _check_behaviour(args)
    found = models.find(args.model, ensembles=True)
    options = _options(args.set, found)
    if args.behaviour:
        behaviour.run(args, found)
        return
    need("train", "Measuring", *METRICS)
    name = args.dataset or (found.card.dataset if found.card else None)
    if not name:
        raise WrongUse(
            f"The card of `{args.model}` names no dataset: choose one with --dataset.",
            hint="zoo data ls",
        )
    split, columns = _read(name, args, found)
    rows, inputs = len(next(iter(columns.values()))), found.task.inputs_name
    model = models.load(found, args.backend)
    start = time.perf_counter()
    with waiting(f"Measuring on {rows:,} {inputs} …"):
        measured = model.score(columns, **options)
    seconds = time.perf_counter() - start
    published = {}
    if split and found.card and name == found.card.dataset:
        published = _published(found.card, split)
    if args.json:
        output.print_json(
            {"model": args.model, "dataset": name, "split": split, "rows": rows}
            | {
                "options": options,
                "metrics": measured,
                "card": published,
                "seconds": round(seconds, 3),
            }
        )
        return
    title = f"{name}, {split}" if split else name
    given = "".join(f", {name}={value}" for name, value in options.items())
    print(f"{args.model} on {title}{given}: {rows:,} {inputs} in {seconds:.1f} s")
    output.table(
        ["metric", "measured", "card"],
        [[metric, value, published.get(metric)] for metric, value in measured.items()],
        numbers=["measured", "card"],
    )


def _options(given: list[str], found: "FoundModel") -> dict:
    """The options of `score` that `--set` gives."""
    known = found.task.score_options
    if given and not known:
        raise WrongUse(
            f"`{found.source}` is a {found.task.name}, whose measurements have no options to set. "
            f"Received: --set {given[0]}",
            hint=command("zoo", "eval", found.source),
        )
    return settings.read(given, known, "zoo eval --help")


def _check_behaviour(args: Namespace) -> None:
    given = {"--negative": args.negative, "--positive": args.positive}
    if (args.negative is None) != (args.positive is None):
        raise WrongUse(
            "--negative and --positive name the two labels together. Received: "
            + " ".join(f"{option} {label}" for option, label in given.items() if label is not None),
            hint=NEXT,
        )
    if args.behaviour:
        return
    given["--update-card"] = args.update_card or None
    if options := [option for option, value in given.items() if value is not None]:
        raise WrongUse(
            f"{' and '.join(options)} belong to --behaviour: add it. Received: no --behaviour",
            hint=command("zoo", "eval", args.model, "--behaviour"),
        )


def _read(name: str, args: Namespace, found: "FoundModel") -> "tuple[str | None, Columns]":
    """The name of the split, `None` for a file, and its columns."""
    from zoo import data

    known = {dataset.name: dataset for dataset in data.list_datasets()}
    if name in known:
        return _read_dataset(known[name], args, found)
    if not Path(name).is_file():
        raise WrongUse(
            f"There is neither a dataset nor a file `{name}`.{did_you_mean(name, known)}",
            hint="zoo data ls",
        )
    if args.split:
        raise WrongUse(
            f"A file has no splits: omit --split to use all its rows. "
            f"Received: --split {args.split}",
            hint=command("zoo", "eval", args.model, "--dataset", name),
        )
    task = found.task
    if args.text and task.input_column is None:
        raise WrongUse(
            f"The files of a {task.name} have no column to choose with --text. "
            f"Received: --text {args.text}",
            hint=command("zoo", "eval", args.model, "--dataset", name),
        )
    if args.label and task.target_column is None:
        raise WrongUse(
            f"The files of a {task.name} have no column of references to choose with --label. "
            f"Received: --label {args.label}",
            hint=command("zoo", "eval", args.model, "--dataset", name),
        )
    columns = {task.target_column: args.label, task.input_column: args.text}
    arguments = {
        column.argument: given or column.default for column, given in columns.items() if column
    }
    return None, pkgutil.resolve_name(task.read_file)(name, **arguments)


def _read_dataset(
    dataset: "DatasetCard", args: Namespace, found: "FoundModel"
) -> "tuple[str, Columns]":
    from zoo import data

    task, options = found.task, {}
    if dataset.task != task.name:
        raise WrongUse(
            f"`{args.model}` is a {task.name}; the dataset must be of the same task. "
            f"Received: {dataset.name}, for {dataset.task}",
            hint="zoo data ls",
        )
    chooses = task.target_column is not None and task.target_column.in_datasets
    if args.text or (args.label and not chooses):
        raise WrongUse(
            "--text and --label choose columns of a file; named datasets have fixed columns. "
            f"Received: --dataset {dataset.name}",
            hint=command("zoo", "eval", args.model, "--dataset", dataset.name),
        )
    if found.card and len(dataset.languages) > len(task.language_options):
        options = dict(zip(task.language_options, found.card.languages, strict=False))
    if args.label and task.target_column is not None:
        options[task.target_column.argument] = args.label
    with waiting(f"Loading {dataset.name} …"):
        splits = data.load(dataset.name, **options).splits
    split = args.split or "test"
    if split not in splits:
        raise WrongUse(
            f"The dataset {dataset.name} has the splits {', '.join(splits)}. "
            f"Received: --split {split}",
            hint=f"--split {next(iter(splits))}",
        )
    return split, splits[split]


def _published(card, split: str) -> dict[str, float]:
    """The card's metrics of one split, by their names without the split."""
    prefix = f"{split}/"
    return {
        key.removeprefix(prefix): value
        for key, value in card.metrics.items()
        if key.startswith(prefix)
    }
