"""Files of datasets, atomic writing, checksums, and lines of bounded length."""

import hashlib
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import BinaryIO

# A line, a cell of a table, or a text. The longest review of IMDB has 14 kilobytes.
MAX_LINE_BYTES = 1 << 20


class LongLineError(ValueError):
    """Error for a line that is longer than `MAX_LINE_BYTES`."""


@dataclass(frozen=True)
class DataFile:
    """A file of a dataset, such as an image, which is read when needed.

    Its bytes are `content`, or else `length` bytes of the file `path` from `start` on, so that it
    can be a file or a member of an archive.

    Attributes:
        name: The name, for display.
        path: The file.
        start: The position of the first byte in the file. Defaults to `0`.
        length: The number of bytes; -1 for all to the end of the file. Defaults to `-1`.
        content: The bytes, if they are in no file.
    """

    name: str
    path: Path | None = None
    start: int = 0
    length: int = -1
    content: bytes | None = field(default=None, repr=False)

    def read(self) -> bytes:
        """The bytes of the encoded file."""
        if self.content is not None:
            return self.content
        if self.path is None:
            raise ValueError(
                f"{type(self).__name__} needs a path or its content. "
                f"Received: name={self.name!r} alone"
            )
        with open(self.path, "rb") as file:
            file.seek(self.start)
            return file.read(self.length)

    @cached_property
    def sha256(self) -> str:
        """The SHA-256 of the bytes, as 64 hexadecimal digits."""
        return hashlib.sha256(self.read()).hexdigest()


@contextmanager
def atomic_write(path: str | Path) -> Iterator[Path]:
    """Writes a file atomically: `path` has either its old content or all of the new.

    Args:
        path: The file. Missing parent folders are created.

    Yields:
        A temporary path in the same folder with the same suffix, at which no file exists. The
        block writes the file there. It replaces `path` when the block ends, and is removed if
        the block raises.

    Raises:
        FileNotFoundError: if the block wrote no file to the temporary path.
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
    """Writes a directory atomically: `path` appears complete or not at all.

    Args:
        path: The directory. Missing parent folders are created. An existing empty directory is
            replaced.
        overwrite: bool. Whether to replace a directory that is not empty. Defaults to `False`.

    Yields:
        A temporary, empty directory in the same parent folder, which the block fills. It is
        renamed to `path` when the block ends, and removed if the block raises.

    Raises:
        FileExistsError: if `path` is a file, or a directory that is not empty without
            `overwrite`. Raised before the block runs.
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
        _refuse_existing(path, overwrite)  # another process may have created it meanwhile
        _replace_directory(temporary, path)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    _flush(path.parent)


def sha256(path: str | Path) -> str:
    """The SHA-256 of a file's bytes, as 64 hexadecimal digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def bounded_lines(stream: BinaryIO, name: object, limit: int = MAX_LINE_BYTES) -> Iterator[bytes]:
    """Yields the lines of a stream with their ends, none of which takes much memory.

    Args:
        stream: Bytes.
        name: Name of the stream in an error.
        limit: int. Most bytes of a line. Defaults to `MAX_LINE_BYTES`.

    Raises:
        LongLineError: before a longer line is read whole.
    """
    number = 0
    while line := stream.readline(limit + 1):
        number += 1
        if len(line) > limit:
            raise LongLineError(
                f"{name}, line {number}: a line may have at most {limit:,} bytes. Split "
                "the text into paragraphs or sentences, one a line; if the whole file is one line, "
                "its lines may end in another way than by \\n. Received: a longer line that begins "
                f"with {line[:40]!r}"
            )
        yield line


def _sibling(path: Path) -> Path:
    return path.with_name(f".part-{secrets.token_hex(4)}-{path.name}")


def _refuse_existing(path: Path, overwrite: bool) -> None:
    if path.is_symlink() or (path.exists() and not path.is_dir()):
        raise FileExistsError(
            f"A directory cannot replace a file or a link: remove that, or choose another path. "
            f"Received: path={str(path)!r}"
        )
    if not overwrite and path.is_dir() and any(path.iterdir()):
        raise FileExistsError(
            f"The directory exists and is not empty: choose another path, or pass "
            f"overwrite=True. Received: path={str(path)!r}"
        )


def _replace_directory(new: Path, path: Path) -> None:
    """Renames `new` to `path`; an existing directory is removed only after that has succeeded."""
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
    """Flushes a file, or the entries of a folder, to the disk."""
    if path.is_dir() and os.name == "nt":
        return  # Windows cannot open folders
    descriptor = os.open(path, os.O_RDONLY if os.name != "nt" else os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
