"""Scores of tags: those of spans equal seqeval's, the others sums computed by hand."""

import re
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from seqeval.metrics import f1_score, precision_score, recall_score
from seqeval.scheme import IOB2, IOBES

import zoo
from zoo.metrics import per_tag_table, tag_confusion, tagging_scores, unknown_tags

pytestmark = pytest.mark.once

REFERENCES = [["DET", "NOUN", "VERB"], ["NOUN"], ["VERB", "DET", "NOUN", "PUNCT"]]
PREDICTIONS = [["DET", "NOUN", "NOUN"], ["NOUN"], ["VERB", "DET", "VERB", "PUNCT"]]


def test_accuracy_of_tokens_and_of_sentences():
    scores = tagging_scores(REFERENCES, PREDICTIONS)
    assert scores == {"token_accuracy": 6 / 8, "sentence_accuracy": 1 / 3}
    assert all(type(score) is float for score in scores.values())


def test_sentences_without_words_are_left_out_of_every_score():
    scores = tagging_scores([[], *REFERENCES, []], [(), *PREDICTIONS, ()], None)
    assert scores == {"token_accuracy": 6 / 8, "sentence_accuracy": 1 / 3}
    assert tagging_scores([[], ["O"]], [[], ["O"]], "bio")["f1_strict"] == 0.0
    assert per_tag_table([[], ["X"]], [[], ["X"]])[0]["support"] == 1


BIO = [
    ["B-city", "I-city", "O", "B-time"],
    ["O", "B-artist", "I-artist"],
    ["B-time", "O"],
]
# In the second a span lacks its B, in the third I follows B of another type.
PREDICTED = [
    ["B-city", "I-city", "O", "O"],
    ["O", "I-artist", "I-artist"],
    ["B-city", "I-time"],
]


def test_scores_of_spans_by_conlleval_and_strictly():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        scores = tagging_scores(BIO, PREDICTED, "bio")
    # conlleval: city and artist right, of four and of four: city, artist, city, time.
    assert scores["precision_conlleval"] == scores["recall_conlleval"] == 2 / 4
    assert scores["f1_conlleval"] == 0.5
    # Strictly, the artist and the time of the third are no spans.
    assert scores["precision_strict"] == 1 / 2
    assert scores["recall_strict"] == 1 / 4
    assert scores["f1_strict"] == pytest.approx(2 * (1 / 2) * (1 / 4) / (3 / 4))
    assert scores["repaired_predictions"] == 2 and scores["repaired_references"] == 0
    assert scores["token_accuracy"] == 5 / 9 and scores["sentence_accuracy"] == 0
    for name, score in (("precision", precision_score), ("recall", recall_score), ("f1", f1_score)):
        assert scores[f"{name}_conlleval"] == score(BIO, PREDICTED)
        assert scores[f"{name}_strict"] == score(BIO, PREDICTED, mode="strict", scheme=IOB2)


def test_scores_of_bioes():
    references = [["S-a", "O", "B-b", "I-b", "E-b"], ["B-a", "E-a"]]
    predictions = [["S-a", "O", "B-b", "I-b", "O"], ["B-a", "E-a"]]
    scores = tagging_scores(references, predictions, "bioes")
    assert scores["f1_conlleval"] == pytest.approx(2 / 3) == f1_score(references, predictions)
    assert scores["precision_strict"] == 1 and scores["recall_strict"] == pytest.approx(2 / 3)
    assert scores["f1_strict"] == f1_score(references, predictions, mode="strict", scheme=IOBES)
    assert scores["repaired_predictions"] == 1


def test_io_and_tags_without_types():
    references = [["I-a", "I-a", "O", "I-b"], ["I-b", "I-a"]]
    predictions = [["I-a", "I-a", "O", "O"], ["I-b", "I-b"]]
    scores = tagging_scores(references, predictions, "io")
    # Of the spans a, b, b and a one is found, of the two predicted one is right.
    assert scores["precision_strict"] == scores["precision_conlleval"] == 1 / 2
    assert scores["recall_strict"] == scores["recall_conlleval"] == 1 / 4
    assert scores["repaired_predictions"] == scores["repaired_references"] == 0
    scores = tagging_scores([["B", "I", "O", "B"]], [["B", "I", "O", "I"]], "bio")
    assert scores["f1_conlleval"] == 1 and scores["f1_strict"] == pytest.approx(2 / 3)
    assert scores["repaired_predictions"] == 1


def test_right_spans_score_1_and_none_score_0():
    perfect = tagging_scores(BIO, BIO, "bio")
    assert perfect["f1_conlleval"] == perfect["f1_strict"] == perfect["sentence_accuracy"] == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        nothing = tagging_scores(BIO, [["O"] * len(tags) for tags in BIO], "bio")
    assert nothing["precision_conlleval"] == nothing["f1_conlleval"] == nothing["f1_strict"] == 0


