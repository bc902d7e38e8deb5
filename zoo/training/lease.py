"""Exclusive use of a checkpoint by one process."""

import os
import threading
import time
from pathlib import Path

from filelock import FileLock

from zoo.home import home
from zoo.processes import OWNER_FILE, Process

HEARTBEAT_SECONDS = 15
STALE_SECONDS = 120  # without a heartbeat, a process on another machine counts as dead


class LeaseError(RuntimeError):
    """A run that another process is working on."""

    hint = "zoo ui"


class Lease:
    """Exclusive use of the checkpoint of a run, until it is released or its process ends.

    The checkpoint's folder holds `owner.json`: machine, id and start time of the process. A process
    of the same machine holds the lease as long as it runs. One of another machine, with a home
    folder that both share, holds it as long as it renews the file's time, each 15 seconds; after
    120 seconds without, another process may take over. The former owner then notices before it
    writes again.

    Use it as a context manager, which releases it.
    """

    def __init__(self):
        self._folder: Path | None = None
        self._owner = Process.current()
        self._stop = threading.Event()

    def __enter__(self) -> "Lease":
        return self

    def __exit__(self, *error) -> None:
        self.release()

    def acquire(self, folder: Path) -> None:
        """Takes the lease of a checkpoint; also that of a process that has ended.

        Args:
            folder: The checkpoint's folder, which is created if it is missing.

        Raises:
            LeaseError: if another process holds it; names that process.
        """
        with _guard():
            refuse_if_held(folder)
            self._owner.own(folder)
        self._folder = folder
        threading.Thread(target=self._renew, args=(folder,), daemon=True, name="lease").start()

    def check(self) -> None:
        """Verifies that the lease is still held. Called before anything is written for the run.

        Raises:
            LeaseError: if another process has taken over.
        """
        if self._folder and (holder := Process.owner_of(self._folder)) != self._owner:
            raise LeaseError(
                f"This run was taken over by {holder or 'a process that has finished it'}, because "
                f"this process gave no sign of life for {STALE_SECONDS} s. It stops here. "
                f"Received: run={self._folder.name!r}"
            )

    def release(self) -> None:
        """Gives the lease back."""
        self._stop.set()
        if self._folder:
            with _guard():
                if Process.owner_of(self._folder) == self._owner:
                    (self._folder / OWNER_FILE).unlink(missing_ok=True)
            self._folder = None

    def _renew(self, folder: Path) -> None:
        while not self._stop.wait(HEARTBEAT_SECONDS):
            if Process.owner_of(folder) != self._owner:
                return
            try:
                os.utime(folder / OWNER_FILE)
            except OSError:  # the next renewal may succeed
                continue


def refuse_if_held(folder: Path) -> None:
    """Raises an error if a process holds the lease of a checkpoint.

    Args:
        folder: The checkpoint's folder.

    Raises:
        LeaseError: names the process.
    """
    holder = Process.owner_of(folder)
    if holder is None or holder.is_dead:
        return
    if holder.is_alive:
        remedy = "Wait until it ends, or stop it, and then resume the run."
    else:
        quiet = _seconds_since_heartbeat(folder)
        if quiet > STALE_SECONDS:
            return
        remedy = (
            f"Its last sign of life was {quiet:.0f} s ago. Wait until it ends, or, if that machine "
            f"has stopped, until {STALE_SECONDS} s have passed, and then resume the run."
        )
    raise LeaseError(
        f"The run is in progress: {holder}, is working on it. {remedy} "
        f"Received: run={folder.name!r}"
    )


def _seconds_since_heartbeat(folder: Path) -> float:
    """The age of the owner's file, by the clock of the file system that both machines share."""
    probe = folder / f".now-{os.getpid()}"
    try:
        probe.touch()
        now = probe.stat().st_mtime
        probe.unlink()
    except OSError:
        now = time.time()
    try:
        return now - (folder / OWNER_FILE).stat().st_mtime
    except FileNotFoundError:
        return float("inf")


def _guard() -> FileLock:
    """A lock for the moment in which an owner is read and replaced."""
    home().mkdir(parents=True, exist_ok=True)
    return FileLock(home() / "checkpoints.lock")
