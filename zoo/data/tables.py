"""Reading tables (CSV, TSV, JSON lines) and lines of text from a user's files."""

import csv
import gzip
import json
import zlib
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path, PurePath
from typing import Any

from zoo.data.dataset import Columns, hold_out
from zoo.files import MAX_LINE_BYTES, bounded_lines
from zoo.suggestions import did_you_mean
from zoo.unicode import compose

FORMATS = (".csv", ".tsv", ".jsonl")
MAX_NAMED = 3  # missing files named in an error


def table_format(file: Path) -> str | None:
    """The format of a file by its suffix (ignoring `.gz`): one of `FORMATS`, or `None`."""
    suffixes = [suffix.lower() for suffix in file.suffixes]
    if suffixes[-1:] == [".gz"]:
        suffixes.pop()
    return suffixes[-1] if suffixes and suffixes[-1] in FORMATS else None


def read_table(
    file: Path, columns: dict[str, str], convert: Mapping[str, Callable[[Path, int, Any], Any]]
) -> Columns:
    """Reads columns of a table, in the format that the suffix of the file names.

    Args:
        file: Path.
        columns: The name of each column in the file, by its name in the result, which is also the
            name of the caller's argument that errors refer to.
        convert: For each column a function `(file, line, value)` that returns the converted
            value or raises a `ValueError`.

    Returns:
        The columns.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the file is in no such format, lacks a column or has no rows.
    """
    kind = table_format(file)
    if kind is None:
        raise _no_format(file)
    found: Columns = {name: [] for name in columns}
    reader = _json_rows if kind == ".jsonl" else _table_rows
    for number, row in reader(file, lines(file), kind, columns):
        for name, column in columns.items():
            found[name].append(convert[name](file, number, row[column]))
    if not all(found.values()):
        raise no_rows(file)
    return found


def read_rows(file: Path) -> list[dict[str, Any]]:
    """All rows of a table, by the names of its columns; errors as in `read_table`."""
    kind = table_format(file)
    if kind is None:
        raise _no_format(file)
    reader = _json_rows if kind == ".jsonl" else _table_rows
    found = [row for _, row in reader(file, lines(file), kind, {})]
    if not found:
        raise no_rows(file)
    return found


def lines(file: Path) -> Iterator[str]:
    """Yields the lines of a UTF-8 file with their ends, without a byte order mark.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the file is not UTF-8, is a damaged gzip file, or has a line that is longer
            than `zoo.files.MAX_LINE_BYTES`.
    """
    if not file.is_file():
        raise FileNotFoundError(f"There is no such file. Received: {str(file)!r}")
    number = 0
    try:
        with gzip.open(file) if file.suffix.lower() == ".gz" else open(file, "rb") as content:
            for number, line in enumerate(bounded_lines(content, file), 1):  # type: ignore[arg-type]
                yield line.decode("utf-8-sig" if number == 1 else "utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{file}, line {number}: the file must be UTF-8 (`iconv -f CP949 -t UTF-8` converts a "
            f"common Korean encoding). Received: byte 0x{error.object[error.start]:02x} "
            f"at byte {error.start + 1} of the line"
        ) from error
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise ValueError(
            f"{file}, after line {number}: the gzip file is damaged or cut short ({error}). "
            f"Download or write it again."
        ) from error


def _table_rows(
    file: Path, content: Iterator[str], kind: str, columns: dict[str, str]
) -> Iterator[tuple[int, dict]]:
    if kind == ".csv":
        reader = csv.reader(content, strict=True)
    else:
        reader = csv.reader(content, delimiter="\t", quoting=csv.QUOTE_NONE)
    header = None
    limit = csv.field_size_limit(MAX_LINE_BYTES)  # a quoted cell may have several lines
    try:
        for fields in reader:
            if not fields:
                continue  # an empty line
            if header is None:
                header = fields
                _check_columns(file, reader.line_num, header, columns)
                continue
            if len(fields) != len(header):
                raise ValueError(
                    f"{file}, line {reader.line_num}: each row must have the {len(header)} fields "
                    f"that the first line names. Received: {len(fields)} fields"
                )
            yield reader.line_num, dict(zip(header, fields, strict=True))
    except csv.Error as error:
        if "field limit" in str(error):
            raise ValueError(
                f"{file}, line {reader.line_num}: a cell may have at most {MAX_LINE_BYTES:,} "
                "characters. Split its text into several rows, or close the quote that is still "
                f"open. Received: {error}"
            ) from error
        remedy = "A quote opened in a field must be closed, and one inside it doubled."
        if "new-line character" in str(error):
            remedy = "Lines must end with a line feed; take out the carriage returns within them."
        raise ValueError(
            f"{file}, line {reader.line_num}: not a valid {kind} row ({error}). {remedy}"
        ) from error
    finally:
        csv.field_size_limit(limit)


