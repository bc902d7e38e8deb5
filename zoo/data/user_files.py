"""Datasets from files of one's own."""

import csv
import gzip
import json
import zlib
from collections.abc import Iterator
from pathlib import Path

from zoo.data.dataset import Columns, Dataset, hold_out, splits_digest
from zoo.suggestions import did_you_mean

_FORMATS = (".csv", ".tsv", ".jsonl")


def load_files(
    train: str | Path,
    dev: str | Path | None = None,
    test: str | Path | None = None,
    text: str = "text",
    label: str = "label",
    dev_fraction: float = 0.1,
    seed: int = 0,
) -> Dataset:
    """Loads a text classification dataset from tables.

    The suffix tells the format, each also gzipped (`.gz` after it), all in UTF-8: `.csv`
    (commas, quoted by `"`) and `.tsv` (tabs, no quoting) begin with a line that names the
    columns; each line of `.jsonl` is a JSON object.

    Args:
        train: Path.
        dev: Path. Without it, rows are held out of `train`, none of whose texts remain there.
        test: Path.
        text: Name of the column with the text.
        label: Name of the column with the label: a word or a whole number.
        dev_fraction: float. Share of `train` to hold out if there is no `dev`.
        seed: int. Another seed holds out other rows.

    Returns:
        A `Dataset` whose labels are those of `train`, sorted; its name is that of the file.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if a file cannot be read as said above (with the number of the line), has
            no such column, has no rows, or if labels are of one class only, or of a class
            that `train` lacks.
    """
    files = {"train": train, "dev": dev, "test": test}
    splits = {
        split: read_file(file, text, label) for split, file in files.items() if file is not None
    }
    labels = _labels(splits, files, label)
    if dev is None:
        splits["train"], splits["dev"] = _hold_out(splits["train"], dev_fraction, seed, train)
    splits = {split: splits[split] for split in files if split in splits}
    return Dataset(
        name=Path(train).name.split(".")[0],
        task="text_classifier",
        languages=(),
        licence="not stated",
        citation="",
        digest=splits_digest(splits),
        splits=splits,
        labels=labels,
    )


def read_file(file: str | Path, text: str = "text", label: str = "label") -> Columns:
    """Reads one table, as `load_files` does, of one class too.

    Args:
        file: Path.
        text: Name of the column with the text.
        label: Name of the column with the label.

    Returns:
        The columns `"text"` and `"label"`, every value a string.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it cannot be read, has no such column, or has no rows.
    """
    file = Path(file)
    suffixes = [suffix.lower() for suffix in file.suffixes]
    zipped = suffixes[-1:] == [".gz"]
    kind = (suffixes[:-1] if zipped else suffixes)[-1:]
    if not kind or kind[0] not in _FORMATS:
        raise ValueError(
            f"The suffix must tell the format: {', '.join(_FORMATS)}, and .gz after it if "
            f"gzipped. Received: {str(file)!r}"
        )
    if not file.is_file():
        raise FileNotFoundError(f"There is no such file. Received: {str(file)!r}")
    reader = _json_rows if kind[0] == ".jsonl" else _table_rows
    columns: Columns = {"text": [], "label": []}
    for number, row in reader(file, _lines(file, zipped), kind[0], (text, label)):
        columns["text"].append(_text(file, number, row[text]))
        columns["label"].append(_label(file, number, row[label]))
    if not columns["text"]:
        raise ValueError(f"The file has no rows. Received: {str(file)!r}")
    return columns


def _labels(splits: dict[str, Columns], files: dict, column: str) -> tuple[str, ...]:
    known = set(splits["train"]["label"])
    if len(known) < 2:
        raise ValueError(
            f"A classifier needs rows of at least two classes. Is {column!r} the column with the "
            f"label? Received: {files['train']} with the one label {known.pop()!r}"
        )
    for split in splits:
        if unknown := sorted(set(splits[split]["label"]) - known):
            raise ValueError(
                f"Every label must occur in the training file, which has {sorted(known)[:20]}. "
                f"Received: {files[split]} with {unknown[:20]}"
            )
    whole = all(name.removeprefix("-").isdecimal() for name in known)
    return tuple(sorted(known, key=lambda name: (int(name) if whole else 0, name)))


