"""Look at a file of yours and write a recipe for it.

It tells the task, the columns, the language, the lengths and the labels from the file, and writes
a recipe with the reason beside each setting. Two text files are the sides of a translation; one, or
a folder of them, is for a language model.
"""

import shlex
from argparse import ArgumentParser, Namespace
from pathlib import Path

from zoo.cli import recipe_files
from zoo.cli.errors import WrongUse
from zoo.cli.tuning import LEAST_ROWS

EXAMPLES = """\
  zoo init reviews.csv                            (writes my.yaml, for zoo run my.yaml)
  zoo init names.conll -o names.yaml
  zoo init train.en train.de
  zoo init novel.txt"""
NEXT = "zoo init --help"
FEW_ROWS = 5000


def arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "files",
        metavar="FILE",
        type=Path,
        nargs="+",
        help="a table (.csv, .tsv, .jsonl), a tagged file, two text files (source and target), or "
        "one text file or a folder of them",
    )
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="FILE",
        default=Path("my.yaml"),
        help="the .yaml file to write. Default my.yaml",
    )


def run(args: Namespace) -> None:
    recipe_files.check_new(args.output, "zoo", "init", *map(str, args.files))
    if len(args.files) > 2:
        raise WrongUse(
            "Give one file to train on, or two: source and target. Further splits are keys of the "
            f"recipe, data.dev and data.test. Received: {len(args.files)} files",
            hint="zoo init --help",
        )
    from zoo.cli.inspection import lines_of, propose
    from zoo.files import atomic_write
    from zoo.training import config

    proposal = propose(args.files)
    spec = recipe_files.find(proposal.recipe).entry_point.load()
    resolved = config.resolve(spec.Config, proposal.values(), source=str(args.output))
    dataset = resolved.data.load(resolved.seed)  # reports what `zoo run` would
    sizes = ", ".join(
        f"{len(next(iter(columns.values()))):,} for {split}"
        for split, columns in dataset.splits.items()
    )
    named, output = shlex.join(map(str, args.files)), shlex.quote(str(args.output))
    text = "\n".join(lines_of(proposal))
    with atomic_write(args.output) as temporary:
        temporary.write_text(
            f"# {named}: {proposal.seen}.\n#\n#   zoo run {output}\n#\n"
            f"# `zoo recipes {proposal.recipe}/quickstart` explains every key.\n\n{text}\n",
            "utf-8",
        )
    print(f"{named}: {proposal.seen}")
    print(f"task: {proposal.reason}")
    for setting in proposal.settings:
        if setting.reason:
            shown = setting.value if isinstance(setting.value, list) else [setting.value]
            value = ", ".join(map(str, shown))
            print(f"  {setting.section}.{setting.key}={value}  {setting.reason}")
    print(f"rows: {sizes}")
    if start := _published(proposal):
        print(
            "few rows: a published model that is trained further may be better:\n  "
            + shlex.join(["zoo", "tune", start, str(args.files[0])])
        )
    print(f"wrote {args.output}\nnext: zoo run {output}")


def _published(proposal) -> str | None:
    """A published classifier of the language, if there are few rows to train one."""
    if proposal.recipe != "sentiment" or not LEAST_ROWS <= proposal.rows <= FEW_ROWS:
        return None
    import zoo

    cards = zoo.list_models("text_classifier")
    return next((card.name for card in cards if proposal.language in card.languages), None)
