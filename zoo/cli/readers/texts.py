"""Reader of texts: arguments of the command line, lines of a file, or lines of stdin."""

import sys
from argparse import Namespace
from collections.abc import Iterable

from zoo.cli import lines, output
from zoo.cli.answers import print_answer, print_stream
from zoo.cli.errors import Failure, WrongUse
from zoo.cli.models import FoundModel

_OTHERS = ("batch_size", "beam")  # options of `infer` that `stream` does not have


class TextReader:
    """Texts, of which each gets one line of output; an empty one if the model refuses it."""

    def __init__(self, args: Namespace, model: FoundModel):
        if args.html:
            raise WrongUse(
                "--html writes a page of images with captions, or of recordings with transcripts, "
                f"and `{args.model}` takes {model.task.inputs_name}. Received: --html {args.html}",
                hint="zoo ls --task image_to_text",
            )
        self.task, self.as_json, self.aligns = model.task, args.json, args.align
        self.inputs, self.total = read_inputs(args)
        self.name = "input" if args.inputs else f"{args.file or 'stdin'}, line"
        self.read = self.failed = 0
        one = self.total == 1 and bool(args.inputs)
        self.streams = self.task.streams and one and not args.json and sys.stdout.isatty()

    def answer(self, inputs, model, infer) -> None:
        if self.streams and infer.keywords.get("beam") is None:
            options = {name: value for name, value in infer.keywords.items() if name not in _OTHERS}
            print_stream(inputs[0], model.stream(inputs[0], **options))
            return
        try:
            answers = self._answers(inputs, model, infer)
        except ValueError:
            if self.total == 1:
                raise
            answers = self._one_by_one(inputs, model, infer)
        for text, answer in zip(inputs, answers, strict=True):
            if "error" not in answer:
                print_answer(self.task, text, answer, self.as_json)
            elif self.as_json:
                output.print_json({self.task.input_name: text} | answer, lines=True)
            else:
                print()
        self.read += len(inputs)

    def _answers(self, inputs, model, infer):
        answers = [answer.to_dict() for answer in infer(inputs)]
        if self.aligns:
            found = model.align(inputs, [answer["text"] for answer in answers])
            for answer, alignment in zip(answers, found, strict=True):
                answer["alignment"] = alignment.to_dict() if self.as_json else alignment.pharaoh
        return answers

    def _one_by_one(self, inputs, model, infer):
        """The answers, or the `error` of an input that the model refuses, which is reported."""
        answers, errors = [], {}
        for number, text in enumerate(inputs, self.read + 1):
            try:
                answers += self._answers([text], model, infer)
            except ValueError as error:
                errors[number] = error
                answers.append({"error": str(error)})
        if len(errors) == len(inputs) and not self.read:
            raise errors[1]  # an option that does not fit the model, more likely
        for number, error in errors.items():
            output.say(f"{self.name} {number}: {error}")
        self.failed += len(errors)
        return answers

    def finish(self) -> None:
        if self.failed:
            raise Failure(
                f"Texts that the model refuses, with the errors above: {self.failed:,}",
                hint="split them, or take them out",
            )


def read_inputs(args: Namespace) -> tuple[Iterable[str], int | None]:
    """The inputs of the command line, of `--file`, or of stdin.

    Returns:
        The inputs, and their number if it is known before they are read.

    Raises:
        WrongUse: if inputs are given twice, are not UTF-8, or the file does not exist.
        Failure: if the file is not UTF-8.
    """
    if args.inputs and args.file:
        raise WrongUse(
            f"Inputs come from the command line or from a file, not both. Received: "
            f"{len(args.inputs)} on the command line, and --file {args.file}",
            hint="zoo infer --help",
        )
    if args.inputs:
        for text in args.inputs:
            _require_unicode(text)
        return args.inputs, len(args.inputs)
    if args.file:
        total = lines.count(args.file)
        return lines.read(args.file.open("rb"), str(args.file)), total
    return lines.read(sys.stdin.buffer, "stdin"), None


def _require_unicode(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise WrongUse(
            f"Texts must be UTF-8. Received: {text!r}", hint="locale, which should print UTF-8"
        ) from None
