"""Answer a column of a table with a model, on the cores of this machine or on a Spark cluster.

The table is a CSV, JSON lines or Parquet file, or a folder of such files; the output is in the
format of its suffix. It has all rows in their order and all columns, and one more for each field
of the answers. A row that cannot be answered (no text, an empty or too long one, a file that
cannot be read) has the reason in the column answer_error. The table is scored in parts: after an
interruption --resume goes on with those that are left, and the output appears when all are done.

Spark needs Java. On a cluster all machines must see the same files, and have seqzoo installed;
the model is sent to them. PYSPARK_PYTHON is their Python, OMP_NUM_THREADS the threads of each
process (1).
"""

import os
import sys
import threading
import time
import zipfile
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.checks import MAX_BATCH
from zoo.cli import backend, models, output, settings
from zoo.cli.errors import Failure, WrongUse, command
from zoo.suggestions import did_you_mean

if TYPE_CHECKING:
    from zoo.scoring.job import Job
    from zoo.scoring.tables import Table
    from zoo.tasks import Task

EXAMPLES = """\
  zoo score bilstm_bahdanau_nsmc_ko comments.parquet answers.parquet --column comment
  zoo score models:/quickstart@champion reviews.csv answers.csv --master 'local[4]'
  zoo score gru_bahdanau_multi30k_en_de in.jsonl out.jsonl --set beam=10 --set n_best=3
  zoo score bilstm_crf_ewt_en_upos in.parquet out.jsonl --json --master spark://host:7077
  zoo score bilstm_bahdanau_nsmc_ko comments.parquet answers.parquet --column comment --resume"""
NEXT = "zoo score --help"
PATHS = ("language_model", "words")  # options that may be paths, which all processes must find
COLUMNS = {"text": "text", "words": "text", "image": "image", "audio": "audio"}


def arguments(parser: ArgumentParser) -> None:
    models.add_argument(parser)
    parser.add_argument(
        "input", metavar="INPUT", type=Path, help="a .csv, .jsonl or .parquet table"
    )
    parser.add_argument("output", metavar="OUTPUT", type=Path, help="the table to write")
    parser.add_argument(
        "--column",
        metavar="NAME",
        help="the column of texts, or of paths or bytes of files (default: text, image or audio)",
    )
    parser.add_argument(
        "--master",
        default="local[*]",
        metavar="ADDRESS",
        help="the Spark cluster, such as spark://host:7077 (default: local[*], all cores of this "
        "machine, with a process and a copy of the model on each)",
    )
    parser.add_argument(
        "--resume", action="store_true", help="go on with the parts that are not done"
    )
    parser.add_argument(
        "--parts", action="store_true", help="write a folder of part files instead of one file"
    )
    parser.add_argument(
        "--part-rows",
        type=int,
        default=4096,
        metavar="N",
        help="most rows of a part (default: 4096)",
    )
    parser.add_argument(
        "--json", action="store_true", help="write each answer as one column of JSON"
    )
    parser.add_argument(
        "--prefix",
        default="answer_",
        help="begin of the names of the added columns (default: answer_)",
    )
    parser.add_argument(
        "--max-characters",
        type=int,
        default=100_000,
        metavar="N",
        help="longer texts are errors (default: 100,000)",
    )
    settings.add_arguments(parser)
    backend.add_argument(parser)


