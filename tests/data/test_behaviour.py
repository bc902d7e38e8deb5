"""Behaviour sets: balanced, well-formed, and refused as training data."""

import unicodedata
from collections import Counter

import pytest

import zoo.data
from recipes.sentiment.schema import SentimentConfig
from zoo.data.behaviour import BEHAVIOUR_SETS, behaviour_set
from zoo.training.config import ConfigError, resolve

pytestmark = pytest.mark.once

KINDS = (
    "plain negation double_negation contrast degree comparison indirect question typo slang names"
).split()
every_set = pytest.mark.parametrize("name", BEHAVIOUR_SETS.values())


@every_set
def test_each_kind_has_as_many_sentences_of_both_labels(name):
    columns = zoo.data.load(name).splits["test"]
    assert 200 <= len(columns["text"]) <= 300
    counts = Counter(zip(columns["kind"], columns["label"], strict=True))
    assert list(dict.fromkeys(columns["kind"])) == KINDS
    for kind in KINDS:
        assert counts[kind, "negative"] == counts[kind, "positive"] >= 10
    texts = columns["text"]
    assert len(set(texts)) == len(texts) and max(map(len, texts)) < 80
    assert all(text == unicodedata.normalize("NFC", text).strip() for text in texts)


@every_set
def test_pairs_are_two_sentences_of_one_label(name):
    columns = zoo.data.load(name).splits["test"]
    pairs = {}
    for kind, pair, label in zip(*(columns[it] for it in ("kind", "pair", "label")), strict=True):
        assert (kind == "names") == bool(pair)
        pairs.setdefault(pair, []).append(label)
    del pairs[""]
    assert len(pairs) == 14
    assert all(len(labels) == 2 and len(set(labels)) == 1 for labels in pairs.values())


@every_set
def test_recipes_refuse_to_train_on_it(name):
    with pytest.raises(ConfigError) as raised:
        resolve(SentimentConfig, {"data": {"name": name}}, source="mine")
    (mistake,) = raised.value.mistakes
    assert f"{name} measures models and is never trained on" in mistake
    assert "one of generated_reviews, imdb, nsmc, nsmc_mini, sst2" in mistake


def test_the_set_is_that_of_the_language():
    assert behaviour_set(("ko",)) == "behaviour_ko"
    assert behaviour_set(("de", "en")) == "behaviour_en"
    with pytest.raises(ValueError, match="languages en, ko. Received: de"):
        behaviour_set(("de",))
    with pytest.raises(ValueError, match="Received: a model whose languages are not stated"):
        behaviour_set(())
