"""Runs the parts of a table on Spark: on the cores of this machine, or on a cluster.

Spark gets the numbers of the parts, not the rows: its data frames would change types (Spark has
neither unsigned integers nor nanoseconds, and reads CSV and JSON in ways of its own), have batches
that depend on the cluster, and, with `mlflow.pyfunc.spark_udf`, fail as a whole for one bad row.
"""

import os
import re
import shutil
import socket
import sys
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

from zoo.extras import need
from zoo.scoring import ScoringError
from zoo.scoring.tables import Part

MASTERS = re.compile(r"(local(\[(\*|\d+)(,\d+)?\])?|spark://.+|yarn|k8s://.+)")
SPARK_PORT = 7077
ARCHIVE = "model.zip"
SECONDS_TO_CONNECT = 5
SECONDS_TO_GET_WORKERS = 60
# In the message of Spark's error: the line after the frames of a Python traceback, and Java's own.
PYTHON_ERROR = re.compile(r"Traceback \(most recent call last\):\n(?:[ \t].*\n)*(\S.*)")
JAVA_ERROR = re.compile(r"^: (.+)", re.M)


def require_spark() -> None:
    """Raises a `MissingExtra` if PySpark is missing, a `ScoringError` if Java is."""
    need("score", "`zoo score`")
    home = os.environ.get("JAVA_HOME")
    if not (shutil.which("java") if not home else shutil.which("java", path=f"{home}/bin")):
        raise ScoringError(
            "Spark needs Java 17 or later: install it, or set JAVA_HOME to its folder. "
            f"Received: no `java` in {f'{home}/bin' if home else 'PATH'}",
            "apt-get install openjdk-17-jre-headless",
        )


def check_master(master: str) -> None:
    """Raises a `ScoringError` if the address of a cluster is wrong, or nobody listens there."""
    if not MASTERS.fullmatch(master):
        raise ScoringError(
            "--master must be local[N], spark://HOST:PORT, yarn or k8s://ADDRESS. "
            f"Received: --master {master}",
            "zoo score --help",
            exit_code=2,
        )
    if not master.startswith("spark://"):
        return
    tried = []
    for address in master.removeprefix("spark://").split(","):
        host, _, port = address.rpartition(":") if ":" in address else (address, "", SPARK_PORT)
        try:
            socket.create_connection((host.strip("[]"), int(port)), SECONDS_TO_CONNECT).close()
            return
        except (OSError, ValueError, OverflowError) as error:
            tried.append(f"{address}: {getattr(error, 'strerror', None) or error}")
    raise ScoringError(
        f"No Spark master listens there ({'; '.join(tried)}). Start one, or leave --master out to "
        f"use the cores of this machine. Received: --master {master}",
        "spark-class org.apache.spark.deploy.master.Master --host HOST",
    )


def run(
    parts: list[Part],
    score: Callable[[Part], None],
    master: str,
    archive: Path,
    environment: Mapping[str, str],
    log: Path,
    watched: Callable[[Callable[[], bool]], AbstractContextManager],
) -> None:
    """Scores parts, one a task.

    Args:
        parts: The parts.
        score: Scores one. It is pickled.
        master: The address of the cluster, as Spark's `--master` takes it.
        archive: A zip file, which is unpacked on each machine: see `archive_folder`.
        environment: Environment variables of the processes.
        log: The file for the messages of Spark and its processes.
        watched: Makes a context manager that is open while Spark runs, from a function that tells
            whether a task has begun.

    Raises:
        ScoringError: if Spark cannot be started, or a part fails.
    """
    from py4j.protocol import Py4JError

    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    try:
        with _messages_to(log):
            context = _context(master, archive, environment)
    except (Py4JError, RuntimeError, OSError) as error:  # PySpark's errors are RuntimeErrors
        raise _failed("Spark could not be started", error, log) from None
    try:
        # In a thread of its own, because Ctrl-C makes PySpark talk to Java in this one.
        with watched(lambda: _has_begun(context)), ThreadPoolExecutor(1) as pool:
            pool.submit(context.parallelize(parts, len(parts)).foreach, score).result()
    except Py4JError as error:
        raise _failed("A part could not be scored", error, log) from None
    finally:
        with _messages_to(log):
            context.stop()


def archive_folder() -> Path:
    """The folder in which a process of Spark finds the content of the archive."""
    from pyspark import SparkFiles

    return Path(SparkFiles.get(ARCHIVE))


def _context(master: str, archive: Path, environment: Mapping[str, str]) -> Any:
    from pyspark import SparkConf, SparkContext

    settings = {
        "spark.app.name": "zoo score",
        "spark.master": master,
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.locality.wait": "0",
    } | {f"spark.executorEnv.{name}": value for name, value in environment.items()}
    if master.startswith("local"):  # nothing listens beyond this machine
        settings |= {"spark.driver.host": "127.0.0.1", "spark.driver.bindAddress": "127.0.0.1"}
    context = SparkContext(conf=SparkConf().setAll(list(settings.items())))
    context.addArchive(f"{archive.absolute().as_uri()}#{ARCHIVE}")
    return context


def _has_begun(context: Any) -> bool:
    tracker = context.statusTracker()
    found = [tracker.getStageInfo(stage) for stage in tracker.getActiveStageIds()]
    return any(stage and stage.numActiveTasks + stage.numCompletedTasks for stage in found)


@contextmanager
def _messages_to(log: Path) -> Iterator[None]:
    """Sends what is written to the descriptors 1 and 2 to a file; so does Java that starts here."""
    sys.stdout.flush()
    sys.stderr.flush()
    kept = [os.dup(1), os.dup(2)]
    with open(log, "ab") as file:
        for descriptor in (1, 2):
            os.dup2(file.fileno(), descriptor)
    try:
        yield
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        for descriptor, old in zip((1, 2), kept, strict=True):
            os.dup2(old, descriptor)
            os.close(old)


def _failed(what: str, error: Exception, log: Path) -> ScoringError:
    """The error of Spark, in one line."""
    text = str(error).strip()
    found = PYTHON_ERROR.findall(text) or JAVA_ERROR.findall(text) or text.splitlines()[:1]
    reason = found[-1] if found else type(error).__name__
    if "Java gateway process exited" in reason or "UnsupportedClassVersionError" in reason:
        reason = "Java 17 or later is needed, or Java stopped"
    return ScoringError(
        f"{what}: {reason.removesuffix('.')}. All messages are in {log}", f"tail {log}"
    )