def run(args: Namespace) -> None:
    _check(args)
    import zoo
    from zoo.scoring import job, spark
    from zoo.scoring.writing import added_columns

    spark.check_master(args.master)
    found = models.find(args.model, ensembles=True)
    options = {"batch_size": args.batch_size} | settings.read(args.set, found.task.options, NEXT)
    settings.check(found.task, options, NEXT)
    given = {name: Path(options[name]).absolute() for name in PATHS if name in options}
    paths = {name: path for name, path in given.items() if path.exists()}
    options |= {name: str(path) for name, path in paths.items()}
    if args.output.exists():
        raise WrongUse(
            "The output exists: an earlier command has written it, or another program. Choose "
            f"another path, or remove it. Received: {args.output}",
            hint=command("rm", "-r", args.output),
        )
    spark.require_spark()
    backend.choose(args.backend)
    members = [found, *found.others]
    work = {
        "input": str(args.input.absolute()),
        "column": args.column or COLUMNS[found.task.input],
        "model": "+".join(_digest(member.directory) for member in members),
        "options": options,
        "files": {name: _digest(path) for name, path in paths.items()},
        "version": zoo.__version__,
        "backend": backend.current(),
        "prefix": args.prefix,
        "as_json": args.json,
        "max_characters": args.max_characters,
        "part_rows": args.part_rows,
    }
    added = added_columns(found.task, args.prefix, args.json)
    look = partial(_look, args, work["column"], found.task, added)
    again = command("zoo", "score", args.model, args.input, args.output, "…", "--resume")
    started = time.monotonic()
    with job.opened(args.output, work, args.resume, look, again) as opened:
        try:
            scored = _score(args, opened, members, work)
        except BaseException:
            if done := len(opened.done()):
                output.say(f"\nParts that are done: {done:,}. --resume goes on with the others.")
            raise
        counts = job.finish(opened, added, args.parts)
    _report(args.output, counts, scored, time.monotonic() - started)


def _check(args: Namespace) -> None:
    from zoo.scoring.tables import TableError, files_of, format_of

    limits = {
        "--part-rows": (args.part_rows, 10_000_000),
        "--max-characters": (args.max_characters, 10_000_000),
        "--batch-size": (args.batch_size, MAX_BATCH),
    }
    for name, (value, most) in limits.items():
        if not 1 <= value <= most:
            raise WrongUse(
                f"{name} must be from 1 to {most:,}. Received: {name} {value}", hint=NEXT
            )
    for path in (args.input, args.output):
        if ":/" in str(path):
            raise WrongUse(
                "INPUT and OUTPUT must be paths of files: copy or mount what is elsewhere. "
                f"Received: {path}",
                hint=NEXT,
            )
    try:
        format_of(args.output)
        format_of(args.input)
        files_of(args.input)
    except TableError as error:
        raise WrongUse(str(error), hint=NEXT) from None


def _look(args: Namespace, column: str, task: "Task", added: dict[str, str]) -> "Table":
    """Looks through the table, and checks its columns."""
    from zoo.scoring.tables import look_through, schema_of
    from zoo.terminal import waiting

    message = f"Looking through {args.input} …"
    with waiting(message) as status:

        def tell(rows: int) -> None:
            if status:
                status.update(f"{message} {rows:,} rows")

        table = look_through(args.input, args.part_rows, args.prefix + "line", tell)
    if column not in table.columns:
        raise WrongUse(
            f"The table has no column `{column}`.{did_you_mean(column, table.columns)} "
            f"Received: {', '.join(table.columns)}",
            hint="zoo score … --column NAME",
        )
    if taken := [name for name in added if name in table.columns]:
        raise WrongUse(
            "The columns that are added must have other names than those of the table: choose "
            f"another --prefix. Received: {', '.join(taken)}",
            hint="--prefix predicted_",
        )
    if table.format == ".parquet":
        _check_type(column, schema_of(table).field(column).type, task)
    return table


def _check_type(column: str, found: Any, task: "Task") -> None:
    from pyarrow import types

    kind = found.value_type if types.is_dictionary(found) else found
    fits = types.is_string(kind) or types.is_large_string(kind) or types.is_null(kind)
    if task.input == "words":
        fits = fits or types.is_list(kind) or types.is_large_list(kind)
    if task.input in ("image", "audio"):
        fits = fits or types.is_binary(kind) or types.is_large_binary(kind)
    if not fits:
        raise WrongUse(
            f"The column must have {task.inputs_name}. Received: `{column}`, of the type {found}",
            hint="zoo score … --column NAME",
        )