def test_a_sentence_of_1000_words():
    tags = ["B-x", *["I-x"] * 999]
    scores = tagging_scores([tags], [tags[:-1] + ["O"]], "bio")
    assert scores["f1_conlleval"] == 0 and scores["token_accuracy"] == 0.999


def test_per_tag_table():
    rows = per_tag_table(REFERENCES, PREDICTIONS)
    assert [(row["tag"], row["support"]) for row in rows] == [
        ("NOUN", 3),
        ("DET", 2),
        ("VERB", 2),
        ("PUNCT", 1),
    ]
    assert rows[0] == {
        "tag": "NOUN",
        "precision": 2 / 3,
        "recall": 2 / 3,
        "f1": pytest.approx(2 / 3),
        "support": 3,
    }
    assert rows[2]["precision"] == rows[2]["recall"] == 1 / 2
    assert rows[1]["f1"] == rows[3]["f1"] == 1


def test_the_table_includes_tags_only_true_or_only_predicted():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        rows = per_tag_table([["A", "A"]], [["A", "B"]])
    assert rows == [
        {"tag": "A", "precision": 1.0, "recall": 0.5, "f1": pytest.approx(2 / 3), "support": 2},
        {"tag": "B", "precision": 0.0, "recall": 0.0, "f1": 0.0, "support": 0},
    ]


def test_confusion_has_true_tags_in_rows():
    matrix, tags = tag_confusion(REFERENCES, PREDICTIONS)
    assert tags == ["NOUN", "DET", "VERB", "PUNCT"]
    expected = [[2, 0, 1, 0], [0, 2, 0, 0], [1, 0, 1, 0], [0, 0, 0, 1]]
    np.testing.assert_array_equal(matrix, expected)


def test_rare_tags_are_counted_together():
    matrix, tags = tag_confusion(REFERENCES, PREDICTIONS, max_tags=3)
    assert tags == ["NOUN", "DET", "(other)"]
    np.testing.assert_array_equal(matrix, [[2, 0, 1], [0, 2, 0], [1, 0, 2]])
    assert tag_confusion(REFERENCES, PREDICTIONS, max_tags=4)[1][-1] == "PUNCT"
    with pytest.raises(ValueError, match="at least 2. Received: max_tags=1"):
        tag_confusion(REFERENCES, PREDICTIONS, max_tags=1)


def test_unknown_tags():
    other = [["NOUN", "SYM", "X"], ["X"], [], ["INTJ"]]
    found = unknown_tags(REFERENCES, other)
    assert list(found.items()) == [("X", 2), ("INTJ", 1), ("SYM", 1)]
    assert unknown_tags(REFERENCES, PREDICTIONS) == {}


def test_unequal_lengths_and_empty_splits_are_refused():
    for score in (tagging_scores, per_tag_table, tag_confusion):
        with pytest.raises(ValueError, match="needs predictions.* 2 references, 1 predictions"):
            score([["O"], ["O"]], [["O"]])
        with pytest.raises(
            ValueError, match=r"references\[1\] with 2 tags, predictions\[1\] with 1"
        ):
            score([["O"], ["O", "O"]], [["O"], ["O"]])
        for nothing in ([], [[], []]):
            with pytest.raises(ValueError, match="nothing to score"):
                score(nothing, nothing)


def test_strings_in_place_of_lists_of_tags_are_refused():
    with pytest.raises(TypeError, match="list of sentences.* Received: references='O'"):
        tagging_scores("O", [["O"]])
    with pytest.raises(TypeError, match=r"list of strings. Received: predictions\[0\]='O'"):
        tagging_scores([["O"]], ["O"])
    with pytest.raises(TypeError, match=r"list of strings. Received: predictions\[0\]=\[None\]"):
        tagging_scores([["O"]], [[None]])


def test_unknown_schemes_and_tags_of_no_scheme_are_refused():
    with pytest.raises(ValueError, match="of io, bio, bioes, or None. Received: scheme='iob'"):
        tagging_scores(BIO, BIO, "iob")
    for tag in ("NOUN", "S-a", "", "B-"):
        with pytest.raises(ValueError, match=f"O, or B or I, .*Received: {re.escape(repr(tag))}"):
            tagging_scores([["O"]], [[tag]], "bio")


def test_importing_zoo_metrics_imports_nothing_heavy():
    script = (
        "import sys, zoo.metrics\nassert not {'seqeval', 'sklearn', 'keras'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], cwd=Path(zoo.__file__).parents[1], check=True)