def _hold_out(columns: Columns, fraction: float, seed: int, file) -> tuple[Columns, Columns]:
    if not 0 < fraction < 1:
        raise ValueError(
            f"dev_fraction must lie between 0 and 1. Received: dev_fraction={fraction}"
        )
    rows = len(columns["text"])
    rest, held = hold_out(columns, max(1, round(rows * fraction)), seed=seed)
    if not held["text"] or set(rest["label"]) != set(columns["label"]):
        raise ValueError(
            f"Too few rows, or too few different texts, to hold out {fraction:.0%} for dev and "
            f"keep some of each class: add rows, or name a dev file. Received: {file} with "
            f"{rows} rows"
        )
    return rest, held


def _lines(file: Path, zipped: bool) -> Iterator[str]:
    number = 0
    try:
        with gzip.open(file) if zipped else open(file, "rb") as lines:
            for number, line in enumerate(lines, 1):
                yield line.decode("utf-8-sig" if number == 1 else "utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{file}, line {number}: the file must be UTF-8 (`iconv -f CP949 -t UTF-8` turns a "
            f"common Korean encoding into it). Received: byte 0x{error.object[error.start]:02x} "
            f"at byte {error.start + 1} of the line"
        ) from error
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise ValueError(
            f"{file}, after line {number}: the gzip file is damaged or cut short ({error}). "
            f"Fetch or write it again."
        ) from error


def _table_rows(
    file: Path, lines: Iterator[str], kind: str, needed: tuple[str, str]
) -> Iterator[tuple[int, dict]]:
    if kind == ".csv":
        reader = csv.reader(lines, strict=True)
    else:
        reader = csv.reader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)
    header = None
    limit = csv.field_size_limit(2**31 - 1)  # a long text is no mistake
    try:
        for fields in reader:
            if not fields:
                continue  # an empty line
            if header is None:
                header = fields
                _check_columns(file, reader.line_num, header, needed)
                continue
            if len(fields) != len(header):
                raise ValueError(
                    f"{file}, line {reader.line_num}: each row must have the {len(header)} fields "
                    f"that the first line names. Received: {len(fields)} fields"
                )
            yield reader.line_num, dict(zip(header, fields, strict=True))
    except csv.Error as error:
        raise ValueError(
            f"{file}, line {reader.line_num}: not a valid {kind} row ({error}). A quote opened "
            f"in a field must be closed, and one inside it doubled."
        ) from error
    finally:
        csv.field_size_limit(limit)


def _json_rows(
    file: Path, lines: Iterator[str], kind: str, needed: tuple[str, str]
) -> Iterator[tuple[int, dict]]:
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (json.JSONDecodeError, RecursionError) as error:
            raise ValueError(
                f"{file}, line {number}: each line must be JSON ({error}). Received: {line[:60]!r}"
            ) from error
        if not isinstance(row, dict):
            raise ValueError(
                f"{file}, line {number}: each line must be a JSON object. Received: {line[:60]!r}"
            )
        _check_columns(file, number, list(row), needed)
        yield number, row


def _check_columns(file: Path, number: int, found: list[str], needed: tuple[str, str]) -> None:
    for name in needed:
        if found.count(name) > 1:
            raise ValueError(f"{file}, line {number}: more than one column is named {name!r}.")
        if name not in found:
            raise ValueError(
                f"{file}, line {number}: there is no column {name!r}.{did_you_mean(name, found)} "
                "The arguments `text` and `label` say which columns to read. "
                f"Received: {', '.join(map(repr, found))}"
            )


def _text(file: Path, number: int, value) -> str:
    if not isinstance(value, str):
        raise ValueError(
            f"{file}, line {number}: the text must be a string. Received: {value!r} of type "
            f"{type(value).__name__}"
        )
    try:
        value.encode()
    except UnicodeEncodeError as error:  # JSON can spell half of a surrogate pair
        raise ValueError(
            f"{file}, line {number}: the text holds half of a surrogate pair, which is no "
            f"character. Received: {value[error.start : error.end]!a}"
        ) from error
    return value


def _label(file: Path, number: int, value) -> str:
    if isinstance(value, bool):
        value = str(value).lower()
    if isinstance(value, int):
        value = str(value)
    if not isinstance(value, str) or not value.strip():
        raise ValueError(
            f"{file}, line {number}: the label must be a word or a whole number. "
            f"Received: {value!r}"
        )
    return value.strip()
