"""Gives texts to a model and prints its answers: one line each, in order, the text last.

Texts are words of the command line, or lines of --file, or lines of stdin; there may be any number
of them, for only a few are held at a time. A tagger also reads the words of a CoNLL-U file, and
writes CoNLL-U.
"""

import inspect
import re
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterable
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from zoo.cli import backend, conllu, lines, models, output
from zoo.cli.errors import Failure, WrongUse
from zoo.suggestions import did_you_mean

EXAMPLES = """\
  zoo infer bilstm_bahdanau_sst2_en "A gripping film." "Not worth your time."
  zoo infer bilstm_bahdanau_nsmc_ko --file reviews.txt --json > answers.jsonl
  cut -f 2 reviews.tsv | zoo infer models:/quickstart@champion --backend torch
  zoo infer models:/slots@champion --file words.conllu > tagged.conllu"""
NEXT = "zoo ls"

BATCHES_AT_A_TIME = 16  # for the model to sort by length
# What would end the line of an answer, or be taken by a terminal for a command.
CONTROLS = re.compile(r"[\x00-\x08\n-\x1f\x7f-\x9f\u2028\u2029]")


def arguments(parser: ArgumentParser) -> None:
    models.add_argument(parser)
    parser.add_argument("texts", metavar="TEXT", nargs="*", default=[], help="what it is to read")
    parser.add_argument("--file", type=Path, metavar="FILE", help="texts, one a line, in UTF-8")
    parser.add_argument("--json", action="store_true", help="everything it says, as JSON lines")
    parser.add_argument("--batch-size", type=int, default=64, help="run at once (default: 64)")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="OPTION=VALUE",
        help="another option of the model's `infer`; may be given again",
    )
    backend.add_argument(parser)


def run(args: Namespace) -> None:
    if args.batch_size < 1:
        raise WrongUse(
            f"A batch holds one text or more. Received: --batch-size {args.batch_size}",
            hint="zoo infer --help",
        )
    models.check(args.model)
    if args.file and args.file.name.endswith((".conllu", ".conllu.gz")):
        return _tag_conllu(args)
    texts, total = _texts(args)
    size = args.batch_size * BATCHES_AT_A_TIME
    if total is None and sys.stdin.isatty():
        output.say("Write a text and press Enter; Ctrl-D ends.")
        size = 1
    infer = None
    with _progress(total) as advance:
        for chunk in lines.chunks(texts, size):
            if infer is None:
                _, infer = _inference(args)
            for text, answer in zip(chunk, infer(chunk), strict=True):
                _print(text, answer.to_dict(), args.json)
            sys.stdout.flush()
            advance(len(chunk))


def _tag_conllu(args: Namespace) -> None:
    """Copies a file of CoNLL-U with a tagger's answers in it."""
    from zoo.data.conll import FormatError, conllu_sentences
    from zoo.data.tables import lines as lines_of

    if args.texts or args.json:
        raise WrongUse(
            "A file of CoNLL-U is answered in CoNLL-U, and by itself: leave texts and --json out. "
            f"Received: --file {args.file}",
            hint=f"zoo infer {args.model} --file {args.file}",
        )
    card, _ = models.card_of(args.model)
    if card and card.task != "token_classifier":
        raise WrongUse(
            f"A file of CoNLL-U is for taggers. Received: `{args.model}`, a {card.task}",
            hint="zoo ls --task token_classifier",
        )
    try:
        total = sum(1 for _ in conllu_sentences(lines_of(args.file), ()))
    except (FormatError, ValueError, FileNotFoundError) as error:
        raise Failure(f"{args.file}: {error}", hint="zoo infer --help") from error
    model, infer = _inference(args)
    column = conllu.column_of(model.tags, model.scheme)
    with _progress(total) as advance:
        size = args.batch_size * BATCHES_AT_A_TIME
        for some in lines.chunks(conllu.blocks(lines_of(args.file)), size):
            answers = infer([conllu.words(block) for block in some])
            for block, answer in zip(some, answers, strict=True):
                sys.stdout.write(conllu.tagged(block, answer.tags, column))
            sys.stdout.flush()
            advance(len(some))


def _texts(args: Namespace) -> tuple[Iterable[str], int | None]:
    """The texts, and how many there are if that can be known."""
    if args.texts and args.file:
        raise WrongUse(
            f"Texts come from the command line or from a file, not both. Received: "
            f"{len(args.texts)} and --file {args.file}",
            hint="zoo infer --help",
        )
    if args.texts:
        for text in args.texts:
            if not text.isprintable():
                _require_unicode(text)
        return args.texts, len(args.texts)
    if args.file:
        total = lines.count(args.file)
        return lines.read(args.file.open("rb"), str(args.file)), total
    return lines.read(sys.stdin.buffer, "stdin"), None


def _require_unicode(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise WrongUse(
            f"Texts must be UTF-8. Received: {text!r}", hint="locale, which should say UTF-8"
        ) from None


def _inference(args: Namespace) -> tuple[Any, Callable[[list], list]]:
    """Loads the model; returns it, and its `infer` with the options of the command line."""
    model = models.load(args.model, args.backend)
    options = {"batch_size": args.batch_size}
    known = list(inspect.signature(model.infer).parameters)[1:]
    for setting in args.set:
        name, equals, value = setting.partition("=")
        if not equals or name not in known:
            raise WrongUse(
                f"--set takes OPTION=VALUE, with an option of this model: {', '.join(known)}."
                f"{did_you_mean(name, known)} Received: --set {setting}",
                hint="zoo infer --help",
            )
        import yaml

        try:
            options[name] = yaml.safe_load(value)
        except yaml.YAMLError:
            raise WrongUse(
                f"The value must be valid YAML. Received: --set {setting}", hint="zoo infer --help"
            ) from None
    return model, lambda texts: model.infer(texts, **options)


def _print(text: str, answer: dict, as_json: bool) -> None:
    if as_json:
        given = "source" if "text" in answer else "text"  # a translation has a text of its own
        output.print_json({given: text} | answer, lines=True)
        return
    plain = [output.words(value) for value in answer.values() if _is_plain(value)]
    if "tags" in answer:  # the words are in the answer already
        text = " ".join(map("/".join, zip(answer["tokens"], answer["tags"], strict=True)))
    print("\t".join([*plain, CONTROLS.sub(" ", text)]))


def _is_plain(value: object) -> bool:
    return isinstance(value, (str, int, float))


@contextmanager
def _progress(total: int | None):
    """A bar on stderr, when the answers go elsewhere; yields what moves it on."""
    if not sys.stderr.isatty() or sys.stdout.isatty():
        yield lambda count: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("texts", total=total)
        yield lambda count: bar.advance(task, count)
