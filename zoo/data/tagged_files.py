"""Tagged words from files of one's own."""

from pathlib import Path

from zoo.data.conll import TAG_COLUMNS, FormatError, column_sentences, conllu_sentences
from zoo.data.dataset import Columns, Dataset, dataset_of_files
from zoo.data.tables import hold_out_share, lines, no_rows
from zoo.data.tagged import tag_set
from zoo.suggestions import did_you_mean

FORMATS = (".conllu", ".conll", ".txt", ".tsv")


def load_tagged(
    train: str | Path,
    dev: str | Path | None = None,
    test: str | Path | None = None,
    column: str = "upos",
    dev_fraction: float = 0.1,
    seed: int = 0,
) -> Dataset:
    """Loads a dataset of tagged words, of CoNLL-U files or of columns.

    The suffix tells the format, each also gzipped (`.gz` after it), all in UTF-8:

    - `.conllu` is CoNLL-U. Its syntactic words are read, one tag each: a multiword token
      (ID `3-4`) is passed over for the words that follow it, and empty nodes (ID `8.1`) and
      comments are passed over.
    - `.conll`, `.txt` and `.tsv` have one word a line, first the word and last its tag, with
      tabs or spaces between the columns; a blank line ends a sentence. Columns between the two
      and `-DOCSTART-` lines are passed over. There is no header and there are no comments.

    Args:
        train: Path.
        dev: Path. Without it, sentences are held out of `train`, none of which remain there.
        test: Path.
        column: Which tags of CoNLL-U to take: `"upos"` (universal parts of speech) or `"xpos"`
            (those of the language). Defaults to `"upos"`.
        dev_fraction: float. Share of `train` to hold out if there is no `dev`.
        seed: int. Another seed holds out other sentences.

    Returns:
        A `Dataset` with the columns `"tokens"` and `"tags"`, whose labels are the tags of
        `train`, sorted; other tags in `dev` or `test` are no error
        (`zoo.metrics.unknown_tags` lists them). Its name is that of the file.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if a file cannot be read as said above (with the number of the line), has
            no sentences, or if `train` has one tag only.
    """
    files = {"train": train, "dev": dev, "test": test}
    splits = {split: read_tagged(file, column) for split, file in files.items() if file is not None}
    labels = tag_set(splits["train"]["tags"])
    if len(labels) < 2:
        raise ValueError(
            f"A tagger needs words of at least two tags. Is the tag in the column that was read "
            f"(of CoNLL-U `column`, else the last)? Received: {train} with the one tag "
            f"{labels[0]!r}"
        )
    if dev is None:
        splits["train"], splits["dev"] = _hold_out(splits["train"], dev_fraction, seed, train)
    return dataset_of_files(train, "token_classifier", splits, labels)


def read_tagged(file: str | Path, column: str = "upos") -> Columns:
    """Reads one file, as `load_tagged` does.

    Args:
        file: Path.
        column: Which tags of CoNLL-U to take, `"upos"` or `"xpos"`; of no matter for others.

    Returns:
        The columns `"tokens"` and `"tags"`: for each sentence a list of words, and one of as
        many tags.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it cannot be read, or has no sentences.
    """
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
            columns["tokens"].append(tokens)
            columns["tags"].append(tags)
    except FormatError as error:
        raise ValueError(f"{file}, {error}") from error
    if not columns["tokens"]:
        raise no_rows(file)
    return columns


def check_column(column: str) -> None:
    """Raises a `ValueError` unless it is a column of CoNLL-U that has tags."""
    if column not in TAG_COLUMNS:
        raise ValueError(
            f"column must be one of {', '.join(TAG_COLUMNS)}, the tags of CoNLL-U."
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


def _hold_out(
    columns: Columns, fraction: float, seed: int, file: object
) -> tuple[Columns, Columns]:
    texts = [" ".join(tokens) for tokens in columns["tokens"]]
    parts = hold_out_share({"text": texts, **columns}, fraction, seed, file)
    rest, held = ({name: part[name] for name in columns} for part in parts)
    return rest, held
