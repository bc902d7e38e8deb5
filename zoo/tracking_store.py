"""The tracking store: a local SQLite database, or the one of `MLFLOW_TRACKING_URI`."""

import errno
import logging
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote, urlsplit, urlunsplit

from zoo.home import home

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")

# About half a minute of attempts, as a server needs to restart. MLflow's own seven take minutes.
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "4")

TIMEOUT_SECONDS = 8
FULL = (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC))  # the disk, or the user's part of it
# The loggers of errors repeat, with a traceback, what the zoo reports in a line.
LOG_LEVELS = {
    "alembic": logging.WARNING,
    "mlflow.store": logging.WARNING,
    "mlflow.store.db.utils": logging.CRITICAL,
    "mlflow.system_metrics": logging.ERROR,
    "mlflow.utils.autologging_utils": logging.ERROR,
    "urllib3.connectionpool": logging.ERROR,
}

_embedded: str | None = None  # the default store, once `prepare_store` has set it in MLflow


class StoreError(ConnectionError):
    """Error for a tracking store that cannot be used."""

    hint: str | None = None


def tracking_uri() -> str:
    """The URI of the tracking store.

    Returns:
        `MLFLOW_TRACKING_URI` if it is set, else the URI of an SQLite file in
        `zoo.home.home() / "runs"`.
    """
    uri = os.environ.get("MLFLOW_TRACKING_URI", "").strip()
    if uri and uri != _embedded:
        return uri
    return _default_uri()


def artifact_root(uri: str) -> Path | None:
    """The folder for the artifacts of the runs.

    Args:
        uri: The URI of the store.

    Returns:
        The folder `artifacts` beside an SQLite file; for another database, the one in
        `zoo.home.home() / "runs"`; `None` for a server, which has its own.
    """
    return None if is_server(uri) else database_root(uri)


def database_root(uri: str) -> Path:
    """The folder of the files of runs whose database this process writes to."""
    database = sqlite_file(uri)
    return database.parent / "artifacts" if database else home() / "runs" / "artifacts"


def is_server(uri: str) -> bool:
    """True if a URI is that of a tracking server, not of a database."""
    return urlsplit(uri).scheme in ("http", "https", "databricks") or uri == "databricks"


def sqlite_file(uri: str) -> Path | None:
    """The file of an SQLite URI; `None` for any other URI."""
    prefix = "sqlite:///"
    if not uri.startswith(prefix):
        return None
    return Path(unquote(uri.removeprefix(prefix).partition("?")[0])).absolute()


def sqlite_uri(file: Path) -> str:
    """The URI of an SQLite file, quoted if its path has characters that mean something there.

    >>> sqlite_uri(Path("/what?/mlflow.db"))
    'sqlite:////what%3F/mlflow.db'
    """
    path = file.as_posix()
    if "?" in path or unquote(path) != path:
        path = path.replace("%", "%25").replace("?", "%3F")
    return f"sqlite:///{path}"


def prepare_store() -> str:
    """Prepares the store and sets it as MLflow's tracking URI. Called before training.

    Creates a missing database under a lock, so that several processes may call this at the same
    time. Checks that a server responds.

    Returns:
        The URI, which is then also `mlflow.get_tracking_uri()`.

    Raises:
        StoreError: if a server does not answer within about ten seconds or refuses, or if a
            database cannot be opened or is of another version of MLflow.
        ValueError: if the URI is a plain folder, or an SQLite database in memory.
    """
    global _embedded
    uri = _move_account(tracking_uri())
    if urlsplit(uri).scheme in ("", "file") and uri != "databricks":
        raise ValueError(
            "The store must be a database or a server; MLflow no longer supports plain folders. "
            "Unset MLFLOW_TRACKING_URI, or set it to sqlite:////absolute/path/mlflow.db or "
            f"http://host:port. Received: MLFLOW_TRACKING_URI={without_passwords(uri)}"
        )
    if _is_in_memory(uri):
        raise ValueError(
            "The store must be a file: a database in memory is lost when the process ends, and "
            "other processes cannot open it. Unset MLFLOW_TRACKING_URI, or set it to "
            f"sqlite:////absolute/path/mlflow.db. Received: MLFLOW_TRACKING_URI={uri}"
        )
    for name, level in LOG_LEVELS.items():
        logging.getLogger(name).setLevel(level)
    import mlflow

    if is_server(uri):
        _ask_server(uri)
    else:
        _open_database(uri)
    mlflow.set_tracking_uri(uri)  # sets the environment variable too
    _embedded = uri if uri == _default_uri() else None
    return uri


def failure(error: Exception, uri: str) -> StoreError:
    """The error for a store that fails during a run."""
    remedy = "Check that the server runs"
    if _is_disk_full(error):
        remedy = "Free disk space, or set MLFLOW_TRACKING_URI or ZOO_HOME to another disk"
    failed = StoreError(
        f"The run can no longer be tracked: {reason(error)}. {remedy}, then resume the run. "
        f"Received: {without_passwords(uri)}"
    )
    failed.hint = getattr(error, "hint", None)
    return failed


