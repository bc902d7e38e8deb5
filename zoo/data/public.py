"""Base class of datasets of files, which are found or downloaded, unpacked and verified."""

import gzip
import os
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from zoo.data.dataset import (
    Columns,
    Dataset,
    DatasetCard,
    RemoteFile,
    as_dataset,
    content_digest,
    hold_out,
    ordered_labels,
)
from zoo.files import atomic_directory, bounded_lines
from zoo.home import home


class PublicDataset:
    """Base class of datasets that consist of files.

    A subclass sets the attributes and implements `parse`, or `read_rows` if the stored files have
    no lines; where the published files are not the stored ones, also `unpack`. A row in
    `zoo.data.registry` gives it its name.

    Attributes:
        card: A `DatasetCard`.
        stored: The name of each split's file in the dataset's folder, or of each part of a
            split that has a file of its own. A file may be plain or gzipped, with `.gz` after
            its name.
        others: Names of further files in the folder, which a subclass reads.
        columns: Names of the columns whose values `parse` yields.
        labels: The labels of the column `label` in the order of the classes. By default those of
            train, sorted.
        dev_size: int. Number of rows to hold out of `train`; 0 if there is an official `dev`.
    """

    card: DatasetCard
    stored: dict[str, str]
    others: tuple[str, ...] = ()
    columns: tuple[str, ...] = ("text", "label")
    labels: tuple[str, ...] = ()
    dev_size: int = 0

    def parse(self, lines: Iterator[str]) -> Iterator[tuple[Any, ...]]:
        """Yields rows of `columns`, given the lines of a stored file without line ends."""
        raise NotImplementedError(f"{type(self).__name__} must define `parse` or `read_rows`.")

    def read_rows(self, file: Path, split: str) -> Iterator[tuple[Any, ...]]:
        """Yields rows of `columns`, given a stored file and its key in `stored`."""
        return self.parse(_lines(file))

    def unpack(self, downloads: Path, folder: Path) -> None:
        """Converts downloaded files to stored files. By default they are moved unchanged."""
        for file in self.card.files:
            os.replace(downloads / file.name, folder / file.name)

    def path(self) -> Path | None:
        """The folder that has all files, in `$ZOO_DATA` or else in the cache, or `None`."""
        names = (*self.stored.values(), *self.others)
        folders = [home() / "data" / self.card.name]
        if shared := os.environ.get("ZOO_DATA"):
            folders.insert(0, Path(shared).expanduser() / self.card.name)
        for folder in folders:
            if all(_existing(folder, name) for name in names):
                return folder
        return None

    def get(self) -> Path:
        """The folder that has all files; downloads them into the cache if there is none."""
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
        """Reads a stored file and verifies its content.

        Args:
            folder: The folder with the stored files.
            split: The key of the file in `stored`.

        Raises:
            ValueError: if the file is damaged, or its content differs from the published one.
        """
        file = _existing(folder, self.stored[split]) or folder / self.stored[split]
        remedy = f"Remove it, and run `zoo data get {self.card.name}` again."
        columns: Columns = {name: [] for name in self.columns}
        try:
            for row in self.read_rows(file, split):
                for values, value in zip(columns.values(), row, strict=True):
                    values.append(value)
        except (
            EOFError,
            zlib.error,
            gzip.BadGzipFile,
            zipfile.BadZipFile,
            ValueError,
            IndexError,
        ) as error:
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
        """Finds or downloads the dataset, reads it, and holds out `dev` if it has none.

        Raises:
            ValueError: if a file is damaged, its content differs from the published one, or a split
                has a label that is not among `labels`.
            ConnectionError: if it cannot be downloaded.
        """
        folder = self.get()
        splits = {split: self.read(folder, split) for split in self.stored}
        if self.dev_size:
            train, dev = hold_out(splits["train"], self.dev_size)
            splits = {**splits, "train": train, "dev": dev}
        order: tuple[str, ...] = ("train", "dev", "test")
        splits = {name: splits[name] for name in order if name in splits}
        return as_dataset(self.card, splits, labels=self.ordered_labels(splits))

    def ordered_labels(self, splits: dict[str, Columns]) -> tuple[str, ...]:
        """The labels of loaded splits, in the order of the classes; `()` without a column `label`.

        Raises:
            ValueError: if a split has a label that is not among `labels`, or not in train.
        """
        if "label" not in self.columns:
            return ()
        found = {f"{self.card.name} {split}": rows["label"] for split, rows in splits.items()}
        return ordered_labels(found, self.labels)


def download(file: RemoteFile, folder: Path) -> Path:
    """Downloads a file, with a progress bar on a terminal, and verifies its checksum.

    Raises:
        ConnectionError: if the address cannot be reached or does not serve the file.
        ValueError: if the checksum differs.
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
            f"Could not download {file.url}: {error}. Try again with access to the network, "
            f"or copy the dataset's folder from another machine and set $ZOO_DATA to the folder "
            f"that contains it."
        ) from error
    except ValueError as error:
        raise ValueError(
            f"The file at {file.url} has another checksum than the published one. {error}"
        ) from error


def rows(lines: Iterable[str], columns: int) -> Iterator[list[str]]:
    """Yields the rows of a tab-separated table with a header and without quoting, as lists."""
    for number, line in enumerate(lines, 1):
        fields = line.split("\t")
        if len(fields) != columns:
            raise ValueError(f"line {number} has {len(fields)} fields, not {columns}")
        if number > 1:
            yield fields


def check_pair(card: DatasetCard, source: str, target: str) -> None:
    """Raises a `ValueError` unless both languages are among those of a dataset, and differ."""
    if source == target or any(name not in card.languages for name in (source, target)):
        raise ValueError(
            f"source and target must be two different languages of {card.name}, which has "
            f"{', '.join(card.languages)}. Received: source={source!r}, target={target!r}"
        )


def _existing(folder: Path, name: str) -> Path | None:
    for candidate in (folder / name, folder / f"{name}.gz"):
        if candidate.is_file():
            return candidate
    return None


def _lines(file: Path) -> Iterator[str]:
    with gzip.open(file) if file.suffix == ".gz" else open(file, "rb") as content:
        for line in bounded_lines(content, file):  # type: ignore[arg-type]
            yield line.decode().removesuffix("\n")
