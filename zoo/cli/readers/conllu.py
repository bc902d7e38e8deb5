"""Tags put into CoNLL-U: all else of a file stays as it is, to the byte."""

from collections.abc import Iterable, Iterator, Sequence

# The universal parts of speech: what the column UPOS may hold.
UPOS = frozenset(
    "ADJ ADP ADV AUX CCONJ DET INTJ NOUN NUM PART PRON PROPN PUNCT SCONJ SYM VERB X".split()
)
UPOS_COLUMN, XPOS_COLUMN, MISC_COLUMN = 3, 4, 9


def blocks(lines: Iterable[str]) -> Iterator[list[str]]:
    """The lines of each sentence, with the comments before and the blank line after it."""
    block: list[str] = []
    for line in lines:
        block.append(line)
        if not line.strip():
            yield block
            block = []
    if block:
        yield block


def words(block: Sequence[str]) -> list[str]:
    """The words of a sentence: no ranges of words written as one, no empty nodes."""
    return [line.split("\t")[1] for line in block if _is_word(line)]


def tagged(block: Sequence[str], tags: Sequence[str], column: int) -> str:
    """The lines of a sentence with a tag in each word: in MISC as `Tag=…` beside what is there."""
    left, lines = iter(tags), []
    for line in block:
        if _is_word(line):
            content = line.rstrip("\r\n")
            fields, end = content.split("\t"), line[len(content) :]
            tag = next(left)
            if column == MISC_COLUMN:
                before = "" if fields[column] == "_" else f"{fields[column]}|"
                tag = f"{before}Tag={tag}"
            fields[column] = tag
            line = "\t".join(fields) + end
        lines.append(line)
    return "".join(lines)


def column_of(tags: Iterable[str], scheme: str | None) -> int:
    """Where the tags of a model go: universal parts of speech to UPOS, those of a treebank to XPOS,
    spans to MISC."""
    if scheme is not None:
        return MISC_COLUMN
    return UPOS_COLUMN if set(tags) <= UPOS else XPOS_COLUMN


def _is_word(line):
    return line.partition("\t")[0].isdigit()
