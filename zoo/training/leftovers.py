"""Files in the zoo's home that killed processes have left."""

import shutil
import time
from pathlib import Path

from zoo.home import home
from zoo.processes import Process, temporary_root
from zoo.training.checkpoint import STATE_FILE

DAY = 24 * 60 * 60
# Names of half-written files and folders, by the folder in which they are.
PARTS = {
    "checkpoints": ("*/.part-*",),
    "data": (".part-*",),
    "models": (".part-*", ".fetching-*"),
    "pictures": (".part-*", "*/.part-*"),
}


def find_leftovers() -> list[Path]:
    """Finds files that no process needs.

    Returns:
        Temporary folders, and checkpoints without a state to resume from, of processes of this
        machine that have ended; and half-written files and folders that are older than a day.
    """
    folders = _entries(temporary_root())
    folders += [it for it in _entries(home() / "checkpoints") if not (it / STATE_FILE).exists()]
    found = [it for it in folders if (owner := Process.owner_of(it)) and owner.is_dead]
    for folder, patterns in PARTS.items():
        for pattern in patterns:
            found += [it for it in (home() / folder).glob(pattern) if _age(it) > DAY]
    return sorted(set(found))


def remove_leftovers() -> None:
    """Removes what `find_leftovers` finds. What cannot be removed stays."""
    for path in find_leftovers():
        remove(path)


def remove(path: Path) -> None:
    """Removes a file or a folder, if that is possible."""
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _entries(folder: Path) -> list[Path]:
    return list(folder.iterdir()) if folder.is_dir() else []


def _age(path: Path) -> float:
    try:
        return time.time() - path.stat().st_mtime
    except OSError:  # removed meanwhile
        return 0
