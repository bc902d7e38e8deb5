"""The folder in which a table is scored, until all of its parts are joined to the output.

While OUTPUT is scored there is OUTPUT.parts, with the plan (what is scored, with what, in which
parts). The parts that are done are in a folder in it that is named for the digest of the plan, so
that what a killed command of another plan still writes counts for nothing: each has a file of rows
and then one with their number. OUTPUT itself appears when it is complete.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from zoo.files import atomic_directory, atomic_write
from zoo.scoring import ScoringError, writing
from zoo.scoring.tables import Part, Table, changed, schema_of
from zoo.scoring.worker import Count, count_file, part_file

PLAN, LOCK, LOG = "plan.json", "lock", "spark.log"


@dataclass(frozen=True)
class Job:
    """A table that is being scored.

    Attributes:
        output: The output, which does not exist yet.
        folder: The folder of the plan and the log.
        parts: The folder of the parts that are done.
        table: The input.
        resumed: Whether parts were done by an earlier command.
    """

    output: Path
    folder: Path
    parts: Path
    table: Table
    resumed: bool

    @property
    def log(self) -> Path:
        """The file that Spark and its processes write their messages to."""
        return self.folder / LOG

    def done(self) -> dict[int, Count]:
        """The counts of the parts that are done, by number."""
        return {
            part.number: Count(**json.loads(file.read_text("utf-8")))
            for part in self.table.parts
            if (file := count_file(self.parts, part.number)).is_file()
        }

    def pending(self) -> list[Part]:
        """The parts that are still to be scored."""
        done = self.done()
        return [part for part in self.table.parts if part.number not in done]


def folder_of(output: Path) -> Path:
    """The folder of an output that is not complete."""
    return output.with_name(f"{output.name}.parts")


def parts_of(folder: Path) -> Path:
    """The folder of the parts of the plan in a folder."""
    return folder / hashlib.sha256((folder / PLAN).read_bytes()).hexdigest()[:16]


@contextmanager
def opened(
    output: Path, settings: dict[str, Any], resume: bool, look: Callable[[], Table], hint: str
) -> Iterator[Job]:
    """Starts a job, or goes on with one; no other process can do so at the same time.

    Args:
        output: The path of the output.
        settings: All that the answers depend on, as JSON values.
        resume: bool. Whether to go on with an unfinished job.
        look: Looks through the table.
        hint: The command that goes on.

    Raises:
        ScoringError: if the job is unfinished without `resume`, has other settings, its input has
            changed, or another process works at it.
    """
    folder = folder_of(output)
    unfinished = (folder / PLAN).is_file() and any(parts_of(folder).glob("part-*.json"))
    if unfinished and not resume:
        raise ScoringError(
            "An earlier command has scored a part of the table: --resume goes on with it. To start "
            f"again, remove the folder. Received: {folder}",
            hint,
            exit_code=2,
        )
    table = None if unfinished else look()
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / LOCK)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise ScoringError(
            f"Another process writes this output: wait for it, or stop it. Received: {output}", hint
        ) from None
    try:
        if table is None:
            table = _planned(folder, settings)
        else:
            with atomic_write(folder / PLAN) as temporary:
                plan = {"settings": settings, "table": asdict(table)}
                temporary.write_text(json.dumps(plan), "utf-8")
        _check_unchanged(table, folder)
        yield Job(output, folder, parts_of(folder), table, unfinished)
    finally:
        lock.release()


def _planned(folder: Path, settings: dict[str, Any]) -> Table:
    """The table of an unfinished job."""
    plan = json.loads((folder / PLAN).read_text("utf-8"))
    for name, value in settings.items():
        if plan["settings"].get(name) != value:
            raise ScoringError(
                f"The parts that are done had other settings. Use the same, or remove {folder} to "
                f"start again. Received: {name} "
                f"{value!r:.200}; before: {plan['settings'].get(name)!r:.200}",
                f"rm -r {folder}",
                exit_code=2,
            )
    found = plan["table"] | {
        "files": [tuple(file) for file in plan["table"]["files"]],
        "parts": [Part(**part) for part in plan["table"]["parts"]],
    }
    return Table(**found)


def _check_unchanged(table: Table, folder: Path) -> None:
    if file := changed(table):
        raise ScoringError(
            "The input has changed since it was looked through: the parts that are done are those "
            f"of another table. Remove {folder} to start again. Received: {file}",
            f"rm -r {folder}",
        )


def finish(job: Job, added: dict[str, str], in_parts: bool) -> list[Count]:
    """Writes the output, and removes the folder of the parts.

    Args:
        job: A job of which all parts are done.
        added: The added columns.
        in_parts: bool. Whether the output is a folder of the files of the parts.

    Returns:
        The counts of all parts.

    Raises:
        ScoringError: if rows are missing, or the input has changed meanwhile.
    """
    counts = job.done()
    scored = sum(count.rows for count in counts.values())
    if len(counts) != len(job.table.parts) or scored != job.table.rows:
        raise ScoringError(
            f"All rows must be scored. Received: {scored:,} of {job.table.rows:,}, in {job.folder}",
            "zoo score … --resume",
        )
    _check_unchanged(job.table, job.folder)
    kind = job.output.suffix.lower()
    files = [part_file(job.parts, part.number, kind) for part in job.table.parts]
    if in_parts:
        with atomic_directory(job.output) as folder:
            for file in files:
                _place(file, folder / file.name)
    else:
        schema = writing.output_schema(schema_of(job.table), added)
        with atomic_write(job.output) as temporary:
            writing.join(files, temporary, kind, schema)
    shutil.rmtree(job.folder, ignore_errors=True)
    return list(counts.values())


def _place(file: Path, path: Path) -> None:
    """Gives a file a second name, or copies it where the file system has none."""
    try:
        os.link(file, path)
    except OSError:
        shutil.copyfile(file, path)
