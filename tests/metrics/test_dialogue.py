"""Scores of answers."""

import pytest

from zoo.metrics import dialogue_scores, distinct, translation_scores

pytestmark = pytest.mark.once


def test_distinct_counts_different_ngrams():
    texts = ["I see.", "I see.", "I do not know", ""]
    assert distinct(texts, 1) == 5 / 8  # I, see., do, not, know
    assert distinct(texts, 2) == 4 / 5
    assert distinct(["", "one"], 2) == 0.0


def test_scores():
    references, answers = ["좋아요.", "그렇군요."], ["좋아요.", "좋아요."]
    scores = dialogue_scores(references, answers, "ko")
    assert set(scores) == {"chrf", "exact", "distinct_1", "distinct_2"}
    assert scores["exact"] == scores["distinct_1"] == 0.5 and scores["distinct_2"] == 0
    assert scores["chrf"] == translation_scores(references, answers, "ko")["chrf"]
