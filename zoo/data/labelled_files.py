"""Reads text classification datasets from tables."""

from pathlib import Path

from zoo.data.dataset import Columns, Dataset, dataset_of_files, ordered_labels
from zoo.data.tables import as_text, hold_out_share, read_table
from zoo.unicode import compose


def load_labelled(
    train: str | Path,
    dev: str | Path | None = None,
    test: str | Path | None = None,
    text: str = "text",
    label: str = "label",
    dev_fraction: float = 0.1,
    seed: int = 0,
) -> Dataset:
    """Loads a text classification dataset from tables.

    The format is chosen by the suffix: `.csv` (commas, quoted by `"`) and `.tsv` (tabs, no
    quoting), which begin with a line of column names, or `.jsonl`, with a JSON object in each
    line. All are in UTF-8 and may be gzipped (with `.gz` after the suffix).

    Args:
        train: Path.
        dev: Path. By default rows are held out of `train`, with no text in common.
        test: Path.
        text: Name of the column with the text.
        label: Name of the column with the label: a word or a whole number.
        dev_fraction: float. Share of `train` to hold out if `dev` is not given. Defaults to `0.1`.
        seed: int. Seed of the choice of those rows. Defaults to `0`.

    Returns:
        A `Dataset` named after the file, whose labels are those of `train`, sorted.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if a file is not in such a format (with the number of the line), lacks a column
            or has no rows; if all labels are the same, or one does not occur in `train`.
    """
    files = {"train": train, "dev": dev, "test": test}
    splits = {
        split: read_labelled(file, text, label) for split, file in files.items() if file is not None
    }
    labels = _labels(splits, files, label)
    if dev is None:
        rows = splits["train"]
        splits["train"], splits["dev"] = hold_out_share(
            rows, rows["text"], dev_fraction, seed, train
        )
    return dataset_of_files(train, "text_classifier", splits, labels)


def read_labelled(file: str | Path, text: str = "text", label: str = "label") -> Columns:
    """Reads one table in a format of `load_labelled`, whatever labels it has.

    Args:
        file: Path.
        text: Name of the column with the text.
        label: Name of the column with the label.

    Returns:
        The columns `"text"` and `"label"`, every value a string.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the file is not in such a format, lacks a column or has no rows.
    """
    return read_table(
        Path(file), {"text": text, "label": label}, {"text": as_text, "label": _label}
    )


def _labels(splits: dict[str, Columns], files: dict, column: str) -> tuple[str, ...]:
    labels = ordered_labels({str(files[split]): rows["label"] for split, rows in splits.items()})
    if len(labels) < 2:
        raise ValueError(
            f"A classifier needs rows of at least two classes. Is {column!r} the column with the "
            f"label? Received: {files['train']} with the one label {labels[0]!r}"
        )
    return labels


def _label(file: Path, number: int, value) -> str:
    if isinstance(value, bool):
        value = str(value).lower()
    if isinstance(value, int):
        value = str(value)
    if not isinstance(value, str) or not value.strip():
        raise ValueError(
            f"{file}, line {number}: the label must be a word or a whole number. "
            f"Received: {value!r}"
        )
    return compose(value.strip())
