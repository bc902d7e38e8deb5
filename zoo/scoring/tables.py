"""Tables of any size, cut into parts that are read one by one: CSV, JSON lines and Parquet.

A table is a file, or a folder of files as Spark writes it. It is looked through once, without
keeping it in memory: where each part begins, which columns there are, and how many rows.
"""

import csv
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from zoo.files import bounded_lines

if TYPE_CHECKING:
    import pyarrow as pa

FORMATS = (".csv", ".jsonl", ".parquet")
MAX_BYTES = 1 << 26  # of a cell or a line; what is longer is no table
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
MAX_EXACT = 1 << 53  # up to it, each integer is a floating-point number of 64 bits
END = "\ud800"  # a line after the last one; bytes that are decoded never give this code point

Rows = list[dict[Any, Any]]  # the key `None` has the error of a row that could not be read


@dataclass(frozen=True)
class Part:
    """Consecutive rows of one file of a table.

    Attributes:
        number: Its position among the parts of the table.
        file: The file.
        start: Where it begins: a byte of a CSV or JSON file, a row of a Parquet file.
        rows: Number of its rows.
    """

    number: int
    file: str
    start: int
    rows: int


@dataclass(frozen=True)
class Table:
    """A table that was looked through.

    Attributes:
        path: The file or folder.
        format: One of `FORMATS`.
        files: Path, size and time of change of each file, in order.
        columns: The kinds of values of each column by its name: of JSON lines, the keys in order of
            appearance and `kind_of` their values; of Parquet, the types of Arrow.
        parts: The parts, in order.
    """

    path: str
    format: str
    files: list[tuple[str, int, int]]
    columns: dict[str, str]
    parts: list[Part]

    @property
    def rows(self) -> int:
        return sum(part.rows for part in self.parts)


class TableError(ValueError):
    """Error for a table that cannot be read."""


def format_of(path: Path) -> str:
    """The format of a file or folder by its suffix.

    Raises:
        TableError: if it has none of `FORMATS`.
    """
    suffix = path.suffix.lower()
    if suffix in FORMATS:
        return suffix
    raise TableError(f"A table must end in {', '.join(FORMATS)}. Received: {path}")


def files_of(path: Path) -> list[Path]:
    """The file of a table, or the files of a folder in the order of their names.

    Raises:
        TableError: if there are none, or the folder has folders.
    """
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise TableError(f"There is no such table. Received: {path}")
    suffix = format_of(path)
    names = (suffix, ".json") if suffix == ".jsonl" else (suffix,)  # Spark writes part-….json
    inside = [entry for entry in sorted(path.iterdir()) if entry.name[0] not in "._"]
    if folder := next(filter(Path.is_dir, inside), None):
        raise TableError(
            "A folder of a table must have files alone: folders in it, as `partitionBy` of Spark "
            f"writes them, are not read. Received: {folder}"
        )
    if found := [entry for entry in inside if entry.suffix.lower() in names]:
        return found
    raise TableError(f"The folder has no {' or '.join(names)} files. Received: {path}")


def look_through(
    path: Path, part_rows: int, corrupt: str, tell: Callable[[int], None] = lambda rows: None
) -> Table:
    """Finds the columns and the parts of a table.

    Args:
        path: A file, or a folder of files with the same columns.
        part_rows: int. Most rows of a part.
        corrupt: Name of the column for lines that are no JSON objects.
        tell: Called with the number of rows so far, after each part. Defaults to nothing.

    Raises:
        TableError: if it cannot be read, has no rows, or its files have other columns.
    """
    kind = format_of(path)
    files = _states(path)  # before looking, so that a change meanwhile is one
    look = {".csv": _look_csv, ".jsonl": _look_json, ".parquet": _look_parquet}[kind]
    found = _Found(part_rows, corrupt, tell)
    for file, *_ in files:
        look(Path(file), found)
    if not found.parts:
        raise TableError(f"The table has no rows. Received: {path}")
    return Table(str(path.absolute()), kind, files, found.columns, found.parts)


def changed(table: Table) -> str | None:
    """A file that is new, gone or another since the table was looked through, or `None`."""
    try:
        different = set(_states(Path(table.path))) ^ set(table.files)
    except (TableError, OSError):
        return table.path
    return min(name for name, *_ in different) if different else None


