"""A Ray cluster: how it is reached, and how its machines are divided among trials.

Ray is imported when a cluster is connected.
"""

import logging
import os
import re
import secrets
import signal
import socket
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from zoo.terminal import starting
from zoo.tracking_store import reason

SETTINGS = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_BACKEND_LOG_LEVEL": "fatal",  # what fails is said in a line
    "RAY_NUM_REDIS_GET_RETRIES": "2",  # attempts to connect; each of 20 would take half a minute
}
LOOPBACK = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}  # listens at 127.0.0.1, on Linux too
PRIVATE = LOOPBACK | {"RAY_AUTH_MODE": "token"}  # other users of the machine have no token
CONNECT_SECONDS = 5
START = "ray start --head --include-dashboard=false"


@dataclass(frozen=True)
class Machine:
    """A machine of the cluster.

    Attributes:
        node: Its id.
        name: Its host name.
        cores: Number of cores.
        gpus: Number of GPUs.
    """

    node: str
    name: str
    cores: int
    gpus: int

    @property
    def is_this_one(self) -> bool:
        """True for the machine of the command."""
        return self.name == socket.gethostname()


def check_address(address: str) -> None:
    """Checks the form of an address, and sets Ray's settings, which it reads when it is imported.

    Raises:
        ValueError: if the address has another form, or is `local` while Ray is imported without the
            settings that keep others out.
    """
    _parse(address)
    settings = SETTINGS
    if address == "local":
        missing = [name for name in PRIVATE if name not in os.environ]
        if sys.modules.get("ray") and missing:
            raise ValueError(
                "A cluster that only this process reaches is set up before Ray is imported: start "
                f"the sweep before `import ray`, or set {' '.join(map('='.join, PRIVATE.items()))} "
                f"before it. Received: ray=local, without {', '.join(missing)}"
            )
        settings = SETTINGS | PRIVATE | {"RAY_AUTH_TOKEN": secrets.token_hex()}
    for name, value in settings.items():
        os.environ.setdefault(name, value)


def share(machines: Sequence[Machine], workers: int | None) -> tuple[int, int, int]:
    """Divides a cluster among trials.

    Each gets a GPU where there are any, and otherwise as many cores as let all run at a time.

    Args:
        machines: The machines.
        workers: Number of trials at a time, or `None`: one on each GPU, or machine.

    Returns:
        The number of trials at a time, which is at most that of GPUs or cores; the cores and the
        GPUs of each.
    """
    if any(one.gpus for one in machines):
        most = sum(one.gpus for one in machines)
        cores = min(one.cores // one.gpus for one in machines if one.gpus)
        return min(workers or most, most), max(cores, 1), 1
    most = sum(one.cores for one in machines)
    workers = min(workers or sum(one.cores > 0 for one in machines), most)
    for cores in range(max(one.cores for one in machines), 1, -1):
        if sum(one.cores // cores for one in machines) >= workers:
            return workers, cores, 0
    return workers, 1, 0


def connect(address: str) -> None:
    """Connects to a cluster, or starts one, in bounded time.

    Args:
        address: `"HOST:PORT"`, `"auto"` or `"local"`.

    Raises:
        ConnectionError: with the remedy, if that fails.
    """
    import ray

    if place := _parse(address):
        host, port = place
        is_loopback = host in ("localhost", "127.0.0.1", "::1")  # which Ray replaces
        _knock(ray.util.get_node_ip_address() if is_loopback else host, port, address)
    logging.getLogger("ray").setLevel(logging.CRITICAL)
    options = {"include_dashboard": False} if address == "local" else {}
    try:
        with sigterm_kept(), starting(f"Connecting to Ray, {address} …"):
            ray.init(
                address=address,
                log_to_driver=False,
                logging_level=logging.CRITICAL,
                configure_logging=False,
                **options,
            )
    except Exception as error:  # of several types, and plain ones
        raise _no_cluster(address, error) from error


@contextmanager
def sigterm_kept() -> Iterator[None]:
    """Gives SIGTERM its handler back after the `with` block, because Ray sets its own.

    With that, SIGTERM would have another exit code, and a second one would break cleanup off.
    """
    handler = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, handler)


def _parse(address: str) -> tuple[str, int] | None:
    """Host and port; `None` for `auto` and `local`."""
    if address in ("auto", "local"):
        return None
    found = re.fullmatch(r"(\[[\da-fA-F:.]+\]|\w[\w.-]*):(\d{1,5})", address)
    if not found:
        raise ValueError(
            "--ray takes the address of a cluster that this machine has joined with `ray start "
            f"--address=HOST:PORT`, or `auto` or `local`. Received: --ray {address}"
        )
    return found[1].strip("[]"), int(found[2])


def _knock(host: str, port: int, address: str) -> None:
    """Raises an error if nobody listens; Ray itself would wait for minutes."""
    try:
        socket.create_connection((host, port), CONNECT_SECONDS).close()
    except OSError as error:
        raise _no_cluster(address, error) from error


def _no_cluster(address: str, error: Exception) -> ConnectionError:
    """The error for a cluster that cannot be used, with the remedy."""
    causes = []
    cause: BaseException | None = error
    while cause:
        causes.append(f"{type(cause).__name__}: {cause}")
        cause = cause.__cause__ or cause.__context__
    text = "\n".join(causes)
    if "Authentication" in text:
        failed = ConnectionError(
            "The cluster asks for a token: set RAY_AUTH_MODE=token, and copy ~/.ray/auth_token "
            f"from the machine that started it. Received: --ray {address}"
        )
        failed.hint = "export RAY_AUTH_MODE=token"  # type: ignore[attr-defined]
        return failed
    if address == "local":
        return ConnectionError(
            "Ray could not start on this machine, which is perhaps too busy: try it again, or use "
            f"--workers without --ray. Received: --ray local, {first_line(error)}"
        )
    failed = ConnectionError(
        "No Ray cluster answers: start one, and join it with this and each other machine "
        f"(ray start --address=HOST:PORT). Received: --ray {address}, {first_line(error)}"
    )
    failed.hint = START  # type: ignore[attr-defined]
    return failed


def first_line(error: BaseException) -> str:
    """The first line of an error that says something."""
    return reason(error).replace("\x1b[36m", "").replace("\x1b[39m", "")  # type: ignore[arg-type]
