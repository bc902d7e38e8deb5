"""Streams lines of UTF-8 text with constant memory."""

from collections.abc import Iterable, Iterator, Sized
from pathlib import Path
from typing import BinaryIO, TypeVar

from zoo.cli.errors import Failure, WrongUse, command
from zoo.files import LongLineError, bounded_lines

BYTE_ORDER_MARK = b"\xef\xbb\xbf"
MAX_CHUNK_LENGTH = 1 << 24

T = TypeVar("T")


def read(stream: BinaryIO, name: str) -> Iterator[str]:
    r"""Decodes the lines of a stream, without their line ends.

    Args:
        stream: Bytes in UTF-8, with `\n` or `\r\n` as line ends.
        name: Name of the stream in an error message.

    Yields:
        Each line, including empty ones: output line N answers input line N.

    Raises:
        Failure: if a line is not UTF-8, or too long.
    """
    for number, line in enumerate(_bounded(stream, name), start=1):
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


def _bounded(stream: BinaryIO, name: str) -> Iterator[bytes]:
    try:
        yield from bounded_lines(stream, name)
    except LongLineError as error:
        raise Failure(
            str(error), hint=f"fold -s -w 1000 {name}, which breaks lines at spaces"
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
    """Splits an iterable into lists of up to `size` items.

    Fewer if they are long texts or sentences: about `MAX_CHUNK_LENGTH` characters or lines.
    """
    chunk: list[T] = []
    length = 0
    for item in items:
        chunk.append(item)
        length += len(item) if isinstance(item, Sized) else 1
        if len(chunk) == size or length >= MAX_CHUNK_LENGTH:
            yield chunk
            chunk, length = [], 0
    if chunk:
        yield chunk
