"""Parsers of tagged sentences: CoNLL-U, and the columns of the CoNLL shared tasks.

They take lines, with or without line ends, and yield sentences.
"""

from collections.abc import Iterable, Iterator, Sequence

# Indices of the columns with tags: ID FORM LEMMA UPOS XPOS FEATS HEAD DEPREL DEPS MISC.
TAG_COLUMNS = {"upos": 3, "xpos": 4}


class FormatError(ValueError):
    """A line is not in the format; the message begins with its number."""


def conllu_sentences(
    lines: Iterable[str], columns: Sequence[str] = ("upos",)
) -> Iterator[tuple[list[str], ...]]:
    """Parses CoNLL-U: the syntactic words of each sentence, and their tags.

    Multiword tokens (ID `3-4`), whose words follow them, empty nodes (ID `8.1`) and comments are
    skipped. Consecutive blank lines, and comments alone, give no sentence.

    Args:
        lines: The lines of a file.
        columns: The tags to read, of `TAG_COLUMNS`.

    Yields:
        For each sentence the list of its words, and a list of tags for each of `columns`.

    Raises:
        FormatError: if a line does not have 10 fields, an ID is invalid, words are not numbered
            1, 2, 3, …, or a word lacks its form or a tag.
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
                f"line {number}: a line of CoNLL-U must have 10 fields, separated by tabs. "
                f"Received: {len(fields)} in {line[:60]!r}"
            )
        try:
            position = parse_id_value(fields[0])
        except ParseException as error:
            raise FormatError(
                f"line {number}: the first field must be the number of a word (3), of a multiword "
                f"token (3-4) or of an empty node (8.1). "
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
    """Parses CoNLL columns: the first column of a line is a word, the last its tag.

    Columns are separated by tabs if the line has any, else by spaces; those between the first and
    the last are skipped, and so are `-DOCSTART-` lines. A blank line ends a sentence;
    consecutive blank lines give no sentence.

    Args:
        lines: The lines of a file.

    Yields:
        For each sentence the list of its words and the list of their tags.

    Raises:
        FormatError: if a line has one column only, a different number of columns than the first,
            or an empty word or tag.
    """
    words: list[str] = []
    tags: list[str] = []
    width = None
    for number, line in enumerate(lines, 1):
        line = line.rstrip("\r\n")
        tabs = "\t" in line
        fields = list(map(_stripped, line.split("\t"))) if tabs else _between_spaces(line)
        if not line.strip() or fields[0] == "-DOCSTART-":
            if words:
                yield words, tags
                words, tags = [], []
            continue
        if len(fields) < 2:
            raise FormatError(
                f"line {number}: a line must have at least two columns, first the word and last "
                f"its tag, separated by tabs or spaces. Received: {line[:60]!r}"
            )
        width = width or len(fields)
        if len(fields) != width:
            raise FormatError(
                f"line {number}: every line must have as many columns as the first, {width}; "
                f"there are no comments in this format. Received: {len(fields)} in {line[:60]!r}"
            )
        if not fields[0] or not fields[-1].strip():
            raise FormatError(
                f"line {number}: neither the word nor its tag may be empty. Received: {line[:60]!r}"
            )
        words.append(fields[0])
        tags.append(fields[-1])
    if words:
        yield words, tags


def _stripped(field: str) -> str:
    """A field without white space around it; a space alone is a character that has a tag."""
    return field if field == " " else field.strip()


def _between_spaces(line: str) -> list[str]:
    """Splits at spaces alone; unlike `str.split()`, keeps a no-break space within a word."""
    return [part for part in line.split(" ") if part]
