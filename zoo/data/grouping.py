"""Splits of pairs of texts that keep paraphrases together."""

import hashlib
from collections.abc import Mapping, Sequence

from zoo.data.dataset import Columns


def split_by_group(columns: Columns, by: Sequence[str], shares: Mapping[str, int]) -> dict:
    """Splits rows by a hash of their group, so that no two splits share a text.

    Rows belong to one group if their values of a column of `by` have the same letters and digits,
    whatever their case, spaces and punctuation; and so do the rows of groups that share a row.

    Args:
        columns: The columns.
        by: Names of the columns that tie rows together.
        shares: Percent of the groups by the name of a split. The rest is `"train"`.

    Returns:
        The columns of `"train"` and of the splits in `shares`, each in the order of the data.
    """
    groups = _groups([columns[name] for name in by])
    splits: dict[str, Columns] = {
        name: {column: [] for column in columns} for name in ("train", *shares)
    }
    for row, group in enumerate(groups):
        number = int(hashlib.sha256(group.encode()).hexdigest(), 16) % 100
        chosen = "train"
        for name, share in shares.items():
            if 0 <= number < share:
                chosen = name
            number -= share
        for column, values in columns.items():
            splits[chosen][column].append(values[row])
    return splits


def _groups(columns: Sequence[Sequence[str]]) -> list[str]:
    """The name of each row's group: the smallest key in it."""
    parent: dict[str, str] = {}

    def root(key: str) -> str:
        while parent.setdefault(key, key) != key:
            parent[key] = parent[parent[key]]
            key = parent[key]
        return key

    rows = [
        [f"{i} {_letters(text)}" for i, text in enumerate(texts)]
        for texts in zip(*columns, strict=True)
    ]
    for keys in rows:
        for key in keys[1:]:
            low, high = sorted((root(keys[0]), root(key)))
            parent[high] = low
    return [root(keys[0]) for keys in rows]


def _letters(text: str) -> str:
    return "".join(character for character in text.casefold() if character.isalnum())
