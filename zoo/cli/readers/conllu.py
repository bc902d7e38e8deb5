"""Reader of CoNLL-U: writes the predicted tags into the file, which is otherwise unchanged."""

import sys
from argparse import Namespace
from collections.abc import Iterable, Iterator, Sequence

from zoo.cli.errors import Failure, WrongUse, command
from zoo.cli.models import FoundModel

SUFFIXES = (".conllu", ".conllu.gz")
# The universal parts of speech, the values of the column UPOS.
UPOS = frozenset(
    "ADJ ADP ADV AUX CCONJ DET INTJ NOUN NUM PART PRON PROPN PUNCT SCONJ SYM VERB X".split()
)
UPOS_COLUMN, XPOS_COLUMN, MISC_COLUMN = 3, 4, 9


class ConlluReader:
    """Sentences of a CoNLL-U file, each a list of lines."""

    def __init__(self, args: Namespace, model: FoundModel):
        from zoo.data.conll import FormatError, conllu_sentences
        from zoo.data.tables import lines

        if args.inputs or args.json or args.html:
            raise WrongUse(
                "A CoNLL-U file is the only input, and the output is CoNLL-U: omit other inputs, "
                f"--json and --html. Received: --file {args.file}",
                hint=command("zoo", "infer", args.model, "--file", args.file),
            )
        if model.task.input != "words":
            raise WrongUse(
                f"Only taggers read CoNLL-U. Received: --file {args.file}, and `{args.model}`, a "
                f"{model.task.name}",
                hint="zoo ls --task token_classifier",
            )
        self.args = args
        try:
            self.total: int | None = sum(1 for _ in conllu_sentences(lines(args.file), ()))
        except (FormatError, ValueError, FileNotFoundError) as error:
            raise Failure(f"{args.file}: {error}", hint="zoo infer --help") from error
        self.inputs: Iterable = blocks(lines(args.file))

    def answer(self, inputs, model, infer) -> None:
        if not model.separator:
            raise WrongUse(
                "CoNLL-U has tags of words, and this model tags characters: give it a file of "
                f"texts, one a line. Received: --file {self.args.file}",
                hint=command("zoo", "infer", self.args.model, "--file", "texts.txt"),
            )
        column = tag_column(model.tags, model.scheme)
        answers = infer([words(block) for block in inputs])
        for block, answer in zip(inputs, answers, strict=True):
            sys.stdout.write(insert_tags(block, answer.tags, column))

    def finish(self) -> None:
        pass


def blocks(lines: Iterable[str]) -> Iterator[list[str]]:
    """The lines of each sentence, including its comments and the blank line after it."""
    block: list[str] = []
    for line in lines:
        block.append(line)
        if not line.strip():
            yield block
            block = []
    if block:
        yield block


def words(block: Sequence[str]) -> list[str]:
    """The syntactic words of a sentence, without multiword tokens and empty nodes."""
    return [line.split("\t")[1] for line in block if _is_word(line)]


def insert_tags(block: Sequence[str], tags: Sequence[str], column: int) -> str:
    """The lines of a sentence with a tag for each word.

    Args:
        block: The lines.
        tags: One tag per syntactic word.
        column: Index of the column. In MISC, `Tag=…` is appended to the present value.
    """
    remaining, lines = iter(tags), []
    for line in block:
        if _is_word(line):
            content = line.rstrip("\r\n")
            fields, end = content.split("\t"), line[len(content) :]
            tag = next(remaining)
            if column == MISC_COLUMN:
                present = "" if fields[column] == "_" else f"{fields[column]}|"
                tag = f"{present}Tag={tag}"
            fields[column] = tag
            line = "\t".join(fields) + end
        lines.append(line)
    return "".join(lines)


def tag_column(tags: Iterable[str], scheme: str | None) -> int:
    """Index of the column for a model's tags.

    UPOS for universal parts of speech, MISC for tags that mark spans, XPOS for others.
    """
    if scheme is not None:
        return MISC_COLUMN
    return UPOS_COLUMN if set(tags) <= UPOS else XPOS_COLUMN


def _is_word(line):
    return line.partition("\t")[0].isdigit()
