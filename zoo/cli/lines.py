"""Reads texts, one a line, without ever holding more than a few of them."""

import itertools
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from zoo.cli.errors import Failure, WrongUse

BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def read(stream: BinaryIO, name: str) -> Iterator[str]:
    """The lines of a stream of bytes, without their ends.

    Args:
        stream: Bytes in UTF-8, lines ended by `\\n` or `\\r\\n`.
        name: What it is called in an error.

    Yields:
        Each line; an empty one too, so that answers stay in step with the lines.

    Raises:
        Failure: at a line that is not UTF-8.
    """
    for number, line in enumerate(stream, start=1):
        if number == 1:
            line = line.removeprefix(BYTE_ORDER_MARK)
        try:
            yield line.removesuffix(b"\n").removesuffix(b"\r").decode()
        except UnicodeDecodeError as error:
            raise Failure(
                f"Texts must be UTF-8. Received: {name}, line {number}, byte {error.start + 1}: "
                f"0x{line[error.start]:02x}",
                hint="iconv -f THE_ENCODING_IT_IS_IN -t UTF-8, then again",
            ) from None


def count(path: Path) -> int | None:
    """Counts the lines of a file and, on the way, makes sure that all of them can be read.

    Returns:
        How many there are; `None` for a pipe, which can be read once only.

    Raises:
        WrongUse: if there is no such file.
        Failure: if a line is not UTF-8.
    """
    if path.is_dir() or not path.exists():
        what = "It is a directory" if path.is_dir() else "There is no such file"
        raise WrongUse(f"{what}. Received: --file {path}", hint=f"ls {path.parent}")
    if not path.is_file():
        return None
    with path.open("rb") as stream:
        return sum(1 for _ in read(stream, str(path)))


def chunks(texts: Iterable[str], size: int) -> Iterator[list[str]]:
    """Lists of up to `size` texts."""
    texts = iter(texts)
    while chunk := list(itertools.islice(texts, size)):
        yield chunk
