"""Streams lines of UTF-8 text with constant memory."""

import itertools
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, TypeVar

from zoo.cli.errors import Failure, WrongUse, command

BYTE_ORDER_MARK = b"\xef\xbb\xbf"

T = TypeVar("T")


def read(stream: BinaryIO, name: str) -> Iterator[str]:
    r"""Decodes the lines of a stream, without their line ends.

    Args:
        stream: Bytes in UTF-8, with `\n` or `\r\n` as line ends.
        name: Name of the stream in an error message.

    Yields:
        Each line, including empty ones: output line N answers input line N.

    Raises:
        Failure: if a line is not UTF-8.
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
                hint="convert the file with iconv -f ENCODING -t UTF-8",
            ) from None


def count(path: Path) -> int | None:
    """Counts the lines of a file and checks that all of them are UTF-8.

    Returns:
        The number of lines; `None` for a pipe, which can be read only once.

    Raises:
        WrongUse: if there is no such file.
        Failure: if a line is not UTF-8.
    """
    if path.is_dir() or not path.exists():
        fault = "The input must be a file, not a directory" if path.is_dir() else "No such file"
        raise WrongUse(f"{fault}. Received: --file {path}", hint=command("ls", path.parent))
    if not path.is_file():
        return None
    with path.open("rb") as stream:
        return sum(1 for _ in read(stream, str(path)))


def chunks(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Splits an iterable into lists of up to `size` items."""
    items = iter(items)
    while chunk := list(itertools.islice(items, size)):
        yield chunk
