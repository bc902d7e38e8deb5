import re
from collections import Counter

import pytest
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

import zoo.data
from zoo.data.generated_reviews import ASIDES, BAD, FILLERS, GOOD, THINGS

pytestmark = pytest.mark.once

OPINION = re.compile(rf"\b({'|'.join((*GOOD, *BAD))})\b", re.IGNORECASE)
# What differs between the reviews of one frame, and does not count as a frame.
CLASSES = FILLERS | {"opinion": (*GOOD, *BAD), "thing": THINGS}
CLASS_OF = {word: name for name, words in CLASSES.items() for word in words}
FILLED = re.compile(rf"\b({'|'.join(CLASS_OF)})\b")
END = re.compile(rf"[.!]?( ({'|'.join(ASIDES)}))?$")


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
    # Words affirm and negate equally often, and twins of one bag get one answer.
    assert accuracy(dataset, longest=1) < 0.55
    assert accuracy(dataset, longest=4) > 0.6


def test_every_review_has_a_twin_in_its_split(dataset):
    """The same sentences with good and bad words exchanged, about a fifth of the same words."""
    for split in dataset.splits.values():
        frames = {"positive": Counter(), "negative": Counter()}
        bags = {"positive": Counter(), "negative": Counter()}
        for text, label in zip(split["text"], split["label"], strict=True):
            frames[label][OPINION.sub("_", text)] += 1
            bags[label][tuple(sorted(re.findall(r"\w+|\S", text.lower())))] += 1
        assert frames["positive"] == frames["negative"]
        assert (bags["positive"] & bags["negative"]).total() > 0.15 * len(split["text"]) / 2


def test_each_split_has_sentence_frames_of_its_own(dataset):
    """Even without regard to capitals, end marks and asides."""
    frames = {
        name: {
            FILLED.sub(lambda word: CLASS_OF[word[1]], END.sub("", text[0].lower() + text[1:]))
            for text in split["text"]
        }
        for name, split in dataset.splits.items()
    }
    assert not frames["train"] & frames["dev"] and not frames["train"] & frames["test"]
    assert not frames["dev"] & frames["test"]
    assert len(frames["train"]) > 1000 and len(frames["dev"]) > 150 and len(frames["test"]) > 150


def test_dev_and_test_have_no_words_of_their_own(dataset):
    words = {
        name: set(re.findall(r"\w+|[^\w\s]", " ".join(split["text"]).lower()))
        for name, split in dataset.splits.items()
    }
    assert words["dev"] | words["test"] <= words["train"]


def test_splits_are_balanced_and_share_nothing(dataset):
    assert dataset.labels == ("negative", "positive")
    texts = [set(split["text"]) for split in dataset.splits.values()]
    assert not texts[0] & texts[1] and not texts[0] & texts[2] and not texts[1] & texts[2]
    for name, size in {"train": 5000, "dev": 500, "test": 500}.items():
        labels = dataset.splits[name]["label"]
        assert len(labels) == size and labels.count("positive") == size // 2
        assert len(set(dataset.splits[name]["text"])) == size


def test_there_is_negation_intensity_contrast_and_doubt(dataset):
    text = " ".join(dataset.splits["train"]["text"])
    for phrase in (
        "Is it true", "was not bad", "really", "hardly", "Although", "anything but", ", but the",
        "bad at all", "in sight", "never not", r"say that (the|this) \w+ \w+ not", r"\? Not at all",
    ):  # fmt: skip
        assert re.search(phrase, text)


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
