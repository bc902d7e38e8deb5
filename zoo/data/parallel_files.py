"""Reads translation datasets from pairs of text files or from tables."""

from collections.abc import Sequence
from pathlib import Path

from zoo.data.dataset import Columns, Dataset, dataset_of_files
from zoo.data.tables import (
    FORMATS,
    as_text,
    hold_out_share,
    lines,
    no_rows,
    read_table,
    table_format,
)
from zoo.unicode import compose

Files = str | Path | Sequence[str | Path]


def load_parallel(
    train: Files,
    dev: Files | None = None,
    test: Files | None = None,
    source: str = "source",
    target: str = "target",
    dev_fraction: float = 0.1,
    seed: int = 0,
) -> Dataset:
    """Loads a translation dataset from pairs of text files, or from tables.

    A split is either a pair of text files, `(source, target)`, with one sentence in each line, of
    which line N of one translates line N of the other; or a table in a format of `load_labelled`.
    All are in UTF-8 and may be gzipped (`.gz`). Empty lines are kept, so that the two sides stay
    aligned.

    Args:
        train: Paths of two text files, or path of a table.
        dev: Likewise. By default rows are held out of `train`, with no source text in common.
        test: Likewise.
        source: Name of a table's column to translate from.
        target: Name of a table's column to translate into.
        dev_fraction: float. Share of `train` to hold out if `dev` is not given. Defaults to `0.1`.
        seed: int. Seed of the choice of those rows. Defaults to `0`.

    Returns:
        A `Dataset` named after the (first) file.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if a file is not in such a format (with the number of the line), lacks a column
            or has no rows; if the two files differ in length.
    """
    files = {"train": train, "dev": dev, "test": test}
    splits = {
        split: read_parallel(given, source, target)
        for split, given in files.items()
        if given is not None
    }
    first = Path(train if isinstance(train, str | Path) else train[0])
    if dev is None:
        rows = splits["train"]
        splits["train"], splits["dev"] = hold_out_share(
            rows, rows["source"], dev_fraction, seed, first
        )
    return dataset_of_files(first, "seq2seq_lm", splits)


def read_parallel(files: Files, source: str = "source", target: str = "target") -> Columns:
    """Reads one split in a format of `load_parallel`.

    Args:
        files: Paths of two text files, or path of a table.
        source: Name of a table's column to translate from.
        target: Name of a table's column to translate into.

    Returns:
        The columns `"source"` and `"target"`, every value a string.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if a file is not in such a format, lacks a column or has no rows; if the two
            files differ in length.
    """
    if isinstance(files, str | Path):
        file = Path(files)
        if table_format(file) is None:
            raise ValueError(
                f"One file must be a table ({', '.join(FORMATS)}, and .gz after it if gzipped); "
                f"text files come in pairs, (source, target). Received: {str(file)!r}"
            )
        return read_table(
            file, {"source": source, "target": target}, {"source": as_text, "target": as_text}
        )
    if len(files) != 2:
        raise ValueError(
            f"Name two text files, (source, target), or one table. Received: {len(files)} files"
        )
    pair = [Path(file) for file in files]
    texts = [[compose(_without_end(line)) for line in lines(file)] for file in pair]
    shorter, longer = sorted((0, 1), key=lambda side: len(texts[side]))
    if len(texts[shorter]) < len(texts[longer]):
        raise ValueError(
            f"Line N of one file must translate line N of the other, with an empty line where "
            f"there is no translation: {pair[shorter]} ends after line {len(texts[shorter])}. "
            f"Received: {pair[0]} with {len(texts[0])} lines, {pair[1]} with {len(texts[1])}"
        )
    if not texts[0]:
        raise no_rows(pair[0])
    return {"source": texts[0], "target": texts[1]}


def _without_end(line: str) -> str:
    return line.removesuffix("\n").removesuffix("\r")
