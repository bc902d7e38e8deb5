"""Generated requests and remarks: their names, and their sizes."""

import re

import pytest

import zoo.data
from zoo.data import generated_remarks, generated_requests

pytestmark = pytest.mark.once

NAMES = ("generated_remarks", "generated_requests")
PATTERNS = generated_remarks.PATTERNS + generated_requests.PATTERNS
ORDINARY = {word.strip(".,?!'") for pair in PATTERNS for text in pair for word in text.split()}
ORDINARY |= {*generated_requests.DAYS, *generated_requests.STREETS, "Don", "t"}


def invented(texts):
    words = (word for text in texts for word in re.findall(r"[A-Z][a-z]+", text))
    return {word for word in words if word not in ORDINARY}


@pytest.mark.parametrize("name", NAMES)
def test_no_name_of_dev_or_test_is_in_train(name):
    splits = zoo.data.load(name).splits
    names = {split: invented(columns["source"]) for split, columns in splits.items()}
    assert not names["train"] & names["dev"] and not names["train"] & names["test"]
    assert not names["dev"] & names["test"]
    assert len(names["train"]) > 0.4 * len(splits["train"]["source"])


@pytest.mark.parametrize("name", NAMES)
def test_no_source_is_in_two_splits(name):
    train, dev, test = (set(it["source"]) for it in zoo.data.load(name).splits.values())
    assert not train & dev and not train & test and not dev & test


@pytest.mark.parametrize("name", NAMES)
def test_every_name_of_an_answer_is_in_its_source(name):
    columns = zoo.data.load(name, train=500, dev=1, test=0).splits["train"]
    written = 0
    for source, target in zip(columns["source"], columns["target"], strict=True):
        assert "{" not in source + target
        names = invented([target])
        assert names <= invented([source]), (source, target)
        written += bool(names)
    assert written > 150


@pytest.mark.parametrize("name", NAMES)
def test_options(name):
    one, same, other = (
        zoo.data.load(name, train=5, dev=2, test=0, seed=seed) for seed in (1, 1, 2)
    )
    assert one.digest == same.digest != other.digest
    assert {split: len(it["source"]) for split, it in one.splits.items()} == {"train": 5, "dev": 2}
    assert one.languages == ("en", "en")
    with pytest.raises(ValueError, match="dev must be a whole number of at least 1"):
        zoo.data.load(name, dev=0)