def _json_rows(
    file: Path, content: Iterator[str], kind: str, columns: dict[str, str]
) -> Iterator[tuple[int, dict]]:
    for number, line in enumerate(content, 1):
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
        _check_columns(file, number, list(row), columns)
        yield number, row


def _check_columns(file: Path, number: int, found: list[str], columns: dict[str, str]) -> None:
    for name in columns.values():
        if found.count(name) > 1:
            raise ValueError(f"{file}, line {number}: more than one column is named {name!r}.")
        if name not in found:
            raise ValueError(
                f"{file}, line {number}: there is no column {name!r}.{did_you_mean(name, found)} "
                f"The arguments {' and '.join(f'`{argument}`' for argument in columns)} name the "
                f"columns to read, in a recipe {' and '.join(f'`data.{it}=…`' for it in columns)}. "
                f"Received: {', '.join(map(repr, found))}"
            )


def as_text(file: Path, number: int, value: Any) -> str:
    """The text of a value in NFC; a converter for `read_table`."""
    return compose(as_string(file, number, value))


def as_string(file: Path, number: int, value: Any) -> str:
    """Checks that a value is a string without surrogates."""
    if not isinstance(value, str):
        raise ValueError(
            f"{file}, line {number}: the text must be a string. Received: {value!r} of type "
            f"{type(value).__name__}"
        )
    try:
        value.encode()
    except UnicodeEncodeError as error:  # JSON can contain half of a surrogate pair
        raise ValueError(
            f"{file}, line {number}: the text has half of a surrogate pair, which is no "
            f"character. Received: {value[error.start : error.end]!a}"
        ) from error
    return value


def as_file_name(file: Path, number: int, value: Any) -> str:
    """Normalises a path and checks that it is within the folder that the table names files of."""
    path = PurePath(as_string(file, number, value))
    if not path.name or path.anchor or ".." in path.parts:
        raise ValueError(
            f"{file}, line {number}: the path must be that of a file, relative to the folder of "
            f"the files and within it. Received: {value!r}"
        )
    return str(path)


def check_files(file: Path, folder: Path, names: Collection[str], argument: str) -> None:
    """Raises a `FileNotFoundError` that names files of a table that are not in their folder.

    Args:
        file: The table.
        folder: The folder.
        names: The names of the files in the folder.
        argument: The argument that names the folder, which is also a noun for the files.
    """
    if absent := [name for name in names if not (folder / name).is_file()]:
        more = ", …" if len(absent) > MAX_NAMED else ""
        raise FileNotFoundError(
            f"{file} names {len(absent)} of {len(names)} {argument} that are not in the folder "
            f"{str(folder)!r}. Name the folder by the argument `{argument}`. Received: "
            f"{', '.join(map(repr, absent[:MAX_NAMED]))}{more}"
        )


def _no_format(file: Path) -> ValueError:
    return ValueError(
        f"The suffix must tell the format: {', '.join(FORMATS)}, and .gz after it if "
        f"gzipped. Received: {str(file)!r}"
    )


def no_rows(file: object) -> ValueError:
    """The error for a file without rows."""
    return ValueError(f"The file has no rows. Received: {str(file)!r}")


def hold_out_share(
    columns: Columns, keys: list[str], fraction: float, seed: int, file: object
) -> tuple[Columns, Columns]:
    """Splits a share of a file's rows off by `hold_out`, and checks that both parts have rows.

    Args:
        columns: The rows of the file.
        keys: The key of each row; rows of one key stay together.
        fraction: float. The share.
        seed: int. Of the choice.
        file: The file, for the error.

    Returns:
        The rows that are left, and those held out.

    Raises:
        ValueError: if the share is not between 0 and 1, or there are too few rows.
    """
    if not 0 < fraction < 1:
        raise ValueError(f"dev_fraction must be between 0 and 1. Received: dev_fraction={fraction}")
    rows, labels = len(keys), set(columns.get("label", ()))
    keyed = {"": keys, **columns}
    rest, held = hold_out(keyed, max(1, round(rows * fraction)), by="", seed=seed)
    if not held.pop("") or not rest.pop("") or set(rest.get("label", ())) != labels:
        raise ValueError(
            f"Too few rows, or too few different texts, to hold out {fraction:.0%} for dev and "
            f"keep some{' of each class' if labels else ''}: add rows, or name a dev file. "
            f"Received: {file} with {rows} rows"
        )
    return rest, held
