"""Cards of datasets, loaded datasets, their digests, and the split of dev from train."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from operator import attrgetter
from pathlib import Path

MAX_GENERATED = 1_000_000  # rows of a split

Columns = dict[str, list]


@dataclass(frozen=True)
class RemoteFile:
    """A file that is downloaded.

    Attributes:
        name: The name of the downloaded file.
        url: The address.
        sha256: The SHA-256 of its bytes; `None` if unknown, in which case only the content is
            verified (`DatasetCard.digests`).
        bytes: Its size, if known.
    """

    name: str
    url: str
    sha256: str | None = None
    bytes: int | None = None


@dataclass(frozen=True)
class DatasetCard:
    """Metadata of a named dataset, available without loading it.

    Attributes:
        name: The name that `zoo.data.load` takes.
        task: The task that it trains, such as `"text_classifier"`.
        languages: ISO 639-1 codes; `zxx` for what is no language.
        licence: The licence that its publisher states.
        citation: One line.
        homepage: The address of its web page.
        description: One sentence.
        splits: The number of rows of each split, as loaded by default.
        files: The files that are downloaded; empty for a generated dataset and for one that comes
            with the library.
        digests: For each official split, or each part of one that has a file of its own, the
            `content_digest` of its columns, which is verified at each load.
    """

    name: str
    task: str
    languages: tuple[str, ...]
    licence: str
    citation: str
    homepage: str
    description: str
    splits: dict[str, int | None]
    files: tuple[RemoteFile, ...] = ()
    digests: dict[str, str] = field(default_factory=dict)

    @property
    def is_yardstick(self) -> bool:
        """True for data that only measure models: they have no training split."""
        return "train" not in self.splits


@dataclass(frozen=True)
class Dataset:
    """A loaded dataset.

    Attributes:
        name, task, licence, citation: See `DatasetCard`.
        languages: See `DatasetCard`; for translation the source language, then the target
            language.
        digest: SHA-256 over the loaded splits, in hexadecimal digits. It depends on which rows
            were held out and on how rows were generated.
        splits: Columns by split: `"train"`, `"dev"` and, where there is one, `"test"`. For a
            text classifier `{"text": [...], "label": [...]}`, for a translator `{"source":
            [...], "target": [...]}`, for a tagger `{"tokens": [...], "tags": [...]}`, for
            captioning `{"image": [...], "captions": [...]}`, with a `zoo.images.ImageFile` and
            a list of strings for each image, for speech `{"audio": [...], "text": [...],
            "speaker": [...]}`, with a `zoo.audio.AudioFile` each. The columns of a split are
            equally long.
        labels: All labels, in the order of the classes; `()` if there are none.
    """

    name: str
    task: str
    languages: tuple[str, ...]
    licence: str
    citation: str
    digest: str
    splits: dict[str, Columns]
    labels: tuple[str, ...]


def as_dataset(
    card: DatasetCard,
    splits: dict[str, Columns],
    *,
    labels: tuple[str, ...] = (),
    languages: tuple[str, ...] | None = None,
) -> Dataset:
    """Makes a `Dataset` of a card and splits.

    Args:
        card: The card.
        splits: Columns by split.
        labels: The labels, in the order of the classes.
        languages: The languages, if not all those of the card.
    """
    return Dataset(
        name=card.name,
        task=card.task,
        languages=card.languages if languages is None else languages,
        licence=card.licence,
        citation=card.citation,
        digest=splits_digest(splits),
        splits=splits,
        labels=labels,
    )


def dataset_of_files(
    first: object,
    task: str,
    splits: dict[str, Columns],
    labels: tuple[str, ...] = (),
) -> Dataset:
    """Makes a `Dataset` of a user's files.

    Args:
        first: The first file; its name without suffixes becomes the name of the dataset.
        task: The task.
        splits: Columns by split.
        labels: The labels, in the order of the classes.
    """
    splits = {split: splits[split] for split in ("train", "dev", "test") if split in splits}
    return Dataset(
        name=Path(str(first)).name.split(".")[0],
        task=task,
        languages=(),
        licence="not stated",
        citation="",
        digest=splits_digest(splits),
        splits=splits,
        labels=labels,
    )


def ordered_labels(
    found: Mapping[str, Iterable[str]], declared: tuple[str, ...] = ()
) -> tuple[str, ...]:
    """The labels of a dataset in the order of their classes, after a check of every split.

    Args:
        found: The labels that occur in each split, by what an error is to call the split; train
            first.
        declared: The labels in order. By default those of train, sorted: by value if all are
            whole numbers, else alphabetically.

    Returns:
        The labels.

    Raises:
        ValueError: if a split has a label that is not among them.
    """
    train = set(next(iter(found.values())))
    whole = all(name.removeprefix("-").isdecimal() for name in train)
    labels = declared or tuple(sorted(train, key=lambda it: (int(it) if whole else 0, it)))
    for split, names in found.items():
        if unknown := sorted(set(names) - set(labels)):
            rule = "be one of those declared" if declared else "occur in train"
            raise ValueError(
                f"Every label must {rule}, {list(labels[:20])}. "
                f"Received: {split} with {unknown[:20]}"
            )
    return labels


def check_sizes(sizes: dict[str, int]) -> None:
    """Raises a `ValueError` unless the sizes of splits are whole numbers within bounds.

    At least 1 (test: 0) and at most `MAX_GENERATED`.
    """
    for split, size in sizes.items():
        if isinstance(size, int) and size > MAX_GENERATED:
            raise ValueError(
                f"{split} must be at most {MAX_GENERATED:,}: a generated dataset is in memory, "
                f"about 1 kilobyte a row. Received: {split}={size!r}, {size / 1e6:,.0f} GB"
            )
        smallest = 0 if split == "test" else 1
        if not isinstance(size, int) or size < smallest:
            raise ValueError(
                f"{split} must be a whole number of at least {smallest}. Received: {split}={size!r}"
            )


def content_digest(columns: Columns) -> str:
    """SHA-256 over the names of columns and their rows, in order.

    A `zoo.files.DataFile` counts as its own SHA-256.
    """
    content = hashlib.sha256(json.dumps(list(columns)).encode())
    for row in zip(*columns.values(), strict=True):
        content.update(json.dumps(row, default=attrgetter("sha256")).encode())
    return content.hexdigest()


def splits_digest(splits: dict[str, Columns]) -> str:
    """SHA-256 over the names and the content of all splits."""
    return hashlib.sha256(
        "".join(f"{name} {content_digest(splits[name])}\n" for name in sorted(splits)).encode()
    ).hexdigest()


def hold_out(
    columns: Columns, size: int, *, by: str = "text", seed: int = 0
) -> tuple[Columns, Columns]:
    """Splits rows off, chosen by a hash of their content.

    Rows with the same text (apart from white space) stay together, so the two parts share no
    text. Texts are taken in the order of a hash of `(seed, text)`; if there is a column `label`,
    each label in proportion to its frequency.

    Args:
        columns: The columns of the split.
        size: int. The number of rows to take. It may be a few less where texts are repeated.
        by: Name of the column with the text. Defaults to `"text"`.
        seed: int. Seed of the hash. Defaults to `0`.

    Returns:
        A tuple `(rest, held)` of columns, both in the order of the data.
    """
    groups: dict[str, list[int]] = {}
    for row, text in enumerate(columns[by]):
        groups.setdefault(" ".join(text.split()), []).append(row)

    def order(text: str) -> bytes:
        return hashlib.sha256(f"{seed}\0{text}".encode()).digest()

    labels = columns.get("label") or [None] * len(columns[by])
    quotas = _proportional(labels, size)
    held: set[int] = set()
    for text in sorted(groups, key=order):
        rows = groups[text]
        label = labels[rows[0]]
        if len(rows) <= quotas[label]:
            quotas[label] -= len(rows)
            held.update(rows)

    def take(wanted: bool) -> Columns:
        return {
            name: [value for row, value in enumerate(values) if (row in held) == wanted]
            for name, values in columns.items()
        }

    return take(False), take(True)


def _proportional(labels: list, size: int) -> dict:
    """Divides `size` among the labels in proportion to their counts, by largest remainder."""
    counts: dict = {}
    for label in labels:
        counts[label] = counts.get(label, 0) + 1
    shares = {label: count * size / len(labels) for label, count in counts.items()}
    parts = {label: int(share) for label, share in shares.items()}
    by_remainder = sorted(shares, key=lambda label: parts[label] - shares[label])
    for label in by_remainder[: size - sum(parts.values())]:
        parts[label] += 1
    return parts
