"""Files that are either whole or not there: write beside, then rename."""

import hashlib
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def atomic_write(path: str | Path) -> Iterator[Path]:
    """Write a file so that `path` holds the old content or the new, never a part.

    Args:
        path: where the file shall be. Missing parent folders are made.

    Yields:
        A path in the same folder, not yet existing, that ends in the same name
        (so a writer that looks at the suffix is not misled). What is written to
        it replaces `path` when the block ends, and is removed if it raises.

    Raises:
        FileNotFoundError: if the block wrote no file at the path it was given.
        IsADirectoryError: if `path` is a directory.
    """
    path = Path(path)
    if path.is_dir():
        raise IsADirectoryError(f"A file cannot replace a directory. Received: path={str(path)!r}")
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = _sibling(path)
    try:
        yield temporary
        _flush(temporary)
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _flush(path.parent)


@contextmanager
def atomic_directory(path: str | Path, *, overwrite: bool = False) -> Iterator[Path]:
    """Fill a directory so that `path` appears whole or not at all.

    Args:
        path: where the directory shall be. Missing parent folders are made; an
            empty directory there counts as none.
        overwrite: whether a directory that holds something is replaced.
            Defaults to `False`.

    Yields:
        A new, empty directory in the same parent, renamed to `path` when the
        block ends, and removed with all it holds if it raises.

    Raises:
        FileExistsError: if `path` holds something and `overwrite` is false, or
            if `path` is a file. Raised before the block runs.
    """
    path = Path(path)
    _refuse_existing(path, overwrite)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = _sibling(path)
    temporary.mkdir()
    try:
        yield temporary
        for folder, _, names in os.walk(temporary):
            for name in names:
                _flush(Path(folder, name))
            _flush(Path(folder))
        _refuse_existing(path, overwrite)  # someone may have been quicker
        _replace_directory(temporary, path)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    _flush(path.parent)


def sha256(path: str | Path) -> str:
    """The SHA-256 of a file's bytes, as 64 hexadecimal digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sibling(path: Path) -> Path:
    return path.with_name(f".part-{secrets.token_hex(4)}-{path.name}")


def _refuse_existing(path: Path, overwrite: bool) -> None:
    if path.is_symlink() or (path.exists() and not path.is_dir()):
        raise FileExistsError(
            f"A directory cannot replace a file or a link: remove it, or choose another path. "
            f"Received: path={str(path)!r}"
        )
    if not overwrite and path.is_dir() and any(path.iterdir()):
        raise FileExistsError(
            f"The directory exists and is not empty: choose another path, or pass "
            f"overwrite=True. Received: path={str(path)!r}"
        )


def _replace_directory(new: Path, path: Path) -> None:
    """Rename `new` to `path`; what was there is kept aside until that has worked."""
    if not path.exists():
        os.rename(new, path)
        return
    old = _sibling(path)
    os.rename(path, old)
    try:
        os.rename(new, path)
    except BaseException:
        os.rename(old, path)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _flush(path: Path) -> None:
    """Have the system write a file, or a folder's list of names, to the disk."""
    if path.is_dir() and os.name == "nt":
        return  # Windows opens no folders
    descriptor = os.open(path, os.O_RDONLY if os.name != "nt" else os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
