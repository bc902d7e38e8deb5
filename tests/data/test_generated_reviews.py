import re
from collections import Counter

import pytest
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

import zoo.data
from zoo.data.generated_reviews import BAD, GOOD, PATTERNS, STRONGLY, THINGS, WEAKLY

pytestmark = pytest.mark.once

OPINION = re.compile(rf"\b({'|'.join((*GOOD, *BAD))})\b")
# A word of any list, for which a pattern has a place.
FILLED = re.compile(rf"\b({'|'.join((*GOOD, *BAD, *THINGS, *STRONGLY, *WEAKLY))})\b")


@pytest.fixture(scope="module")
def dataset():
    return zoo.data.load("generated_reviews")


def accuracy(dataset, longest):
    """Accuracy of a logistic regression on the counts of n-grams of 1 to `longest` words."""
    words = CountVectorizer(token_pattern=r"[\w]+|[.,!?]", ngram_range=(1, longest))
    model = make_pipeline(words, LogisticRegression(max_iter=1000))
    train, test = dataset.splits["train"], dataset.splits["test"]
    return model.fit(train["text"], train["label"]).score(test["text"], test["label"])


def test_a_bag_of_words_is_at_chance_and_order_decides(dataset):
    # About half of the twins have the same bag, and the words of others tell nothing.
    assert accuracy(dataset, longest=1) == pytest.approx(0.5, abs=0.05)
    assert 0.6 < accuracy(dataset, longest=4) < 0.9  # patterns of test are new


def test_every_review_has_a_twin_in_its_split(dataset):
    """The same sentences with good and bad words exchanged, about half of the same words."""
    for split in dataset.splits.values():
        frames = {"positive": Counter(), "negative": Counter()}
        bags = {"positive": Counter(), "negative": Counter()}
        for text, label in zip(split["text"], split["label"], strict=True):
            frames[label][OPINION.sub("_", text)] += 1
            bags[label][tuple(sorted(re.findall(r"\w+|\S", text)))] += 1
        assert frames["positive"] == frames["negative"]
        assert (bags["positive"] & bags["negative"]).total() > 0.4 * len(split["text"]) / 2


def frame(sentence):
    """What a pattern and the sentences made of it have in common."""
    return FILLED.sub("_", re.sub(r"\{\w+\}", "_", sentence))


def test_dev_and_test_have_patterns_that_no_other_split_has(dataset):
    frames = {split: {frame(pattern) for pattern in PATTERNS[split]} for split in PATTERNS}
    for split in ("dev", "test"):
        for name, columns in dataset.splits.items():
            having = [any(it in frame(text) for it in frames[split]) for text in columns["text"]]
            assert all(having) if name == split else not any(having), (split, name)


def test_dev_and_test_have_no_words_of_their_own(dataset):
    words = {
        name: set(re.findall(r"\w+|[^\w\s]", " ".join(split["text"])))
        for name, split in dataset.splits.items()
    }
    assert words["dev"] | words["test"] <= words["train"]


def test_splits_are_balanced_and_share_nothing(dataset):
    assert dataset.labels == ("negative", "positive")
    texts = [set(split["text"]) for split in dataset.splits.values()]
    assert not texts[0] & texts[1] and not texts[0] & texts[2] and not texts[1] & texts[2]
    for name, size in {"train": 4000, "dev": 500, "test": 500}.items():
        labels = dataset.splits[name]["label"]
        assert len(labels) == size and labels.count("positive") == size // 2
        assert len(set(dataset.splits[name]["text"])) == size


def test_there_is_negation_intensity_contrast_and_doubt(dataset):
    text = " ".join(dataset.splits["train"]["text"])
    for phrase in (
        "was not bad", "really", "hardly", "Although", "despite", "anything but", ", but the",
        "bad at all", "in sight", "never not", "say that the plot was not", "? Not at all",
    ):  # fmt: skip
        assert phrase in text


def test_the_dataset_depends_on_the_seed(dataset):
    again = zoo.data.load("generated_reviews", seed=0)
    assert again == dataset
    small = zoo.data.load("generated_reviews", train=20, dev=2, test=0, seed=1)
    assert list(small.splits) == ["train", "dev"] and len(small.splits["train"]["text"]) == 20
    assert small.digest != dataset.digest


@pytest.mark.parametrize("options", [{"train": 0}, {"dev": 3}, {"test": -2}, {"train": "many"}])
def test_sizes_are_even_numbers(options):
    with pytest.raises(ValueError, match="even number.*Received"):
        zoo.data.load("generated_reviews", **options)
