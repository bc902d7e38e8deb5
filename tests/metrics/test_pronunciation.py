"""Error rates of pronunciations."""

import pytest

from zoo.metrics import pronunciation_scores

pytestmark = pytest.mark.once


def test_any_variant_of_a_word_is_right():
    words = ["read", "read", "cat", "dog"]
    references = ["R IY1 D", "R EH1 D", "K AE1 T", "D AO1 G"]
    hypotheses = ["R EH1 D", "R EH1 D", "K AE2 T S", "D AO1 G"]
    assert pronunciation_scores(words, references, hypotheses) == {
        "word_error_rate": pytest.approx(100 / 3),  # of three words
        "phone_error_rate": pytest.approx(100 * 2 / 9),  # a substitution and an insertion
        "word_error_rate_unstressed": pytest.approx(100 / 3),
    }
    scores = pronunciation_scores(["cat"], ["K AE1 T"], ["K AE0 T"])
    assert scores["word_error_rate"] == 100 and scores["word_error_rate_unstressed"] == 0


def test_the_nearest_variant_counts_the_errors():
    scores = pronunciation_scores(["a", "a"], ["x y z w", "x"], ["x q", "x q"])
    assert scores == {"word_error_rate": 100, "phone_error_rate": 100}  # one of one phone


def test_symbols_that_end_in_digits_are_no_stressed_vowels():
    assert "word_error_rate_unstressed" not in pronunciation_scores(["a"], ["ta1 35"], ["ta1 35"])
    assert pronunciation_scores(["a"], [""], [""])["phone_error_rate"] == 0


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (([], [], []), ValueError, "nothing to score"),
        ((["a"], ["x"], []), ValueError, "1 words, 1 references, 0 hypotheses"),
        ((["a"], [None], ["x"]), TypeError, r"references\[0\]=None"),
    ],
)
def test_wrong_arguments_are_refused(arguments, error, message):
    with pytest.raises(error, match=message):
        pronunciation_scores(*arguments)
