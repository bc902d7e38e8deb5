"""Scores one part of a table; runs in the Python processes of Spark's executors."""

import json
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from zoo.files import atomic_write
from zoo.scoring import writing
from zoo.scoring.tables import Part, Table, read_rows, schema_of
from zoo.tasks import TASKS, Task

# What `infer` raises for an input that is wrong. Memory that is exhausted, and the like, fail the
# part: a cluster runs it again, four times at most by default, and `local` does not.
INPUT_ERRORS = (ValueError, TypeError, LookupError)
CHUNK_ROWS = {"text": 1024, "words": 1024, "image": 32, "audio": 32}  # the model sorts by length

_models: dict[str, Any] = {}  # those of this process, by the key of the work


@dataclass(frozen=True)
class Work:
    """All that a process needs to score a part, but for the model's files.

    Attributes:
        table: The input.
        column: The column to score.
        task: Name of the model's task.
        options: Options of the model's `infer`.
        prefix: The names of the added columns begin with it.
        as_json: Whether an answer is one column.
        max_characters: Longer texts are errors.
        format: The format of the output.
        folder: The folder of the parts.
        key: Identity of the model, which a process loads once.
        load: Loads the model; called once in each process.
    """

    table: Table
    column: str
    task: str
    options: Mapping[str, Any]
    prefix: str
    as_json: bool
    max_characters: int
    format: str
    folder: str
    key: str
    load: Callable[[], Any]


@dataclass(frozen=True)
class Count:
    """The number of rows of a part, of those with an error, and the first error."""

    rows: int
    errors: int
    first_error: str


def part_file(folder: Path, number: int, kind: str) -> Path:
    """The file of a scored part."""
    return folder / f"part-{number:06}{kind}"


def count_file(folder: Path, number: int) -> Path:
    """The file with the `Count` of a scored part, which is written last."""
    return folder / f"part-{number:06}.json"


def score_part(work: Work, part: Part) -> None:
    """Scores a part and writes its files, each of which appears complete or not at all."""
    if work.key not in _models:
        _models.clear()
        _models[work.key] = work.load()
    model, task = _models[work.key], TASKS[work.task]
    errors: list[str] = []
    rows = 0

    def chunks() -> Iterator[writing.Chunk]:
        nonlocal rows
        corrupt = work.prefix + "line"
        for chunk in read_rows(work.table, part, CHUNK_ROWS[task.input], corrupt):
            added = list(_scored(chunk, work, part, task, model))
            errors.extend(filter(None, (row[work.prefix + "error"] for row in added)))
            rows += len(added)
            yield chunk, added

    added = writing.added_columns(task, work.prefix, work.as_json)
    schema = writing.output_schema(schema_of(work.table), added)
    path = part_file(Path(work.folder), part.number, work.format)
    with atomic_write(path) as temporary:
        writing.write(temporary, work.format, chunks(), schema)
    count = Count(rows, len(errors), errors[0] if errors else "")
    with atomic_write(count_file(Path(work.folder), part.number)) as temporary:
        temporary.write_text(json.dumps(asdict(count)), "utf-8")


def _scored(chunk, work: Work, part: Part, task: Task, model: Any) -> Iterator[dict[str, Any]]:
    """The added columns of each row."""
    inputs, errors = _read(chunk, work, reader_of(task, model, part.file, work.max_characters))
    answers = dict(zip(inputs, infer(model, list(inputs.values()), work.options), strict=True))
    for row in range(len(inputs) + len(errors)):
        answer: Any = errors.get(row) or answers[row]
        failed = isinstance(answer, str)
        found = {} if failed else answer.to_dict()
        if work.as_json:
            fields = {"json": found or None}
        else:
            fields = {name: found.get(name) for name in task.outputs}
        fields["error"] = answer if failed else None
        yield {work.prefix + name: value for name, value in fields.items()}


def _read(chunk, work: Work, read: Callable[[Any], Any]) -> tuple[dict[int, Any], dict[int, str]]:
    """The inputs and the errors, each by the number of the row."""
    if isinstance(chunk, list):
        values = [row.get(work.column) for row in chunk]
        errors = {i: row[None] for i, row in enumerate(chunk) if None in row}
    else:
        values, errors = chunk.column(work.column).to_pylist(), {}
    inputs: dict[int, Any] = {}
    for row, value in enumerate(values):
        if row not in errors:
            try:
                inputs[row] = read(value)
            except (*INPUT_ERRORS, OSError) as error:
                errors[row] = _message(error)
    return inputs, errors


def _message(error: Exception) -> str:
    return str(error) or type(error).__name__


def infer(model: Any, inputs: list[Any], options: Mapping[str, Any]) -> list[Any]:
    """The answer to each input, or the message of its error, which is searched for by halves."""
    if not inputs:
        return []
    try:
        return list(model.infer(inputs, **options))
    except INPUT_ERRORS as error:
        if len(inputs) == 1:
            return [_message(error)]
    half = len(inputs) // 2
    return infer(model, inputs[:half], options) + infer(model, inputs[half:], options)


def reader_of(task: Task, model: Any, table: str, limit: int) -> Callable[[Any], Any]:
    """A function that turns a value of the column into an input of `infer`, or raises its error.

    Args:
        task: The model's task.
        model: The model.
        table: The file of the table, in whose folder relative paths of images and recordings begin.
        limit: int. Most characters of a text.
    """

    def read_text(value: Any) -> Any:
        if task.input == "words" and isinstance(value, list):
            words = [read_text(word) for word in value]
            if not words or sum(map(len, words)) > limit:
                raise ValueError(
                    f"A sentence must have words, of at most {limit:,} characters. "
                    f"Received: {len(words):,} words"
                )
            return words
        if value is None:
            raise ValueError("The text is missing (null).")
        if not isinstance(value, str):
            raise ValueError(f"The text must be a string. Received: {type(value).__name__}")
        if not value.strip():
            raise ValueError("The text is empty.")
        if len(value) > limit:
            raise ValueError(
                f"The text must have at most {limit:,} characters. Received: {len(value):,}"
            )
        try:
            value.encode()
        except UnicodeEncodeError:
            raise ValueError("The text must be UTF-8.") from None
        return value

    def read_file(value: Any) -> Any:
        if value is None or value == "" or value == b"":
            raise ValueError("The path is missing.")
        if not isinstance(value, str | bytes):
            raise ValueError(
                f"A path or the bytes of a file are needed. Received: {type(value).__name__}"
            )
        source = value if isinstance(value, bytes) else str(Path(table).parent / value)
        if task.input == "image":
            from zoo.images import read_image

            return read_image(source, model.preprocessor.size)
        from zoo.audio import read_audio

        return read_audio(source, model.preprocessor.sampling_rate)

    return read_file if task.input in ("image", "audio") else read_text


def thread_settings() -> dict[str, str]:
    """Environment variables that bound the threads of a process: Spark runs one on each core."""
    count = os.environ.get("OMP_NUM_THREADS", "1")
    names = ("OMP", "OPENBLAS", "MKL")
    return {f"{name}_NUM_THREADS": count for name in names} | {
        "TF_NUM_INTRAOP_THREADS": count,
        "TF_NUM_INTEROP_THREADS": count,
        "NPROC": count,  # of XLA
    }
