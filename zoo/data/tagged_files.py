"""Reads tagging datasets from CoNLL-U files and files of columns."""

import warnings
from pathlib import Path

from zoo.data.conll import TAG_COLUMNS, FormatError, column_sentences, conllu_sentences
from zoo.data.dataset import Columns, Dataset, dataset_of_files
from zoo.data.tables import hold_out_share, lines, no_rows
from zoo.data.tagged import tag_set
from zoo.suggestions import did_you_mean
from zoo.tags import standard_tags
from zoo.unicode import compose

FORMATS = (".conllu", ".conll", ".txt", ".tsv")


def load_tagged(
    train: str | Path,
    dev: str | Path | None = None,
    test: str | Path | None = None,
    column: str = "upos",
    dev_fraction: float = 0.1,
    seed: int = 0,
) -> Dataset:
    """Loads a tagging dataset from CoNLL-U files or files of columns.

    The format is chosen by the suffix. Files are in UTF-8 and may be gzipped (with `.gz` after the
    suffix).

    - `.conllu` is CoNLL-U. Its syntactic words are read, with one tag each. Multiword tokens
      (ID `3-4`), empty nodes (ID `8.1`) and comments are skipped.
    - `.conll`, `.txt` and `.tsv` have one word in each line: the first column is the word, the
      last its tag, with tabs or spaces between columns; a blank line ends a sentence. Columns
      between the two and `-DOCSTART-` lines are skipped. There are no header and no comments.

    Tags in another notation of spans, such as BILOU, are renamed to BIOES: see
    `zoo.tags.standard_tags`.

    Args:
        train: Path.
        dev: Path. By default sentences are held out of `train`, with none in common.
        test: Path.
        column: The tags of CoNLL-U to read: `"upos"` (universal parts of speech) or `"xpos"`
            (those of the language). Defaults to `"upos"`.
        dev_fraction: float. Share of `train` to hold out if `dev` is not given. Defaults to `0.1`.
        seed: int. Seed of the choice of those sentences. Defaults to `0`.

    Returns:
        A `Dataset` named after the file, with the columns `"tokens"` and `"tags"`. Its labels are
        the tags of `train`, sorted; further tags in `dev` or `test` are allowed
        (`zoo.metrics.unknown_tags` lists them).

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if a file is not in such a format (with the number of the line) or has no
            sentences; if `train` has one tag only.
    """
    files = {"train": train, "dev": dev, "test": test}
    splits = {split: _read(file, column) for split, file in files.items() if file is not None}
    _rename_tags(splits)
    labels = tag_set(splits["train"]["tags"])
    if len(labels) < 2:
        raise ValueError(
            f"A tagger needs words of at least two tags. Is the tag in the column that was read "
            f"(of CoNLL-U `column`, else the last)? Received: {train} with the one tag "
            f"{labels[0]!r}"
        )
    if dev is None:
        rows = splits["train"]
        texts = [" ".join(tokens) for tokens in rows["tokens"]]
        splits["train"], splits["dev"] = hold_out_share(rows, texts, dev_fraction, seed, train)
    return dataset_of_files(train, "token_classifier", splits, labels)


def read_tagged(file: str | Path, column: str = "upos") -> Columns:
    """Reads one file in a format of `load_tagged`, and renames its tags likewise.

    Args:
        file: Path.
        column: The tags of CoNLL-U to read, `"upos"` or `"xpos"`; ignored for other formats.

    Returns:
        The columns `"tokens"` and `"tags"`: for each sentence a list of words and a list of as
        many tags.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the file is not in such a format, or has no sentences.
    """
    columns = _read(file, column)
    _rename_tags({"": columns})
    return columns


def _read(file: str | Path, column: str) -> Columns:
    file = Path(file)
    kind = _format(file)
    check_column(column)
    content = lines(file)
    if kind == ".conllu":
        sentences = conllu_sentences(content, (column,))
    else:
        sentences = column_sentences(content)
    columns: Columns = {"tokens": [], "tags": []}
    try:
        for tokens, tags in sentences:
            columns["tokens"].append([compose(token) for token in tokens])
            columns["tags"].append([compose(tag) for tag in tags])
    except FormatError as error:
        raise ValueError(f"{file}, {error}") from error
    if not columns["tokens"]:
        raise no_rows(file)
    return columns


def _rename_tags(splits: dict[str, Columns]) -> None:
    """Renames the tags of another notation in place, with a warning."""
    every = {tag for columns in splits.values() for tags in columns["tags"] for tag in tags}
    renamed = standard_tags(every)
    if not renamed:
        return
    for columns in splits.values():
        columns["tags"] = [[renamed.get(tag, tag) for tag in tags] for tags in columns["tags"]]
    shown = ", ".join(f"{old} as {new}" for old, new in list(renamed.items())[:3])
    more = ", …" if len(renamed) > 3 else ""
    warnings.warn(f"Tags of spans are read by their names in BIOES: {shown}{more}.", stacklevel=3)


def check_column(column: str) -> None:
    """Raises a `ValueError` unless `column` names tags of CoNLL-U."""
    if column not in TAG_COLUMNS:
        raise ValueError(
            f"column must be one of {', '.join(TAG_COLUMNS)}, the columns of tags in CoNLL-U."
            f"{did_you_mean(str(column), TAG_COLUMNS)} Received: column={column!r}"
        )


def _format(file: Path) -> str:
    suffixes = [suffix.lower() for suffix in file.suffixes]
    if suffixes[-1:] == [".gz"]:
        suffixes.pop()
    if not suffixes or suffixes[-1] not in FORMATS:
        raise ValueError(
            f"The suffix must tell the format: .conllu for CoNLL-U, {', '.join(FORMATS[1:])} for "
            f"columns, and .gz after it if gzipped. Received: {str(file)!r}"
        )
    return suffixes[-1]
