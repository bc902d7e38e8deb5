"""What a dataset is: its card before it is loaded, its columns after."""

import hashlib
import json
from dataclasses import dataclass, field
from operator import attrgetter
from pathlib import Path

Columns = dict[str, list]


@dataclass(frozen=True)
class RemoteFile:
    """A file as its publisher serves it.

    Attributes:
        name: What to call it here.
        url: Where it is.
        sha256: Of its bytes; `None` where the publisher's bytes are not known to us, and the
            checksum of the content (`DatasetCard.digests`) alone decides.
        bytes: Its size, where known.
    """

    name: str
    url: str
    sha256: str | None = None
    bytes: int | None = None


@dataclass(frozen=True)
class DatasetCard:
    """What is known of a named dataset without loading it.

    Attributes:
        name: What `zoo.data.load` takes.
        task: The task that it trains, such as `"text_classifier"`.
        languages: ISO 639-1 codes.
        licence: As its publisher states it.
        citation: One line.
        homepage: Where to read about it.
        description: One sentence.
        splits: Rows of each split as it is loaded by default.
        files: What is downloaded; empty for a generated dataset.
        digests: For each official split, or part of one that has a file of its own, the
            checksum of its content (`content_digest` of its columns), which is verified at
            each load.
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


@dataclass(frozen=True)
class Dataset:
    """A loaded dataset.

    Attributes:
        name, task, licence, citation: As on its card.
        languages: As on its card; of a pair for translation, those two, the source first.
        digest: SHA-256 over the splits as they are here, in hexadecimal digits: which rows
            were held out and how rows were generated change it.
        splits: Columns by split: `"train"`, `"dev"` and, where there is one, `"test"`. For a
            text classifier `{"text": [...], "label": [...]}`, for a translator `{"source":
            [...], "target": [...]}`, for captioning `{"image": [...], "captions": [...]}`, of
            each image a `zoo.images.ImageFile` and a list of strings; all of one length.
        labels: All labels, in the order of the classes; `()` where there are none.
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
    """The dataset of a card, given its splits; `languages` where not all those of the card."""
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
    """The dataset of a user's own files, called as the first of them, with its splits in order."""
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


def check_sizes(sizes: dict[str, int]) -> None:
    """Raises a `ValueError` unless each split to be generated has rows; test may have none."""
    for split, size in sizes.items():
        smallest = 0 if split == "test" else 1
        if not isinstance(size, int) or size < smallest:
            raise ValueError(
                f"{split} must be a whole number of at least {smallest}. Received: {split}={size!r}"
            )


def content_digest(columns: Columns) -> str:
    """SHA-256 over the names of columns and their rows, in order; of pictures, over theirs."""
    content = hashlib.sha256(json.dumps(list(columns)).encode())
    for row in zip(*columns.values(), strict=True):
        content.update(json.dumps(row, default=attrgetter("sha256")).encode())
    return content.hexdigest()


def splits_digest(splits: dict[str, Columns]) -> str:
    """SHA-256 over all splits: one digest for the whole of a dataset."""
    return hashlib.sha256(
        "".join(f"{name} {content_digest(splits[name])}\n" for name in sorted(splits)).encode()
    ).hexdigest()


def hold_out(
    columns: Columns, size: int, *, by: str = "text", seed: int = 0
) -> tuple[Columns, Columns]:
    """Takes rows out of a split, by a rule that depends on their content alone.

    Rows of one text (spaces aside) stay together, so the two parts share none. Texts are
    taken in the order of a hash of `(seed, text)`, each label in proportion if there is a
    column `label`.

    Args:
        columns: The split.
        size: int. How many rows to take. Where repeated texts leave no way to reach it
            exactly, a few less.
        by: Name of the column with the text. Defaults to `"text"`.
        seed: int. Another seed takes other rows. Defaults to `0`.

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
    """Parts of `size` in proportion to how often each label occurs, summing up to it."""
    counts: dict = {}
    for label in labels:
        counts[label] = counts.get(label, 0) + 1
    shares = {label: count * size / len(labels) for label, count in counts.items()}
    parts = {label: int(share) for label, share in shares.items()}
    by_remainder = sorted(shares, key=lambda label: parts[label] - shares[label])
    for label in by_remainder[: size - sum(parts.values())]:
        parts[label] += 1
    return parts
