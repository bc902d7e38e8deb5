import re
from collections import Counter, defaultdict

import pytest
from sklearn.feature_extraction import FeatureHasher
from sklearn.linear_model import SGDClassifier
from sklearn.pipeline import make_pipeline

import zoo.data
from zoo.data.generated_slots import PLACEHOLDERS
from zoo.data.slot_grammar import PATTERNS
from zoo.metrics import tagging_scores
from zoo.tags import count_ill_formed, spans, tagging_scheme

pytestmark = pytest.mark.once

TYPES = {
    "artist", "city", "condition", "cuisine", "date", "genre", "party_size", "person",
    "restaurant", "time", "track",
}  # fmt: skip


@pytest.fixture(scope="module")
def dataset():
    return zoo.data.load("generated_slots")


def f1(dataset, predict):
    test = dataset.splits["test"]
    return tagging_scores(test["tags"], [predict(words) for words in test["tokens"]], "bio")[
        "f1_conlleval"
    ]


def linear(dataset, letters, reach):
    """F1 of a linear model of the words in a window, and of their endings with `letters`."""

    def features(words):
        padded = [""] * reach + words + [""] * reach
        for i in range(reach, len(padded) - reach):
            found = {f"{j}={padded[i + j]}": 1 for j in range(-reach, reach + 1)}
            if letters:
                found |= {f"end={padded[i][-n:]}": 1 for n in (2, 3, 4)}
                found[f"form={re.sub('[0-9]+', '0', padded[i])}"] = 1
            yield found

    train = dataset.splits["train"]
    rows = [row for words in train["tokens"] for row in features(words)]
    model = make_pipeline(
        FeatureHasher(1 << 15), SGDClassifier(random_state=0, max_iter=10, tol=None)
    )
    model.fit(rows, [tag for tags in train["tags"] for tag in tags])
    return f1(dataset, lambda words: model.predict(list(features(words))).tolist())


def test_a_dictionary_of_words_does_not_suffice(dataset):
    counts = defaultdict(Counter)
    train = dataset.splits["train"]
    for words, tags in zip(train["tokens"], train["tags"], strict=True):
        for word, tag in zip(words, tags, strict=True):
            counts[word][tag] += 1
    usual = {word: found.most_common(1)[0][0] for word, found in counts.items()}
    for unseen in ("O", "B-city", "B-time"):
        assert f1(dataset, lambda words, tag=unseen: [usual.get(w, tag) for w in words]) < 0.6
    for word in ("chicago", "seven", "june", "rain"):
        types = {tag.partition("-")[2] for tag in counts[word]}
        assert len(types) >= 3
    assert {tag[0] for tag in counts["of"]} == {tag[0] for tag in counts["in"]} == {"O", "I"}


def test_context_and_characters_help(dataset):
    small = zoo.data.load("generated_slots", train=1_500)
    assert linear(small, letters=True, reach=0) < 0.75
    words_around = linear(small, letters=False, reach=2)
    assert words_around > 0.9
    assert 1 - linear(small, letters=True, reach=2) < 0.7 * (1 - words_around)


def test_tags_are_bio_of_eleven_types_some_of_several_words(dataset):
    assert {tag[2:] for tag in dataset.labels if tag.startswith("B-")} == TYPES
    assert {slot for slot, _ in PLACEHOLDERS.values()} == TYPES | {""}
    assert len(dataset.labels) == 20 and tagging_scheme(dataset.labels) == "bio"
    for split in dataset.splits.values():
        assert count_ill_formed(split["tags"], "bio") == 0
        assert {tag for tags in split["tags"] for tag in tags} == set(dataset.labels)
        for words, tags in zip(split["tokens"], split["tags"], strict=True):
            assert len(words) == len(tags) and all(words)
        lengths = [end - start for tags in split["tags"] for _, start, end in spans(tags)]
        assert max(lengths) >= 4 and 0.2 < sum(n > 1 for n in lengths) / len(lengths) < 0.5


def test_splits_share_no_command_and_have_all_intents_equally(dataset):
    sizes = {name: len(split["tokens"]) for name, split in dataset.splits.items()}
    assert sizes == {"train": 3_000, "dev": 400, "test": 400}
    commands = [tuple(words) for split in dataset.splits.values() for words in split["tokens"]]
    assert len(set(commands)) == 3_800
    for name, split in dataset.splits.items():
        assert Counter(split["intent"]) == dict.fromkeys(PATTERNS, sizes[name] // 4)


@pytest.mark.parametrize("split", ["dev", "test"])
def test_many_words_of_dev_and_test_are_not_in_train(dataset, split):
    known = {word for words in dataset.splits["train"]["tokens"] for word in words}
    columns = dataset.splits[split]
    words = [word for words in columns["tokens"] for word in words]
    assert 0.04 < sum(word not in known for word in words) / len(words) < 0.1
    with_unseen = [
        any(word not in known for word in tokens[start:end])
        for tokens, tags in zip(columns["tokens"], columns["tags"], strict=True)
        for _, start, end in spans(tags)
    ]
    assert 0.2 < sum(with_unseen) / len(with_unseen) < 0.4


def test_words_of_dev_are_held_out_however_large_train_is():
    large = zoo.data.load("generated_slots", train=20_000, dev=400, test=0)
    known = {word for words in large.splits["train"]["tokens"] for word in words}
    dev = [word for words in large.splits["dev"]["tokens"] for word in words]
    assert sum(word not in known for word in dev) / len(dev) > 0.02


def test_the_dataset_depends_on_the_seed(dataset):
    assert zoo.data.load("generated_slots", seed=0) == dataset
    assert dataset.digest.startswith("9e4959b8c123")
    small = zoo.data.load("generated_slots", train=20, dev=2, test=0, seed=1)
    assert list(small.splits) == ["train", "dev"] and len(small.splits["train"]["tokens"]) == 20
    assert small.digest != zoo.data.load("generated_slots", train=20, dev=2, test=0).digest


@pytest.mark.parametrize("options", [{"train": 0}, {"dev": -3}, {"test": -1}, {"train": "many"}])
def test_sizes_are_whole_numbers(options):
    with pytest.raises(ValueError, match="whole number of at least.*Received"):
        zoo.data.load("generated_slots", **options)