def reason(error: Exception) -> str:
    """The first line of an error's message, or the cause that this line names; no password."""
    # SQLAlchemy begins with a remark on flushing, and with the class of the cause.
    message = re.sub(r"^(\(raised as a result .*\)\s+)?\([\w.]+\) ", "", str(error).strip())
    line = (message.splitlines() or [type(error).__name__])[0].rstrip(".")
    cause = re.search(r"\(Caused by .*: (.+?)[\"')]*$", line)
    return without_passwords(cause[1] if cause else line)


def without_passwords(text: str) -> str:
    """A text with the passwords in its URIs replaced by `***`.

    >>> without_passwords("postgresql://me:secret@host/runs?password=secret")
    'postgresql://me:***@host/runs?password=***'
    """
    # A password may have any characters, also such as should be quoted.
    text = re.sub(r"(://[^:/@\s]*):\S*@", r"\1:***@", text)
    return re.sub(r"([?&]\w*(?:password|passwd|pwd)=)[^&\s]+", r"\1***", text, flags=re.IGNORECASE)


def _move_account(uri: str) -> str:
    """Moves the account in the URI of a server to the environment variables that MLflow reads.

    So no address or error that MLflow prints has the password.
    """
    parts = urlsplit(uri)
    if not is_server(uri) or "@" not in parts.netloc:
        return uri
    account, _, host = parts.netloc.rpartition("@")
    user, _, password = account.partition(":")
    os.environ.setdefault("MLFLOW_TRACKING_USERNAME", unquote(user))
    os.environ.setdefault("MLFLOW_TRACKING_PASSWORD", unquote(password))
    return urlunsplit(parts._replace(netloc=host))


def _is_in_memory(uri: str) -> bool:
    """True for `sqlite://`, `sqlite:///:memory:`, `sqlite:///file::memory:?uri=true` and so on."""
    scheme, _, database = uri.partition("://")
    if scheme.partition("+")[0] != "sqlite":
        return False
    return database.strip("/") == "" or ":memory:" in database or "mode=memory" in database


def _is_disk_full(error: BaseException | None) -> bool:
    """True if an error, or one of its causes, says that the disk is full."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in FULL:
            return True
        if "disk is full" in str(error) or "No space left" in str(error):
            return True
        error = error.__cause__ or error.__context__
    return False


def _default_uri() -> str:
    return sqlite_uri(home() / "runs" / "mlflow.db")


def _ask_server(uri: str) -> None:
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    settings = {
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
        "MLFLOW_HTTP_REQUEST_TIMEOUT": str(TIMEOUT_SECONDS),
    }
    try:
        with _environment(settings):
            MlflowClient(tracking_uri=uri).search_experiments(max_results=1)
    except MlflowException as error:
        raise StoreError(
            f"The tracking server cannot be used: {reason(error)}. Start it, correct "
            "MLFLOW_TRACKING_URI (for a server with accounts also MLFLOW_TRACKING_USERNAME and "
            "MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN), or unset it to store the runs on "
            f"this machine. Received: MLFLOW_TRACKING_URI={without_passwords(uri)}"
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
            _connect(uri)
            SqlAlchemyStore(uri, database_root(uri).as_uri()).engine.dispose()
    except ImportError as error:
        raise StoreError(
            f"The tracking database needs a driver that is not installed: {reason(error)}. "
            "Install it (PostgreSQL: psycopg2-binary and postgresql+psycopg2://…, MySQL: pymysql "
            f"and mysql+pymysql://…), or run a server. Received: {without_passwords(uri)}"
        ) from error
    except (SQLAlchemyError, OSError) as error:
        if _is_disk_full(error):
            raise failure(error, uri) from error
        raise StoreError(
            f"The tracking database cannot be opened: {reason(error)}. Check that its server "
            "runs, or that its folder exists and is writable; or set MLFLOW_TRACKING_URI or "
            f"ZOO_HOME to another place. Received: {without_passwords(uri)}"
        ) from error
    except MlflowException as error:
        raise StoreError(
            f"The tracking database is of another version of MLflow: {reason(error)}. Make a "
            f"copy of it, then upgrade it with `{Path(sys.executable).name} -m mlflow db upgrade "
            f"URI`. Received: {without_passwords(uri)}"
        ) from error


def _connect(uri: str) -> None:
    """Connects once with a short timeout; MLflow itself would retry for 90 seconds."""
    from sqlalchemy import create_engine, inspect, make_url

    has_timeout = make_url(uri).get_backend_name() in ("postgresql", "mysql")
    arguments = {"connect_timeout": TIMEOUT_SECONDS} if has_timeout else {}
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
