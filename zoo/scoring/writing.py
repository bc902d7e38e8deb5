"""Writes tables of scored rows, part by part, and joins the parts."""

import csv
import io
import json
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.scoring.tables import Rows
from zoo.tasks import Task

if TYPE_CHECKING:
    import pyarrow as pa

ROW_GROUP = 100_000  # rows of a group of a joined Parquet file
ARROW_TYPES = {"string": "string", "double": "float64", "long": "int64"}

HALVES = re.compile("[\ud800-\udc7f\udd00-\udfff]")  # surrogates that stand for no byte

Chunk = tuple["Rows | pa.Table", Rows]  # rows of the input, and the columns that are added


def added_columns(task: Task, prefix: str, as_json: bool) -> dict[str, str]:
    """The names of the columns that are added to a table, with their types in `Task.outputs`."""
    fields = {"json": "string"} if as_json else dict(task.outputs)
    return {prefix + name: kind for name, kind in (fields | {"error": "string"}).items()}


def output_schema(schema: "pa.Schema", added: Mapping[str, str]) -> "pa.Schema":
    """The Arrow schema of the input with the added columns."""
    import pyarrow as pa

    for name, kind in added.items():
        schema = schema.append(pa.field(name, pa.type_for_alias(ARROW_TYPES[kind])))
    return schema


def write(path: Path, kind: str, chunks: Iterable[Chunk], schema: "pa.Schema") -> None:
    """Writes chunks of rows to a file.

    Args:
        path: The file.
        kind: Its format, one of `zoo.scoring.tables.FORMATS`.
        chunks: Rows of the input, each with its added columns.
        schema: The Arrow schema of the output.
    """
    if kind == ".parquet":
        _write_parquet(path, chunks, schema)
        return
    encode = _csv_bytes if kind == ".csv" else _json_bytes
    with open(path, "wb") as file:
        if kind == ".csv":
            file.write(_csv_header(schema.names))
        for rows, added in chunks:
            found = rows if isinstance(rows, list) else rows.to_pylist()
            file.write(encode([a | b for a, b in zip(found, added, strict=True)], schema.names))


def join(parts: list[Path], path: Path, kind: str, schema: "pa.Schema") -> None:
    """Joins the files of the parts, in order, to one file."""
    if kind == ".parquet":
        _join_parquet(parts, path)
        return
    header = _csv_header(schema.names) if kind == ".csv" else b""
    with open(path, "wb") as joined:
        joined.write(header)
        for part in parts:
            with open(part, "rb") as file:
                file.seek(len(header))
                shutil.copyfileobj(file, joined)


def _write_parquet(path: Path, chunks: Iterable[Chunk], schema: "pa.Schema") -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    with pq.ParquetWriter(path, schema) as writer:
        for rows, added in chunks:
            fields = list(schema)
            own = len(fields) - len(added[0])
            arrays = _arrays(rows, fields[:own]) if isinstance(rows, list) else rows.columns
            arrays = [*arrays, *_arrays(added, fields[own:])]
            writer.write_table(pa.Table.from_arrays(arrays, schema=schema))


def _arrays(rows: Rows, fields: list["pa.Field"]) -> list["pa.Array"]:
    """The values of each field."""
    import pyarrow as pa

    return [
        pa.array([_fitting(row.get(field.name), field.type) for row in rows], field.type)
        for field in fields
    ]


def _join_parquet(parts: list[Path], path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    with pq.ParquetWriter(path, pq.read_schema(parts[0])) as writer:
        for tables in _grouped(pq.read_table(part) for part in parts):
            writer.write_table(pa.concat_tables(tables))


def _grouped(tables: Iterable["pa.Table"]) -> Iterator[list["pa.Table"]]:
    """Tables in lists of about `ROW_GROUP` rows."""
    group: list[pa.Table] = []
    for table in tables:
        group.append(table)
        if sum(one.num_rows for one in group) >= ROW_GROUP:
            yield group
            group = []
    if group:
        yield group


def _csv_header(names: list[str]) -> bytes:
    return _csv_bytes([dict(zip(names, names, strict=True))], names)


def _csv_bytes(rows: Rows, names: list[str]) -> bytes:
    lines = []
    for row in rows:
        line = io.StringIO()  # ends in "\r\n", so that a cell with either of them is quoted
        csv.writer(line).writerow(
            ["" if row.get(name) is None else _cell(row[name]) for name in names]
        )
        lines.append(line.getvalue().removesuffix("\r\n") + "\n")
    return _encoded("".join(lines))


def _json_bytes(rows: Rows, names: list[str]) -> bytes:
    return b"".join(map(_json_line, rows))


def _json_line(row: dict[Any, Any]) -> bytes:
    row.pop(None, None)
    try:
        line = json.dumps(row, ensure_ascii=False, default=_other).encode()
    except UnicodeEncodeError:  # halves of surrogate pairs
        line = json.dumps(row, default=_other).encode()
    return line + b"\n"


def _cell(value: Any) -> Any:
    """A value as a cell of CSV."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | tuple | dict):
        return json.dumps(value, ensure_ascii=False, default=_other)
    return _other(value) if isinstance(value, bytes) else value


def _other(value: Any) -> str:
    """A value that JSON has no type for: a date, a decimal number, or bytes in base64."""
    if isinstance(value, bytes):
        from base64 import b64encode

        return b64encode(value).decode()
    return str(value)


def _fitting(value: Any, type: "pa.DataType") -> Any:
    """A value for an Arrow column: in one of texts, other values are JSON."""
    import pyarrow as pa

    if value is None or not pa.types.is_string(type):
        return value
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text.encode("utf-8", "replace").decode()  # halves of surrogate pairs are no characters


def _encoded(text: str) -> bytes:
    """UTF-8, in which bytes that were none stay as they were, and halves of characters are `?`."""
    return HALVES.sub("?", text).encode("utf-8", "surrogateescape")