def _states(path: Path) -> list[tuple[str, int, int]]:
    """Path, size and time of change of each file."""
    found = [(file.absolute(), file.stat()) for file in files_of(path)]
    return [(str(file), facts.st_size, facts.st_mtime_ns) for file, facts in found]


@dataclass
class _Found:
    """Rows, columns and parts that were found so far."""

    part_rows: int
    corrupt: str
    tell: Callable[[int], None]
    rows: int = 0
    columns: dict[str, str] = field(default_factory=dict)
    parts: list[Part] = field(default_factory=list)

    def add_rows(self, file: Path, starts: Iterator[int]) -> None:
        """Adds the parts of a file whose rows begin at these positions."""
        for start in starts:
            rows = 1 + sum(1 for _ in islice(starts, self.part_rows - 1))
            self.parts.append(Part(len(self.parts), str(file), start, rows))
            self.rows += rows
            self.tell(self.rows)

    def add_columns(self, file: Path, names: list[str], kinds: list[str]) -> None:
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise TableError(f"Columns must have different names. Received: {twice} in {file}")
        columns = dict(zip(names, kinds, strict=True))
        if self.columns and list(self.columns.items()) != list(columns.items()):
            raise TableError(
                f"All files of a table must have the same columns: {_shown(self.columns)}. "
                f"Received: {_shown(columns)} in {file}"
            )
        self.columns = columns


def _look_csv(file: Path, found: _Found) -> None:
    rows = _csv_rows(file, 0)
    header = next(rows, None)
    if header is None:
        raise TableError(f"The first line must name the columns. Received: an empty file, {file}")
    found.add_columns(file, header[1], ["string"] * len(header[1]))
    found.add_rows(file, (start for start, cells in rows if cells or len(header[1]) == 1))


def _look_json(file: Path, found: _Found) -> None:
    def starts() -> Iterator[int]:
        for start, row in _json_rows(file, 0, found.corrupt):
            for name, value in row.items():
                if name is not None:
                    found.columns[name] = _joined(found.columns.get(name), kind_of(value))
            yield start

    found.add_rows(file, starts())


def _look_parquet(file: Path, found: _Found) -> None:
    import pyarrow.parquet as pq
    from pyarrow import ArrowException

    try:
        metadata = pq.read_metadata(file)
        schema = pq.read_schema(file)
    except (ArrowException, OSError) as error:
        raise TableError(f"{file} is no Parquet file: {_first_line(error)}") from None
    found.add_columns(file, schema.names, list(map(str, schema.types)))
    found.add_rows(file, iter(range(metadata.num_rows)))


def schema_of(table: Table) -> "pa.Schema":
    """The Arrow schema of a table's columns; nested and mixed values of JSON are JSON texts."""
    import pyarrow as pa

    if table.format == ".parquet":
        import pyarrow.parquet as pq

        return pq.read_schema(table.files[0][0])
    types = {"boolean": pa.bool_(), "number": pa.float64()}
    types |= {"integer": pa.int64(), "long": pa.int64()}
    return pa.schema(
        [pa.field(name, types.get(kind, pa.string())) for name, kind in table.columns.items()]
    )


def read_rows(table: Table, part: Part, size: int, corrupt: str) -> "Iterator[Rows | pa.Table]":
    """Yields up to `size` rows of a part at a time: dictionaries, or Arrow tables of Parquet."""
    if table.format == ".parquet":
        yield from _parquet_chunks(part, size)
        return
    file, left = Path(part.file), part.rows
    if table.format == ".csv":
        reader = _csv_cells(file, part.start, list(table.columns))
    else:
        reader = (row for _, row in _json_rows(file, part.start, corrupt))
    while left:
        chunk = list(islice(reader, min(size, left)))
        if not chunk:
            raise TableError(f"The file has become shorter. Received: {part.file}")
        left -= len(chunk)
        yield chunk


