"""Identity of a process, by which another process finds out whether it still runs."""

import json
import os
import socket
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from zoo.files import atomic_write
from zoo.home import home

OWNER_FILE = "owner.json"
START_TOLERANCE_SECONDS = 5  # start times shift when the clock is set


@dataclass(frozen=True)
class Process:
    """A process of this or another machine.

    Attributes:
        host: Name of its machine.
        namespace: Its namespace of process ids on Linux: containers of one machine have several.
        pid: Its id there.
        started: The time it started, in seconds since the epoch.
    """

    host: str
    namespace: str
    pid: int
    started: float

    @classmethod
    def current(cls) -> "Process":
        """This process."""
        return cls(*_place(), os.getpid(), _start_time(os.getpid()) or time.time())

    @classmethod
    def from_json(cls, text: str | None) -> "Process | None":
        """The inverse of `to_json`; `None` if the text is none of its."""
        try:
            values = json.loads(text or "")
            return cls(
                str(values["host"]),
                str(values["namespace"]),
                int(values["pid"]),
                float(values["started"]),
            )
        except (ValueError, KeyError, TypeError):
            return None

    @classmethod
    def owner_of(cls, folder: Path) -> "Process | None":
        """The process that has written `owner.json` in a folder, or `None`."""
        try:
            return cls.from_json((folder / OWNER_FILE).read_text("utf-8"))
        except (OSError, UnicodeDecodeError):
            return None

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    def own(self, folder: Path) -> None:
        """Writes `owner.json` in a folder, which is created if it is missing."""
        with atomic_write(folder / OWNER_FILE) as temporary:
            temporary.write_text(self.to_json(), "utf-8")

    @property
    def is_local(self) -> bool:
        """True if this machine, or this container, can tell whether it runs."""
        return (self.host, self.namespace) == _place()

    @property
    def is_alive(self) -> bool:
        """True if it runs on this machine. A later process with the same id is another one."""
        started = _start_time(self.pid) if self.is_local else None
        return started is not None and abs(started - self.started) < START_TOLERANCE_SECONDS

    @property
    def is_dead(self) -> bool:
        """True if it was of this machine and has ended; of other machines nothing is known."""
        return self.is_local and not self.is_alive

    def __str__(self) -> str:
        since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(self.started))
        return f"process {self.pid} on {self.host}, which started at {since}"


def temporary_root() -> Path:
    """The folder of the temporary folders."""
    return home() / "temporary"


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """A temporary folder in the zoo's home, whose owner is recorded.

    If this process is killed, `zoo runs tidy` or the next run removes the folder.
    """
    root = temporary_root()
    root.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=root) as folder:
        Process.current().own(Path(folder))
        files = Path(folder, "files")
        files.mkdir()
        yield files


def _place() -> tuple[str, str]:
    namespace = os.readlink("/proc/self/ns/pid") if sys.platform == "linux" else ""
    return socket.gethostname(), namespace


def _start_time(pid: int) -> float | None:
    """The start of a process in seconds since the epoch; `None` if it has ended."""
    import psutil  # tens of milliseconds

    try:
        process = psutil.Process(pid)
        ended = process.status() in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)
        return None if ended else process.create_time()
    except psutil.NoSuchProcess:
        return None
    except psutil.AccessDenied:  # it runs, and belongs to somebody else
        return psutil.Process(pid).create_time()
