"""A public dataset: found on this machine, or downloaded, checked and unpacked."""

import gzip
import os
import sys
import tempfile
import zlib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from pathlib import Path

from zoo.data.dataset import (
    Columns,
    Dataset,
    DatasetCard,
    RemoteFile,
    as_dataset,
    content_digest,
    hold_out,
)
from zoo.files import atomic_directory
from zoo.home import home

LABELS = ("negative", "positive")


class PublicDataset(ABC):
    """A dataset of files; a subclass says which they are and how to read them.

    Attributes:
        card: A `DatasetCard`.
        stored: The name of each split's file in the dataset's folder, or of each part of a
            split that has a file of its own. A file may be there as it is, or gzipped with
            `.gz` after its name.
        others: Names of further files that belong in the folder, which a subclass reads.
        columns: The columns that `parse` yields the values of.
        dev_size: int. Rows to hold out of `train`, 0 where there is an official `dev`.
    """

    card: DatasetCard
    stored: dict[str, str]
    others: tuple[str, ...] = ()
    columns: tuple[str, ...] = ("text", "label")
    dev_size: int = 0

    @abstractmethod
    def parse(self, lines: Iterator[str]) -> Iterator[tuple[str, ...]]:
        """Reads rows of `columns` from the lines of a stored file, line ends removed."""

    def unpack(self, downloads: Path, folder: Path) -> None:
        """Turns downloaded files into stored ones. By default the two are the same."""
        for file in self.card.files:
            os.replace(downloads / file.name, folder / file.name)

    def path(self) -> Path | None:
        """The folder that holds every file: in `$ZOO_DATA`, else in the cache."""
        names = (*self.stored.values(), *self.others)
        folders = [home() / "data" / self.card.name]
        if shared := os.environ.get("ZOO_DATA"):
            folders.insert(0, Path(shared).expanduser() / self.card.name)
        for folder in folders:
            if all(_existing(folder, name) for name in names):
                return folder
        return None

    def get(self) -> Path:
        """The folder of `path`, downloaded into the cache first if there is none."""
        if found := self.path():
            return found
        target = home() / "data" / self.card.name
        with atomic_directory(target, overwrite=True) as folder:
            with tempfile.TemporaryDirectory(dir=folder) as downloads:
                for file in self.card.files:
                    download(file, Path(downloads))
                self.unpack(Path(downloads), folder)
            for split in self.stored:
                self.read(folder, split)
        return target

    def read(self, folder: Path, split: str) -> Columns:
        """Reads one stored file, by its key in `stored`, and checks its content.

        Raises:
            ValueError: if the file is damaged, or its content is not the published one.
        """
        file = _existing(folder, self.stored[split]) or folder / self.stored[split]
        remedy = f"Remove it, and run `zoo data get {self.card.name}` again."
        columns: Columns = {name: [] for name in self.columns}
        try:
            for row in self.parse(_lines(file)):
                for values, value in zip(columns.values(), row, strict=True):
                    values.append(value)
        except (EOFError, zlib.error, gzip.BadGzipFile, ValueError, IndexError) as error:
            raise ValueError(f"The file {file} is damaged ({error}). {remedy}") from error
        digest = content_digest(columns)
        if digest != self.card.digests[split]:
            raise ValueError(
                f"The content of {file} is not that of {self.card.name}'s {split} split: its "
                f"digest should be {self.card.digests[split]}. {remedy} Received: {digest} "
                f"over {len(columns[self.columns[0]])} rows"
            )
        return columns

    def load(self) -> Dataset:
        """Finds, reads and checks the dataset; holds out `dev` where there is none."""
        folder = self.get()
        splits = {split: self.read(folder, split) for split in self.stored}
        if self.dev_size:
            train, dev = hold_out(splits["train"], self.dev_size)
            splits = {**splits, "train": train, "dev": dev}
        splits = {name: splits[name] for name in ("train", "dev", "test")}
        return as_dataset(self.card, splits, labels=LABELS if "label" in self.columns else ())


def download(file: RemoteFile, folder: Path) -> Path:
    """Downloads a file, with a progress bar on a terminal, and checks its bytes.

    Raises:
        ConnectionError: if the address cannot be reached or does not serve the file.
        ValueError: if the bytes are not those of the file's checksum.
    """
    import pooch
    import requests

    pooch.get_logger().setLevel("WARNING")
    print(f"Downloading {file.url}", file=sys.stderr)
    try:
        return Path(
            pooch.retrieve(
                file.url,
                known_hash=file.sha256 and f"sha256:{file.sha256}",
                fname=file.name,
                path=folder,
                downloader=pooch.HTTPDownloader(progressbar=sys.stderr.isatty(), timeout=30),
            )
        )
    except requests.exceptions.RequestException as error:
        raise ConnectionError(
            f"Could not download {file.url}: {error}. Try again where the network reaches it, "
            f"or fetch the dataset elsewhere and name the folder that holds its folder in "
            f"$ZOO_DATA."
        ) from error
    except ValueError as error:
        raise ValueError(f"What {file.url} serves is not the file we know. {error}") from error


def rows(lines: Iterable[str], columns: int) -> Iterator[list[str]]:
    """Splits the lines of a tab-separated table that has a header and no quoting."""
    for number, line in enumerate(lines, 1):
        fields = line.split("\t")
        if len(fields) != columns:
            raise ValueError(f"line {number} has {len(fields)} fields, not {columns}")
        if number > 1:
            yield fields


def check_pair(card: DatasetCard, source: str, target: str) -> None:
    """Raises a `ValueError` unless a dataset has both languages, and they are two."""
    if source == target or any(name not in card.languages for name in (source, target)):
        raise ValueError(
            f"{card.name} has {', '.join(card.languages)}: source and target must be two "
            f"different ones of them. Received: source={source!r}, target={target!r}"
        )


def _existing(folder: Path, name: str) -> Path | None:
    for candidate in (folder / name, folder / f"{name}.gz"):
        if candidate.is_file():
            return candidate
    return None


def _lines(file: Path) -> Iterator[str]:
    open_file = gzip.open if file.suffix == ".gz" else open
    with open_file(file, "rt", encoding="utf-8", newline="\n") as lines:
        for line in lines:
            yield line.removesuffix("\n")
