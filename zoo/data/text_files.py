"""Reads texts for language models: text files, folders of them, and tables."""

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from zoo.data.dataset import Columns, Dataset, dataset_of_files
from zoo.data.tables import as_text, lines, read_table, table_format
from zoo.unicode import compose

SUFFIXES = (".txt", ".text", ".md")  # of the files of a folder, or with .gz after them
MAX_BYTES = 256 * 2**20  # of all files together: they are in memory, with a number for each token
_PROBED = 8192  # bytes in which a file that is no text has a null byte

Unit = Literal["file", "line"]


def load_texts(
    train: str | Path,
    dev: str | Path | None = None,
    test: str | Path | None = None,
    text: str = "text",
    unit: Unit = "file",
    dev_fraction: float = 0.1,
) -> Dataset:
    """Loads texts to train a language model on.

    Args:
        train: Path of a text file in UTF-8; of a folder of them, whose files `.txt`, `.text` and
            `.md` are read in the order of their paths; or of a table, `.csv`, `.tsv` or `.jsonl`.
            All may be gzipped (with `.gz` after the suffix).
        dev: Path, likewise. By default the end of `train` is held out.
        test: Path, likewise.
        text: Name of the column of a table with the texts. Defaults to `"text"`.
        unit: `"file"`: a text file is one text; `"line"`: each of its lines is a text.
        dev_fraction: float. Share of the characters of `train` to hold out if `dev` is not given;
            the cut is at the end of a line. Defaults to `0.1`.

    Returns:
        A `Dataset` named after the file or folder, with the column `text`.

    Raises:
        FileNotFoundError: if there is no such file or folder.
        ValueError: if a file is not text, or not a table with that column; if a folder has no text
            files; if they are too large, or there is nothing to hold out.
    """
    files = {"train": train, "dev": dev, "test": test}
    splits = {
        split: read_texts(file, text, unit) for split, file in files.items() if file is not None
    }
    if dev is None:
        splits["train"], splits["dev"] = _hold_out_end(splits["train"], dev_fraction, train)
    return dataset_of_files(Path(train).absolute(), "causal_lm", splits)


def read_texts(path: str | Path, text: str = "text", unit: Unit = "file") -> Columns:
    r"""Reads a text file, a folder of text files or a table, in a format of `load_texts`.

    Args:
        path: Path.
        text: Name of the column of a table with the texts.
        unit: `"file"` or `"line"`: what a text is in a text file.

    Returns:
        The column `text`. Texts are in NFC, and their lines end with `"\n"`, also where a file has
        `"\r\n"`; the last line of a text has no end.

    Raises:
        FileNotFoundError: if there is no such file or folder.
        ValueError: if `unit` is unknown; if a file is not text, or not a table with that column; if
            a folder has no text files; if they are too large, or have no text.
    """
    if unit not in ("file", "line"):
        raise ValueError(f"`unit` must be 'file' or 'line'. Received: unit={unit!r}")
    files = _files(Path(path))
    if len(files) == 1 and table_format(files[0]):
        return read_table(files[0], {"text": text}, {"text": as_text})
    texts: list[str] = []
    for file in files:
        found = list(_text_lines(file))
        texts += found if unit == "line" else ["\n".join(found)]
    if not any(one.strip() for one in texts):
        raise ValueError(f"The file has no text. Received: {str(path)!r}")
    return {"text": texts}


def _files(path: Path) -> list[Path]:
    """The text files of a folder, or the one file, after a check of their size."""
    files = [path]
    if path.is_dir():
        files = sorted(file for file in path.rglob("*") if file.is_file() and is_text(file))
        if not files:
            raise ValueError(
                f"A folder of texts must have files that end in {', '.join(SUFFIXES)}, or in .gz "
                f"after that. Received: {str(path)!r}"
            )
    elif not path.is_file():
        raise FileNotFoundError(f"There is no such file or folder. Received: {str(path)!r}")
    total = sum(file.stat().st_size for file in files)
    if total > MAX_BYTES:
        raise _too_large(path, total)
    return files


def is_text(file: Path) -> bool:
    """True if a file is a text file by its suffix (ignoring `.gz`)."""
    return Path(file.name.lower().removesuffix(".gz")).suffix in SUFFIXES


def _text_lines(file: Path) -> Iterator[str]:
    """The lines of a file without their ends, in NFC."""
    size = 0
    for number, line in enumerate(lines(file), 1):
        if "\0" in line[:_PROBED]:
            raise ValueError(
                f"{file}, line {number}: this is not a text file: it has null bytes. Convert it to "
                f"plain text in UTF-8 first. Received: {line[:40]!r}"
            )
        size += len(line)
        if size > MAX_BYTES:  # of a gzip file, unpacked
            raise _too_large(file, size)
        yield compose(line.removesuffix("\n").removesuffix("\r"))


def _too_large(path: Path, size: int) -> ValueError:
    return ValueError(
        f"Texts may have at most {MAX_BYTES // 2**20} MiB together: they are in memory. Train on a "
        f"part of them. Received: {str(path)!r} with {size / 2**20:,.0f} MiB"
    )


def _hold_out_end(columns: Columns, fraction: float, source: object) -> tuple[Columns, Columns]:
    """Cuts the end off the rows, by characters, at the end of a line.

    Raises:
        ValueError: if the share is not between 0 and 1, or a part would have no text.
    """
    if not 0 < fraction < 1:
        raise ValueError(f"dev_fraction must be between 0 and 1. Received: dev_fraction={fraction}")
    texts = columns["text"]
    wanted = max(1, round(sum(map(len, texts)) * fraction))
    rest, held = list(texts), []
    while rest and wanted > 0:
        text = rest.pop()
        if len(text) > wanted and (cut := text.rfind("\n", 0, len(text) - wanted)) > 0:
            rest.append(text[:cut])
            text = text[cut + 1 :]
        held.append(text)
        wanted -= len(text)
    parts = rest, held[::-1]
    if not all(any(text.strip() for text in part) for part in parts):
        raise ValueError(
            f"Too few lines to hold out {fraction:.0%} for dev and keep some: add text, or name a "
            f"dev file. Received: {source} with {sum(map(len, texts)):,} characters in "
            f"{sum(text.count(chr(10)) + 1 for text in texts):,} lines"
        )
    return {"text": parts[0]}, {"text": parts[1]}