def _score(
    args: Namespace, job: "Job", members: list[models.FoundModel], work: dict[str, Any]
) -> int:
    """Scores the parts that are not done, and returns the number of their rows."""
    from zoo.scoring import spark
    from zoo.scoring.worker import Work, score_part, thread_settings

    pending = job.pending()
    if job.resumed:
        done = len(job.table.parts) - len(pending)
        output.say(f"{done:,} of {len(job.table.parts):,} parts are done.")
    if not pending:
        return 0
    archive = job.folder / spark.ARCHIVE
    _pack(members, archive)
    what = Work(
        table=replace(job.table, parts=[], files=job.table.files[:1]),
        column=work["column"],
        task=members[0].task.name,
        options=work["options"],
        prefix=args.prefix,
        as_json=args.json,
        max_characters=args.max_characters,
        format=args.output.suffix.lower(),
        folder=str(job.parts.absolute()),
        key=work["model"],
        load=partial(_load, len(members), work["backend"]),
    )
    spark.run(
        pending,
        partial(score_part, what),
        args.master,
        archive,
        thread_settings() | {"KERAS_BACKEND": work["backend"]},
        job.log,
        partial(_progress, job, pending, args.master),
    )
    return sum(part.rows for part in pending)


def _load(count: int, backend_name: str) -> Any:
    """Loads the model in a process of Spark."""
    from zoo.scoring.spark import archive_folder

    members = [
        models.FoundModel(f"model {number}", archive_folder() / str(number), None)
        for number in range(count)
    ]
    return models.load(replace(members[0], others=tuple(members[1:])), backend_name)


def _pack(members: list[models.FoundModel], archive: Path) -> None:
    from zoo.presets.validation import list_files

    with zipfile.ZipFile(archive, "w", strict_timestamps=False) as packed:
        for number, member in enumerate(members):
            for name in list_files(member.directory):
                packed.write(member.directory / name, f"{number}/{name}")


def _digest(path: Path) -> str:
    """The SHA-256 of a file, or of the files of a preset."""
    from zoo.files import sha256
    from zoo.presets.card import digest_of
    from zoo.presets.validation import hash_files

    return digest_of(hash_files(path)) if path.is_dir() else sha256(path)


@contextmanager
def _progress(
    job: "Job", pending: list, master: str, has_begun: Callable[[], bool]
) -> Iterator[None]:
    """Shows the rows that are done, on a terminal; says if a cluster gives no processes."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    from zoo.scoring.spark import SECONDS_TO_GET_WORKERS
    from zoo.scoring.worker import count_file

    ended = threading.Event()
    left = {part.number: part.rows for part in pending}
    rows = job.table.rows
    columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, disable=not sys.stderr.isatty()) as bar:
        shown = bar.add_task("rows", total=rows, completed=rows - sum(left.values()))

        def watch() -> None:
            deadline: float | None = time.monotonic() + SECONDS_TO_GET_WORKERS
            while not ended.wait(0.5):
                names = set(os.listdir(job.parts)) if job.parts.is_dir() else ()
                for number in [it for it in left if count_file(job.parts, it).name in names]:
                    bar.advance(shown, left.pop(number))
                if deadline and time.monotonic() > deadline:
                    deadline = None
                    if not has_begun():
                        console.print(
                            f"Waiting: {master} has given no processes yet; are its workers up, "
                            "and free?"
                        )

        watcher = threading.Thread(target=watch, daemon=True)
        watcher.start()
        try:
            yield
        finally:
            ended.set()
            watcher.join()


def _report(path: Path, counts: list, scored: int, seconds: float) -> None:
    rows = sum(count.rows for count in counts)
    errors = sum(count.errors for count in counts)
    first = next((count.first_error for count in counts if count.errors), "")
    speed = f", {scored / seconds:,.0f} rows/s" if scored > seconds else ""
    if errors == rows:
        raise Failure(f"No row could be answered: {first} Received: {path}, with {rows:,} rows")
    print(f"{path}: {rows:,} rows, {errors:,} with an error, in {seconds:,.1f} s{speed}")
    if errors:
        output.say(f"first error: {first}")
