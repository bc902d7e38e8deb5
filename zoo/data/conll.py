"""The two formats of tagged words: CoNLL-U, and columns as of the CoNLL shared tasks.

The readers take lines, with or without their ends, and yield sentences; they know no file.
"""

from collections.abc import Iterable, Iterator, Sequence

# Where CoNLL-U has a tag: ID FORM LEMMA UPOS XPOS FEATS HEAD DEPREL DEPS MISC.
TAG_COLUMNS = {"upos": 3, "xpos": 4}


class FormatError(ValueError):
    """A line that the format forbids; the message begins with its number."""


def conllu_sentences(
    lines: Iterable[str], columns: Sequence[str] = ("upos",)
) -> Iterator[tuple[list[str], ...]]:
    """Reads CoNLL-U: the syntactic words of each sentence, and their tags.

    A multiword token (ID `3-4`) is passed over for the words that it consists of, which follow
    it, and so is an empty node (ID `8.1`), which stands for a word that was not written.
    Comments are passed over. Blank lines in a row, or comments alone, make no sentence.

    Args:
        lines: Of the file.
        columns: Which tags to read, of `TAG_COLUMNS`.

    Yields:
        For each sentence the list of its words, and one list of tags for each of `columns`.

    Raises:
        FormatError: if a line has not 10 fields, its ID is none, words are not numbered
            1, 2, 3, …, or a word has no form or lacks a tag.
    """
    from conllu.exceptions import ParseException
    from conllu.parser import parse_id_value

    sentence: tuple[list[str], ...] = ([], *([] for _ in columns))
    for number, line in enumerate(lines, 1):
        line = line.rstrip("\r\n")
        if line.startswith("#"):
            continue
        if not line.strip():
            if sentence[0]:
                yield sentence
                sentence = ([], *([] for _ in columns))
            continue
        fields = line.split("\t")
        if len(fields) != 10:
            raise FormatError(
                f"line {number}: a line of CoNLL-U must have 10 fields, a tab between each. "
                f"Received: {len(fields)} in {line[:60]!r}"
            )
        try:
            position = parse_id_value(fields[0])
        except ParseException as error:
            raise FormatError(
                f"line {number}: the first field must be the number of the word (3), of words "
                f"that are written as one (3-4), or of an empty node (8.1). "
                f"Received: {fields[0]!r}"
            ) from error
        if isinstance(position, tuple):
            continue
        if position != len(sentence[0]) + 1:
            raise FormatError(
                f"line {number}: words must be numbered 1, 2, 3, … and sentences end with a blank "
                f"line; here {len(sentence[0]) + 1} must follow. Received: {fields[0]!r}"
            )
        values = [fields[1], *(fields[TAG_COLUMNS[name]].strip() for name in columns)]
        for name, value in zip(("form", *columns), values, strict=True):
            if not value or (value == "_" and name != "form"):
                raise FormatError(
                    f"line {number}: every word must have its {name}. Received: {value!r}"
                )
        for column, value in zip(sentence, values, strict=True):
            column.append(value)
    if sentence[0]:
        yield sentence


def column_sentences(lines: Iterable[str]) -> Iterator[tuple[list[str], list[str]]]:
    """Reads CoNLL columns: one word a line, first the word and last its tag.

    Columns stand between tabs if the line has one, else between spaces; what is between the
    first and the last is passed over, and so are `-DOCSTART-` lines. A blank line ends a
    sentence; several in a row make no sentence.

    Args:
        lines: Of the file.

    Yields:
        For each sentence the list of its words and the list of their tags.

    Raises:
        FormatError: if a line has one column only, another number of columns than the lines
            before, or an empty word or tag.
    """
    words: list[str] = []
    tags: list[str] = []
    width = None
    for number, line in enumerate(lines, 1):
        line = line.rstrip("\r\n")
        tabs = "\t" in line
        fields = [part.strip() for part in line.split("\t")] if tabs else _between_spaces(line)
        if not line.strip() or fields[0] == "-DOCSTART-":
            if words:
                yield words, tags
                words, tags = [], []
            continue
        if len(fields) < 2:
            raise FormatError(
                f"line {number}: a line must have at least two columns, first the word and last "
                f"its tag, with a tab or spaces between. Received: {line[:60]!r}"
            )
        width = width or len(fields)
        if len(fields) != width:
            raise FormatError(
                f"line {number}: every line must have as many columns as the first, {width}; "
                f"there are no comments in this format. Received: {len(fields)} in {line[:60]!r}"
            )
        if not fields[0] or not fields[-1]:
            raise FormatError(
                f"line {number}: neither the word nor its tag may be empty. Received: {line[:60]!r}"
            )
        words.append(fields[0])
        tags.append(fields[-1])
    if words:
        yield words, tags


def _between_spaces(line: str) -> list[str]:
    """Not `str.split()`: a no-break space is part of a word."""
    return [part for part in line.split(" ") if part]
