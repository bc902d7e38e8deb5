"""Train a published model, or one of yours, further on your own data.

It finds the columns of the file, holds rows out to measure on, measures the model on them, trains
with a small learning rate, and registers the result only if it is better than the model was.
Labels that the model does not know give it a new head. --print shows the recipe that is run;
KEY.SUB=VALUE changes it.
"""

import re
import shlex
import unicodedata
from argparse import ArgumentParser, Namespace
from hashlib import sha256
from pathlib import Path
from typing import Any

from zoo.cli import backend, models, output
from zoo.cli.errors import WrongUse

EXAMPLES = """\
  zoo tune bilstm_bahdanau_sst2_en reviews.csv
  zoo tune bilstm_bahdanau_sst2_en reviews.csv data.label=stars training.epochs=5 -o my_model
  zoo tune bilstm_crf_ewt_en_upos tagged.conllu
  zoo tune gru_bahdanau_multi30k_en_de train.en train.de
  zoo tune lstm_nsmc_ko novel.txt --print > my.yaml && zoo run my.yaml"""
NEXT = "zoo tune --help"
CHANGE = re.compile(r"[a-z_]+(\.[a-z_0-9]+)*=.*", re.DOTALL)


def arguments(parser: ArgumentParser) -> None:
    models.add_argument(parser)
    parser.add_argument(
        "words",
        metavar="FILE | KEY.SUB=VALUE",
        nargs="+",
        help="a table (.csv, .tsv, .jsonl), a tagged file, a text file, or two text files (source "
        "and target); and changes to the recipe",
    )
    parser.add_argument("--name", help="name of the new model (default: MODEL_FILE)")
    parser.add_argument("--print", action="store_true", help="print the recipe, and do not run it")
    parser.add_argument(
        "-o", "--output", type=Path, metavar="DIR", help="save the preset here as well"
    )
    parser.add_argument(
        "--no-progress", action="store_true", help="print a line per epoch instead of a bar"
    )
    backend.add_argument(parser)


def run(args: Namespace) -> None:
    changes = [it for it in args.words if CHANGE.fullmatch(it) and not Path(it).exists()]
    files = [Path(it) for it in args.words if it not in changes]
    if not files:
        raise WrongUse("Name a file to train on.", hint=NEXT)
    model = models.find(args.model)
    from zoo.cli.inspection import lines_of
    from zoo.cli.tuning import propose
    from zoo.training import config

    stated = _changed({}, changes)
    given = {
        f"{section}.{key}": value
        for section, keys in stated.items()
        if isinstance(keys, dict)
        for key, value in keys.items()
    }
    name = args.name or _name(model, files[0])
    tuning = propose(model, files, name, given)
    proposal = tuning.proposal
    proposal.update(_changed(proposal.values(), changes))
    spec = tuning.file.entry_point.load()
    path = Path(f"{name}.yaml")
    config.resolve(spec.Config, proposal.values(), source=str(path))  # reports mistakes
    words = shlex.join(["zoo", "tune", args.model, *args.words])
    head = f"{words}\n\n{files[0].name}: {proposal.seen}.".splitlines()  # of several lines each
    text = "".join(f"# {line}".rstrip() + "\n" for line in head)
    text += "\n" + "\n".join(lines_of(proposal)) + "\n"
    for note in tuning.notes:
        output.say(f"note: {note}")
    if args.print:
        print(text, end="")
        return
    path = _write(path, text)
    print(f"wrote {path}, the recipe; {proposal.seen}", flush=True)
    backend.choose(args.backend)
    from zoo.training import run

    run(spec, str(path), output=args.output, progress=not args.no_progress)


def _changed(values: dict[str, Any], changes: list[str]) -> dict[str, Any]:
    """The content of a recipe file, after changes `KEY.SUB=VALUE` to it."""
    from zoo.training.config import override

    for change in changes:
        key = change.partition("=")[0]
        if isinstance(values.get(key), dict):
            raise WrongUse(
                f"{key} has more keys than one: change them one by one, as {key}.KEY=VALUE. "
                f"Received: {change!r}",
                hint=NEXT,
            )
        if mistake := override(values, change, set()):
            raise WrongUse(mistake, hint=NEXT)
    return values


def _name(model: models.FoundModel, file: Path) -> str:
    """The name of the model with that of the file; letters that names lack become a digest."""
    known = model.card.name if model.card else model.directory.name
    stem = unicodedata.normalize("NFC", file.name.partition(".")[0])
    kept = [re.sub(r"[^A-Za-z0-9_-]+", "_", part).strip("_-") for part in (known, stem)]
    parts = [kept[0], kept[1] or "tuned"]
    if any(letter.isalnum() and not letter.isascii() for letter in stem):
        parts.append(sha256(stem.encode("utf-8", "surrogateescape")).hexdigest()[:6])
    return "_".join(filter(None, parts))


def _write(path: Path, text: str) -> Path:
    """Writes the recipe to a file that does not exist, or has the same content."""
    from zoo.files import atomic_write

    number = 1
    chosen = path
    while chosen.exists() and chosen.read_text("utf-8") != text:
        number += 1
        chosen = path.with_stem(f"{path.stem}_{number}")
    with atomic_write(chosen) as temporary:
        temporary.write_text(text, "utf-8")
    return chosen
