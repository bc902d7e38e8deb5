"""Gives texts or pictures to a model and prints its answers: one line each, in order, what was
given last.

Texts are words of the command line, or lines of --file, or lines of stdin; there may be any number
of them, for only a few are held at a time. A tagger also reads the words of a CoNLL-U file, and
writes CoNLL-U. For a captioner they are the paths of pictures.
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
  zoo infer models:/slots@champion --file words.conllu > tagged.conllu
  zoo infer cnn_lstm_bahdanau_flickr8k_en photos/*.jpg --html page.html"""
NEXT = "zoo ls"

BATCHES_AT_A_TIME = 16  # for the model to sort by length
# What would end the line of an answer, or be taken by a terminal for a command.
CONTROLS = re.compile(r"[\x00-\x08\n-\x1f\x7f-\x9f\u2028\u2029]")


def arguments(parser: ArgumentParser) -> None:
    models.add_argument(parser)
    parser.add_argument(
        "texts", metavar="TEXT", nargs="*", default=[], help="what it is to read, or to look at"
    )
    parser.add_argument("--file", type=Path, metavar="FILE", help="texts, one a line, in UTF-8")
    parser.add_argument("--json", action="store_true", help="everything it says, as JSON lines")
    parser.add_argument("--html", type=Path, metavar="FILE", help="a page of pictures and captions")
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
    if args.html and not args.html.resolve().parent.is_dir():
        raise WrongUse(
            f"There is no such directory. Received: --html {args.html}",
            hint=f"mkdir -p {args.html.parent}",
        )
    models.check(args.model)
    if args.file and args.file.name.endswith((".conllu", ".conllu.gz")):
        return _tag_conllu(args)
    texts, total = _texts(args)
    size = args.batch_size * BATCHES_AT_A_TIME
    if total is None and sys.stdin.isatty():
        output.say("Write a text and press Enter; Ctrl-D ends.")
        size = 1
    answers = None
    with _progress(total) as advance:
        for chunk in lines.chunks(texts, size):
            if answers is None:
                model, infer = _inference(args)
                looks = type(model).__name__ == "ImageToText"
                answers = _Captions(args, model, infer) if looks else _Answers(args, infer)
            answers.print(chunk)
            sys.stdout.flush()
            advance(len(chunk))
    if answers is not None:
        answers.finish()


class _Answers:
    """The answers to texts."""

    def __init__(self, args: Namespace, infer: Callable[[list], list]):
        if args.html:
            raise WrongUse(
                f"A page is for pictures. Received: --html {args.html}, and `{args.model}`, which "
                "reads texts",
                hint="zoo ls --task image_to_text",
            )
        self.args, self.infer = args, infer

    def print(self, texts: list[str]) -> None:
        for text, answer in zip(texts, self.infer(texts), strict=True):
            _print(text, answer.to_dict(), self.args.json)

    def finish(self) -> None:
        pass


class _Captions:
    """Captions of pictures; of those that cannot be read, why, and the others go on."""

    def __init__(self, args: Namespace, model: Any, infer: Callable[[list], list]):
        from zoo.explain import Gallery

        self.args, self.infer, self.size = args, infer, model.preprocessor.size
        self.page = Gallery(f"Captions by {args.model}", score_name="log-probability")
        self.failed = 0

    def print(self, paths: list[str]) -> None:
        for some in lines.chunks(paths, self.args.batch_size):
            seen, errors = self._read(some)
            answers = dict(zip(seen, self.infer(list(seen.values())), strict=True))
            for place, path in enumerate(some):
                if place in answers:
                    _print(path, answers[place].to_dict(), self.args.json, given="image")
                elif self.args.json:
                    output.print_json({"image": path, "error": str(errors[place])}, lines=True)
                if self.args.html:
                    self._add(path, answers.get(place), errors.get(place))
            self.failed += len(errors)

    def finish(self) -> None:
        if self.args.html:
            output.say(f"{self.page.save(self.args.html)}: {len(self.page):,} pictures")
        if self.failed:
            raise Failure(f"Pictures that could not be read, as said above: {self.failed:,}")

    def _read(self, paths):
        """What could be read and what went wrong, each by its place in the list."""
        from zoo.images import ImageError, read_image

        seen, errors = {}, {}
        for place, path in enumerate(paths):
            try:
                seen[place] = read_image(path, self.size)
            except (ImageError, OSError) as error:
                errors[place] = error
                output.say(CONTROLS.sub(" ", str(error)))
        return seen, errors

    def _add(self, path, answer, error):
        if answer is None:
            self.page.add(None, "", error=error, note=path)
            return
        others = [hypothesis.text for hypothesis in answer.hypotheses[1:]]
        self.page.add(path, answer.text, score=answer.score, hypotheses=others, note=path)


def _tag_conllu(args: Namespace) -> None:
    """Copies a file of CoNLL-U with a tagger's answers in it."""
    from zoo.data.conll import FormatError, conllu_sentences
    from zoo.data.tables import lines as lines_of

    if args.texts or args.json or args.html:
        raise WrongUse(
            "A file of CoNLL-U is answered in CoNLL-U, and by itself: leave texts, --json and "
            "--html out. "
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


def _print(text: str, answer: dict, as_json: bool, given: str | None = None) -> None:
    if as_json:
        # A translation has a text of its own.
        given = given or ("source" if "text" in answer else "text")
        output.print_json({given: text} | answer, lines=True)
        return
    plain = [output.format_value(value) for value in answer.values() if _is_plain(value)]
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
        task = bar.add_task("done", total=total)
        yield lambda count: bar.advance(task, count)
