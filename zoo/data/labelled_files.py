"""Datasets from files of one's own."""

from pathlib import Path

from zoo.data.dataset import Columns, Dataset, dataset_of_files
from zoo.data.tables import as_text, hold_out_share, read_table


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

    The suffix tells the format, each also gzipped (`.gz` after it), all in UTF-8: `.csv`
    (commas, quoted by `"`) and `.tsv` (tabs, no quoting) begin with a line that names the
    columns; each line of `.jsonl` is a JSON object.

    Args:
        train: Path.
        dev: Path. Without it, rows are held out of `train`, none of whose texts remain there.
        test: Path.
        text: Name of the column with the text.
        label: Name of the column with the label: a word or a whole number.
        dev_fraction: float. Share of `train` to hold out if there is no `dev`.
        seed: int. Another seed holds out other rows.

    Returns:
        A `Dataset` whose labels are those of `train`, sorted; its name is that of the file.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if a file cannot be read as said above (with the number of the line), has
            no such column, has no rows, or if labels are of one class only, or of a class
            that `train` lacks.
    """
    files = {"train": train, "dev": dev, "test": test}
    splits = {
        split: read_labelled(file, text, label) for split, file in files.items() if file is not None
    }
    labels = _labels(splits, files, label)
    if dev is None:
        splits["train"], splits["dev"] = hold_out_share(splits["train"], dev_fraction, seed, train)
    return dataset_of_files(train, "text_classifier", splits, labels)


def read_labelled(file: str | Path, text: str = "text", label: str = "label") -> Columns:
    """Reads one table, as `load_labelled` does, of one class too.

    Args:
        file: Path.
        text: Name of the column with the text.
        label: Name of the column with the label.

    Returns:
        The columns `"text"` and `"label"`, every value a string.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it cannot be read, has no such column, or has no rows.
    """
    return read_table(
        Path(file), {"text": text, "label": label}, {"text": as_text, "label": _label}
    )


def _labels(splits: dict[str, Columns], files: dict, column: str) -> tuple[str, ...]:
    known = set(splits["train"]["label"])
    if len(known) < 2:
        raise ValueError(
            f"A classifier needs rows of at least two classes. Is {column!r} the column with the "
            f"label? Received: {files['train']} with the one label {known.pop()!r}"
        )
    for split in splits:
        if unknown := sorted(set(splits[split]["label"]) - known):
            raise ValueError(
                f"Every label must occur in the training file, which has {sorted(known)[:20]}. "
                f"Received: {files[split]} with {unknown[:20]}"
            )
    whole = all(name.removeprefix("-").isdecimal() for name in known)
    return tuple(sorted(known, key=lambda name: (int(name) if whole else 0, name)))


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
    return value.strip()
