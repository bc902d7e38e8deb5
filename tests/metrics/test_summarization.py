"""ROUGE against rouge-score on English, by hand on Korean."""

import pytest
from rouge_score.rouge_scorer import RougeScorer

from zoo.metrics import summary_score_each, summary_scores

pytestmark = pytest.mark.once

REFERENCES = ["The call from Ann to Bo.", "keys of the house", "two"]
SUMMARIES = ["call to Bo from Ann", "the keys", ""]


def test_english_words_score_as_in_rouge_score():
    scores = summary_scores(REFERENCES, SUMMARIES)
    scorer = RougeScorer(["rouge1", "rouge2", "rougeL"])
    rows = [scorer.score(*pair) for pair in zip(REFERENCES, SUMMARIES, strict=True)]
    for name, theirs in (("rouge_1", "rouge1"), ("rouge_2", "rouge2"), ("rouge_l", "rougeL")):
        expected = 100 * sum(row[theirs].fmeasure for row in rows) / 3
        assert scores[name] == pytest.approx(expected)
    assert scores["rouge_1"] == pytest.approx(100 * (2 * 5 / 11 + 2 * 2 / 6) / 3)
    each = summary_score_each(REFERENCES, SUMMARIES)
    assert sum(each) / 3 == pytest.approx(scores["rouge_l"])


def test_korean_by_words_and_by_characters():
    scores = summary_scores(["내일 비 오는지"], ["내일 비가 오는지"], "ko")
    assert scores["rouge_1"] == scores["rouge_l"] == pytest.approx(100 * 2 / 3)
    assert scores["rouge_2"] == 0
    assert scores["rouge_1_chars"] == scores["rouge_l_chars"] == pytest.approx(100 * 12 / 13)
    assert scores["rouge_2_chars"] == pytest.approx(100 * 2 * 4 / (5 + 6))


def test_vowel_signs_and_accents_tell_words_apart():
    for one, other in (("कि", "का"), ("ọ́kọ́", "ọ̀kọ̀"), ("ที่", "ทั้")):
        scores = summary_scores([one], [other])
        assert scores["rouge_1"] == 0 and scores["rouge_1_chars"] < 100
    assert summary_scores(["किताब मेरी"], ["किताब"])["rouge_1"] == pytest.approx(100 * 2 / 3)


def test_the_best_of_several_references_counts():
    scores = summary_scores([["a b", "c d"], ["e"]], ["c d", "E!"])
    assert scores["rouge_l"] == 100 and scores["exact"] == 0.5


def test_invalid_texts_raise():
    with pytest.raises(ValueError, match="nothing to score"):
        summary_scores([], [])
    with pytest.raises(TypeError, match=r"hypotheses\[0\]=1"):
        summary_scores(["a"], [1])
