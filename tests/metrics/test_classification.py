import numpy as np
import pytest

from zoo.metrics import classification_scores, confusion

pytestmark = pytest.mark.once

LABELS = ("negative", "positive")


def test_scores_of_a_small_example():
    truth = ["negative", "negative", "positive", "positive"]
    probabilities = np.array([[0.9, 0.1], [0.4, 0.6], [0.2, 0.8], [0.3, 0.7]])
    scores = classification_scores(truth, probabilities, LABELS)
    assert scores["accuracy"] == 0.75
    # F1: negative 2·1·0.5 / 1.5, positive 2·(2/3)·1 / (5/3)
    assert scores["macro_f1"] == pytest.approx((2 / 3 + 0.8) / 2)
    assert scores["loss"] == pytest.approx(-np.mean(np.log([0.9, 0.4, 0.8, 0.7])))
    # each answer in a bin of its own: 0.9, 0.8 and 0.7 are right, 0.6 is wrong
    assert scores["ece"] == pytest.approx((0.1 + 0.2 + 0.3 + 0.6) / 4)


def test_scores_of_a_single_label():
    scores = classification_scores(["positive"], np.array([[0.25, 0.75]], "float32"), LABELS)
    assert scores["accuracy"] == 1.0 and scores["loss"] == pytest.approx(-np.log(0.75))


def test_unknown_labels_and_empty_splits_are_refused():
    with pytest.raises(
        ValueError, match=r"knows \['negative', 'positive'\].*Received: \['neutral'\]"
    ):
        classification_scores(["neutral"], np.array([[0.5, 0.5]]), LABELS)
    with pytest.raises(ValueError, match="no examples"):
        classification_scores([], np.zeros((0, 2)), LABELS)


def test_confusion_has_true_labels_in_rows():
    matrix = confusion(["negative", "negative", "positive"], ["positive"] * 3, LABELS)
    np.testing.assert_array_equal(matrix, [[0, 2], [0, 1]])
    matrix = confusion(["노", "네"], ["노", "네"], ["노", "네"])  # decomposed Hangul
    np.testing.assert_array_equal(matrix, [[1, 0], [0, 1]])
