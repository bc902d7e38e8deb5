"""Where runs are kept: one folder on this machine, or the server one points to."""

import logging
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from zoo.home import home

SECONDS_TO_ANSWER = 8
CHATTY = ("alembic", "mlflow.store", "mlflow.system_metrics")

_embedded: str | None = None  # the default store that `prepare_store` has told MLflow of


class StoreError(ConnectionError):
    """The store of the runs cannot be used, and the message says what to do about it."""


def tracking_uri() -> str:
    """Where runs go.

    Returns:
        `MLFLOW_TRACKING_URI` if it is set, else the address of an SQLite file in
        `zoo.home.home() / "runs"`.
    """
    uri = os.environ.get("MLFLOW_TRACKING_URI", "").strip()
    if uri and uri != _embedded:
        return uri
    return _default_uri()


def artifact_root(uri: str) -> Path | None:
    """Where the files of the runs go.

    Args:
        uri: The address of the store.

    Returns:
        The folder `artifacts` beside an SQLite file; for another database that is written to
        directly, the one in `zoo.home.home() / "runs"`; `None` if there is a server: it decides.
    """
    if database := sqlite_file(uri):
        return database.parent / "artifacts"
    return None if is_server(uri) else home() / "runs" / "artifacts"


def is_server(uri: str) -> bool:
    """Whether runs are sent to a tracking server, and not written to a database by this process."""
    return urlsplit(uri).scheme in ("http", "https", "databricks") or uri == "databricks"


def sqlite_file(uri: str) -> Path | None:
    """The file of an SQLite address; `None` for any other address."""
    prefix = "sqlite:///"
    return Path(uri.removeprefix(prefix)).absolute() if uri.startswith(prefix) else None


def prepare_store() -> str:
    """Makes the store ready for use and tells MLflow of it.

    Creates a database that does not exist yet, under a lock, so that many processes may do so at
    once. Asks a server whether it is there. To be called before training, not after.

    Returns:
        The address, now also `mlflow.get_tracking_uri()`.

    Raises:
        StoreError: if a server does not answer within about ten seconds or refuses, or if a
            database cannot be opened or is of another version of MLflow.
        ValueError: if the address is a plain folder.
    """
    global _embedded
    uri = tracking_uri()
    if urlsplit(uri).scheme in ("", "file") and uri != "databricks":
        raise ValueError(
            "Runs are kept in a database or on a server; MLflow has given up plain folders. Unset "
            "MLFLOW_TRACKING_URI, or set it to sqlite:////absolute/path/mlflow.db or "
            f"http://host:port. Received: MLFLOW_TRACKING_URI={uri}"
        )
    for name in CHATTY:
        logging.getLogger(name).setLevel(logging.WARNING)
    import mlflow

    if is_server(uri):
        _ask_server(uri)
    else:
        _open_database(uri)
    mlflow.set_tracking_uri(uri)  # sets the environment variable too
    _embedded = uri if uri == _default_uri() else None
    return uri


def failure(error: Exception, uri: str) -> StoreError:
    """What to raise where a store that could be used at first fails in the midst of a run."""
    failed = StoreError(
        f"The runs can no longer be tracked: {_reason(error)}. See that the server runs, or that "
        f"the disk is not full, and go on with the run. Received: {_without_password(uri)}"
    )
    failed.hint = getattr(error, "hint", None)
    return failed


def _default_uri() -> str:
    return f"sqlite:///{(home() / 'runs' / 'mlflow.db').as_posix()}"


def _ask_server(uri: str) -> None:
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    impatience = {
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
        "MLFLOW_HTTP_REQUEST_TIMEOUT": str(SECONDS_TO_ANSWER),
    }
    try:
        with _environment(impatience):
            MlflowClient(tracking_uri=uri).search_experiments(max_results=1)
    except MlflowException as error:
        raise StoreError(
            f"The tracking server is of no use: {_reason(error)}. Start it, correct "
            "MLFLOW_TRACKING_URI (for a server with accounts also MLFLOW_TRACKING_USERNAME and "
            "MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN), or unset it to keep the runs on "
            f"this machine. Received: MLFLOW_TRACKING_URI={uri}"
        ) from error


def _open_database(uri: str) -> None:
    from filelock import FileLock
    from mlflow.exceptions import MlflowException
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
    from sqlalchemy.exc import SQLAlchemyError

    database = sqlite_file(uri)
    folder = database.parent if database else home() / "runs"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = folder / f"{database.name if database else 'database'}.lock"
        with FileLock(lock):
            _try(uri)
            SqlAlchemyStore(uri, artifact_root(uri).as_uri()).engine.dispose()
    except ImportError as error:
        raise StoreError(
            f"The database of the runs needs a driver that is not installed: {_reason(error)}. "
            "Install it (PostgreSQL: psycopg2-binary and postgresql+psycopg2://…, MySQL: pymysql "
            f"and mysql+pymysql://…), or run a server. Received: {_without_password(uri)}"
        ) from error
    except (SQLAlchemyError, OSError) as error:
        raise StoreError(
            f"The database of the runs cannot be opened: {_reason(error)}. See that its "
            "server runs, or its folder exists and can be written to; or set MLFLOW_TRACKING_URI "
            f"or ZOO_HOME to another place. Received: {_without_password(uri)}"
        ) from error
    except MlflowException as error:
        raise StoreError(
            f"The database of the runs does not fit this MLflow: {_reason(error)}. Make a "
            f"copy of it, then bring it up to date with `{Path(sys.executable).name} -m mlflow db "
            f"upgrade URI`. Received: {_without_password(uri)}"
        ) from error


def _try(uri: str) -> None:
    """One quick attempt; MLflow itself would go on for a minute and a half."""
    from sqlalchemy import create_engine, inspect, make_url

    knows_timeout = make_url(uri).get_backend_name() in ("postgresql", "mysql")
    arguments = {"connect_timeout": SECONDS_TO_ANSWER} if knows_timeout else {}
    engine = create_engine(uri, connect_args=arguments)
    try:
        inspect(engine).get_table_names()
    finally:
        engine.dispose()


@contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _reason(error: Exception) -> str:
    """The first line of its message, or what it says at its very end to have been the cause."""
    line = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
    cause = re.search(r"\(Caused by .*: (.+?)[\"')]*$", line)
    return cause[1] if cause else line


def _without_password(uri: str) -> str:
    parts = urlsplit(uri)
    if parts.password is None:
        return uri
    return uri.replace(f":{parts.password}@", ":***@", 1)
