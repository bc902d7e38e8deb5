"""Behaviour by kind of sentence, and the polarity of labels."""

from types import SimpleNamespace

import pytest

from zoo.metrics import find_polarity, measure_behaviour

pytestmark = pytest.mark.once

COLUMNS = {
    "text": ["good", "bad", "not bad", "Ann was bored", "Bo was bored", "so-so"],
    "label": ["positive", "negative", "positive", "negative", "negative", "negative"],
    "kind": ["plain", "plain", "negation", "names", "names", "plain"],
    "pair": ["", "", "", "1", "1", ""],
}


def test_counts_mistakes_and_pairs():
    given = ["pos", "neg", "neg", "neg", "pos", "neutral"]
    answers = [SimpleNamespace(label=x, probability=0.5 + i / 20) for i, x in enumerate(given)]
    found = measure_behaviour("mine", COLUMNS, answers, {"pos": "positive", "neg": "negative"})
    assert found.kinds == {"plain": (3, 2), "negation": (1, 0), "names": (2, 1)}
    assert (found.right, found.sentences, found.accuracy) == (3, 6, 0.5)
    assert found.metrics() == {
        "behaviour/accuracy": 0.5,
        "behaviour/plain": pytest.approx(2 / 3),
        "behaviour/negation": 0.0,
        "behaviour/names": 0.5,
        "behaviour/pairs": 0.0,
    }
    assert [mistake["text"] for mistake in found.mistakes] == ["so-so", "Bo was bored", "not bad"]
    assert found.mistakes[-1] == {
        "text": "not bad",
        "kind": "negation",
        "label": "positive",
        "predicted": "neg",
        "probability": 0.6,
    }
    assert found.disagreements == [
        {
            "texts": ["Ann was bored", "Bo was bored"],
            "predicted": ["neg", "pos"],
            "probabilities": [0.65, 0.7],
        }
    ]
    assert found.table() == {
        "kind": ["plain", "negation", "names", "all"],
        "right": [2, 0, 1, 3],
        "n": [3, 1, 2, 6],
        "share": [0.6667, 0.0, 0.5, 0.5],
    }
    assert found.summary()["pairs_agree"] == 0


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (["negative", "positive"], ["negative", "positive"]),
        (["Pos", "Neutral", "Neg"], ["positive", None, "negative"]),
        (["긍정", "부정"], ["positive", "negative"]),
        (["0", "1"], ["negative", "positive"]),
        (["label_0", "label_1"], ["negative", "positive"]),
        (["label-0", "label-1"], ["negative", "positive"]),
        (["stars-1", "stars-3", "stars-5"], ["negative", None, "positive"]),
        (["label_-1", "label_0", "label_1"], ["negative", None, "positive"]),
        (["stars -1", "stars 1"], ["negative", "positive"]),
        (["-1", "0", "1"], ["negative", None, "positive"]),
        (["5", "4", "3", "2", "1"], ["positive", "positive", None, "negative", "negative"]),
    ],
)
def test_polarity_of_known_names_and_numbers(labels, expected):
    found = find_polarity(labels)
    assert [found.get(label) for label in labels] == expected


def test_polarity_of_other_names_is_asked_for():
    labels = ["thumbs_down", "thumbs_up"]
    with pytest.raises(ValueError, match=r"--negative LABEL .* Received: labels=\['thumbs_down'"):
        find_polarity(labels)
    with pytest.raises(ValueError, match="Received: labels="):
        find_polarity(["positive", "other"])
    found = find_polarity(labels, "thumbs_down", "thumbs_up")
    assert found == {"thumbs_down": "negative", "thumbs_up": "positive"}
    with pytest.raises(ValueError, match="must be two of the model's labels.* negative='down'"):
        find_polarity(labels, "down", "thumbs_up")
