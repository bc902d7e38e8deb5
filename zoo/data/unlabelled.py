"""Texts without labels, for distillation: read, split, and cleared of those of dev and test."""

import random
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from zoo.data.dataset import Columns, Dataset
from zoo.data.languages import guess_language
from zoo.data.registry import list_datasets, load
from zoo.data.sentences import split_sentences
from zoo.data.tables import as_text, lines, read_table, table_format
from zoo.suggestions import did_you_mean
from zoo.unicode import compose

# Columns of named datasets that hold texts, in any task.
TEXT_COLUMNS = ("text", "source", "tokens", "captions")
_NOT_LETTERS = re.compile(r"[\W_]+")
_WORD = re.compile(r"[^\W\d_]+(?:['\u2019][^\W\d_]+)*")

Text = str | list[str]  # a list of words from a dataset of a tagger


@dataclass(frozen=True)
class Unlabelled:
    """Texts without labels.

    Attributes:
        texts: The texts that are kept.
        found: Number of texts that were read, after splitting.
        leaked: Number of those left out because dev or test has them.
        repeated: Number of those left out because train or an earlier text is the same.
        blank: Number of those without a letter or digit.
    """

    texts: list
    found: int
    leaked: int
    repeated: int
    blank: int

    def __str__(self):
        left_out = {
            "in dev or test": self.leaked,
            "repeated": self.repeated,
            "without letters": self.blank,
        }
        counts = ", ".join(f"{count:,} {kind}" for kind, count in left_out.items() if count)
        counts = f"; left out: {counts}" if counts else ""
        return f"unlabelled: {len(self.texts):,} of {self.found:,} texts{counts}"


def load_unlabelled(
    sources: Sequence[str],
    dataset: Dataset,
    *,
    column: str = "text",
    unit: Literal["text", "sentence", "word"] = "text",
    limit: int | None = None,
    seed: int = 0,
) -> Unlabelled:
    """Loads texts without labels to train on beside a dataset.

    Two texts are the same if their letters and digits are, in NFC and lower case. Texts of the dev
    and test split are left out, as wholes and as sentences, because a student that is trained on
    them is not measured on unseen text.

    Args:
        sources: Names of datasets, whose train split is read without its labels; or paths of text
            files with one text a line, or of tables.
        dataset: The dataset with labels.
        column: Name of the column of texts in tables. Defaults to `"text"`.
        unit: `"sentence"` splits texts into sentences, `"word"` into the words of letters, which
            may have apostrophes within. Defaults to `"text"`.
        limit: Most texts to keep, a random sample. Defaults to `None`, no limit.
        seed: Seed of that sample.

    Raises:
        FileNotFoundError: if a source is neither a dataset nor a file.
        ValueError: if a file cannot be read, or no text is left.
    """
    texts = [text for source in sources for text in _read(source, column)]
    held = _keys(dataset, ("dev", "test"))
    known = _keys(dataset, ("train",))
    found = leaked = repeated = blank = 0
    kept: list[Text] = []
    language = "en"
    if unit == "sentence":
        stated = next(iter(dataset.languages), None)
        language = stated or guess_language(map(_joined, texts)) or language
        for columns in filter(None, map(dataset.splits.get, ("dev", "test"))):
            for text in _texts(columns, dataset.name):
                held.update(map(normalized, split_sentences(_joined(text), language)))
    for text in texts:
        is_held = normalized(text) in held
        for piece in _split(text, unit, language):
            key = normalized(piece)
            found += 1
            if not key:
                blank += 1
            elif is_held or key in held:
                leaked += 1
            elif key in known:
                repeated += 1
            else:
                known.add(key)
                kept.append(piece)
    if not kept:
        raise ValueError(
            "No unlabelled text is left: give texts that are neither in the labelled data nor "
            f"empty. Received: {', '.join(sources)} with {found:,} texts, {leaked:,} of them in "
            f"dev or test, {repeated:,} repeated, {blank:,} without letters"
        )
    if limit is not None and limit < len(kept):
        chosen = random.Random(seed).sample(range(len(kept)), limit)
        kept = [kept[i] for i in sorted(chosen)]
    return Unlabelled(kept, found, leaked, repeated, blank)


def _split(text: Text, unit: str, language: str) -> list:
    if unit == "sentence":
        return split_sentences(_joined(text), language)
    return _WORD.findall(_joined(text)) if unit == "word" else [text]


def normalized(text: Text) -> str:
    """The letters and digits of a text, in NFC and lower case."""
    return _NOT_LETTERS.sub("", compose(_joined(text)).lower())


def is_dataset(source: str) -> bool:
    """True if a source is the name of a dataset."""
    return source in {card.name for card in list_datasets()}


def _joined(text: Text) -> str:
    return text if isinstance(text, str) else " ".join(text)


def _keys(dataset: Dataset, splits: Iterable[str]) -> set[str]:
    """The normalized texts of splits."""
    columns = (dataset.splits.get(split, {}) for split in splits)
    return {normalized(text) for one in columns if one for text in _texts(one, dataset.name)}


def _read(source: str, column: str) -> list[Text]:
    if is_dataset(source):
        return _texts(load(source).splits["train"], source)
    file = Path(source)
    if not file.is_file():
        names = [card.name for card in list_datasets()]
        raise FileNotFoundError(
            "Unlabelled text is a file, or a dataset of `zoo data ls`."
            f"{did_you_mean(source, names)} Received: data.unlabelled={source!r}"
        )
    if table_format(file) is not None:
        return read_table(file, {"text": column}, {"text": as_text})["text"]
    texts: list[Text] = [as_text(file, n, line).strip() for n, line in enumerate(lines(file), 1)]
    if not any(texts):
        raise ValueError(f"The file has no text. Received: data.unlabelled={source!r}")
    return [text for text in texts if text]


def _texts(columns: Columns, name: str) -> list[Text]:
    column = next((column for column in TEXT_COLUMNS if column in columns), None)
    if column is None:
        raise ValueError(f"This dataset has no texts. Received: {name} with {list(columns)}")
    values = columns[column]
    return [text for texts in values for text in texts] if column == "captions" else values
