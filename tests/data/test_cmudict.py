"""The CMU Pronouncing Dictionary."""

import gzip
import os

import pytest

import zoo.data
from zoo.data.cmudict import Cmudict, split_of
from zoo.data.dataset import content_digest

pytestmark = pytest.mark.once

REAL = os.environ.get("ZOO_DATA", "")
LINES = [
    "'bout B AW1 T",
    "a AH0",
    "a(2) EY1",
    "a's EY1 Z",
    "aalborg AO1 L B AO0 R G # place, danish",
    "dail(2) D OY1 L # org, irish",
    "a AH0",
]
ROWS = [
    ("'bout", "B AW1 T"),
    ("a", "AH0"),
    ("a", "EY1"),
    ("a's", "EY1 Z"),
    ("aalborg", "AO1 L B AO0 R G"),
    ("dail", "D OY1 L"),
    ("a", "AH0"),
]


def test_variants_and_comments_are_read():
    assert list(Cmudict().parse(iter(LINES))) == ROWS
    for line in ("", "word", "word  K", "word k", "two words K"):
        with pytest.raises(ValueError, match="line 1 is no word with its phones"):
            list(Cmudict().parse(iter([line])))


@pytest.fixture
def small(monkeypatch, tmp_path):
    folder = tmp_path / "cmudict"
    folder.mkdir()
    (folder / "cmudict.dict.gz").write_bytes(
        gzip.compress("".join(f"{it}\n" for it in LINES).encode())
    )
    monkeypatch.setenv("ZOO_DATA", str(tmp_path))
    columns = {"source": [word for word, _ in ROWS], "target": [phones for _, phones in ROWS]}
    monkeypatch.setitem(Cmudict.card.digests, "all", content_digest(columns))


def test_a_word_is_in_one_split_with_all_its_variants(small):
    splits = zoo.data.load("cmudict").splits
    found = {
        split: list(zip(columns["source"], columns["target"], strict=True))
        for split, columns in splits.items()
    }
    assert list(found) == ["train", "dev", "test"]
    for split, pairs in found.items():
        kept = [row for row in ROWS[:-1] if split_of(row[0]) == split]  # the last is repeated
        assert pairs == kept
    plain = zoo.data.load("cmudict", stress=False)
    assert ("aalborg", "AO L B AO R G") in [
        pair
        for it in plain.splits.values()
        for pair in zip(it["source"], it["target"], strict=True)
    ]
    assert plain.languages == ("en",)
    with pytest.raises(ValueError, match="`stress` must be true or false. Received: stress='no'"):
        zoo.data.load("cmudict", stress="no")


def test_the_published_dictionary(monkeypatch):
    monkeypatch.setenv("ZOO_DATA", REAL)
    if not REAL or zoo.data.path("cmudict") is None:
        pytest.skip("there is no cmudict on this machine")
    dataset = zoo.data.load("cmudict")
    splits = dataset.splits
    assert {split: len(it["source"]) for split, it in splits.items()} == Cmudict.card.splits
    words = {split: set(it["source"]) for split, it in splits.items()}
    assert {split: len(it) for split, it in words.items()} == {
        "train": 110_738, "dev": 2_504, "test": 12_810,
    }  # fmt: skip
    assert not words["train"] & words["test"] and not words["train"] & words["dev"]
    assert dataset.digest.startswith("0ca397f7b765")