def _parquet_chunks(part: Part, size: int) -> "Iterator[pa.Table]":
    import pyarrow as pa
    import pyarrow.parquet as pq

    with pq.ParquetFile(part.file) as file:
        first, skipped, groups = 0, 0, []
        for group in range(file.num_row_groups):
            rows = file.metadata.row_group(group).num_rows
            if first + rows <= part.start:
                skipped += rows
            elif first < part.start + part.rows:
                groups.append(group)
            first += rows
        skip, left = part.start - skipped, part.rows
        for batch in file.iter_batches(size, row_groups=groups):
            taken = batch.slice(min(skip, batch.num_rows), left)
            skip -= min(skip, batch.num_rows)
            left -= taken.num_rows
            if taken.num_rows:
                yield pa.Table.from_batches([taken])
            if not left:
                return
    raise TableError(f"The file has become shorter. Received: {part.file}")


class _Lines:
    """Decoded lines of a stream, and the position in it."""

    def __init__(self, stream: BinaryIO, name: Path):
        if stream.tell() == 0 and stream.read(len(BYTE_ORDER_MARK)) != BYTE_ORDER_MARK:
            stream.seek(0)
        self.position = stream.tell()
        self._lines = bounded_lines(stream, name, MAX_BYTES)

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        line = next(self._lines)
        self.position += len(line)
        return line.decode("utf-8", "surrogateescape")


def _csv_rows(file: Path, start: int) -> Iterator[tuple[int, list[str]]]:
    """The cells of each row from a byte on, none of a blank line, with the row's first byte."""
    number = 0
    limit = csv.field_size_limit(MAX_BYTES)
    try:
        with open(file, "rb") as stream:
            stream.seek(start)
            lines = _Lines(stream, file)
            position = lines.position
            for cells in csv.reader(chain(lines, [END])):
                if cells == [END]:
                    return
                if cells and END in cells[-1]:
                    raise csv.Error("a quote is open at the end of the file")
                yield position, cells
                position = lines.position
                number += 1
    except csv.Error as error:
        raise TableError(
            f"{file}, after row {number} from byte {start:,} on: no valid CSV ({error}). A quote "
            "opened in a cell must be closed, and one inside it doubled."
        ) from None
    finally:
        csv.field_size_limit(limit)


def _csv_cells(file: Path, start: int, columns: list[str]) -> Iterator[dict[Any, Any]]:
    """The cells of each row by name. Of a row with more or fewer, the key `None` says so."""
    for _, cells in _csv_rows(file, start):
        if not cells and len(columns) > 1:
            continue
        cells = cells or [""]  # a blank line is a row of a single column
        row: dict[Any, Any] = dict(zip(columns, cells, strict=False))
        if len(cells) != len(columns):
            more = f", with {cells[len(columns) :]!r:.200}" if len(cells) > len(columns) else ""
            row[None] = f"A row must have {len(columns)} cells. Received: {len(cells)}{more}"
        yield row


def _json_rows(file: Path, start: int, corrupt: str) -> Iterator[tuple[int, dict[Any, Any]]]:
    """The object of each line that is not blank, with its first byte.

    Of a line that is none, the key `None` says so, and the key `corrupt` has the line.
    """
    with open(file, "rb") as stream:
        stream.seek(start)
        lines = _Lines(stream, file)
        position = lines.position
        for line in lines:
            if line.strip():
                yield position, _json_object(line, corrupt)
            position = lines.position


def _json_object(line: str, corrupt: str) -> dict[Any, Any]:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        row = None
    if isinstance(row, dict):
        return row
    return {corrupt: line.rstrip("\r\n"), None: "A line must be a JSON object."}


def kind_of(value: Any) -> str | None:
    """The kind of a JSON value for a column: `None` for null, `json` for what is nested."""
    if value is None:
        return None
    kinds = {bool: "boolean", int: "integer", float: "number", str: "string"}
    if isinstance(value, int) and abs(value) > MAX_EXACT:
        return "long" if -(2**63) <= value < 2**63 else "json"
    return kinds.get(type(value), "json")


def _joined(one: str | None, other: str | None) -> Any:
    """The kind of a column with values of two kinds."""
    if one is None or other is None or one == other:
        return one or other
    joined = {("integer", "number"): "number", ("integer", "long"): "long"}
    return joined.get((min(one, other), max(one, other)), "json")


def _shown(columns: dict[str, str]) -> str:
    return ", ".join(f"{name} ({kind})" for name, kind in columns.items())


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]
