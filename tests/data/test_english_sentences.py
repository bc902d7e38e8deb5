import pytest

import zoo.data
from zoo.data import english_sentences
from zoo.data.dataset import Dataset
from zoo.data.english_sentences import EnglishSentences, tokenize

pytestmark = pytest.mark.once


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("I don't like it.", "I do n't like it ."),
        ("It's Ann's film, (really)!", "It 's Ann 's film , ( really ) !"),
        ("Well... no.", "Well ... no ."),
        ('"Why?" they\'ll ask.', '" Why ? " they \'ll ask .'),
        ("100% of  $5", "100 % of $ 5"),
    ],
)
def test_reviews_are_tokenized_like_the_treebank(text, tokens):
    assert tokenize(text) == tokens


def test_splits_have_reviews_and_the_treebank_three_times(monkeypatch):
    reviews = [f"This is film number {i}. No. It isn't bad — at all." for i in range(6)]
    labelled = {"train": {"text": reviews[:5]}, "dev": {"text": reviews[5:]}}
    labelled["test"] = {"text": ["The reviews of test are left out."]}
    treebank = {"train": {"tokens": [["Short", "."]]}, "test": {"tokens": [["Not", "this", "."]]}}
    for name, splits in (("Imdb", labelled), ("UdEnglishEwt", treebank)):
        whole = Dataset(name, "task", ("en",), "", "", "digest", splits, ())
        monkeypatch.setattr(getattr(english_sentences, name), "load", lambda self, it=whole: it)
    monkeypatch.setattr(english_sentences, "DEV_SENTENCES", 2)
    splits = EnglishSentences().load().splits
    assert len(splits["dev"]["text"]) == 2
    assert sorted(splits["train"]["text"] + splits["dev"]["text"]) == sorted(
        [f"This is film number {i} ." for i in range(6)] + ["Short ."] * 3
    )
    assert zoo.data.load("english_sentences").splits == splits
