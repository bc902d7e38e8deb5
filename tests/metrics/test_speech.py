import numpy as np
import pytest

from zoo.metrics import per_speaker_table, speech_scores, word_confusion, word_error_counts

pytestmark = pytest.mark.once

SAID = ["one two three", "four", "five five"]
HEARD = ["one too three four", "four", "five"]  # a substitution and an insertion; a deletion


def test_error_rates_by_hand():
    scores = speech_scores(SAID, HEARD)
    assert scores["wer"] == pytest.approx(100 * 3 / 6)
    # "w" -> "o" and " four" (5) in the first; " five" (5) in the last; 13 + 4 + 9 characters.
    assert scores["cer"] == pytest.approx(100 * 11 / 26)
    assert scores["exact"] == pytest.approx(1 / 3)
    assert word_error_counts(SAID, HEARD) == [2, 0, 1]


def test_white_space_and_composition_do_not_count_but_case_does():
    assert speech_scores(["caf\u00e9  one "], ["cafe\u0301 one"])["wer"] == 0
    assert speech_scores(["One"], ["one"]) == {
        "wer": 100.0,
        "cer": pytest.approx(100 / 3),
        "exact": 0.0,
    }


def test_empty_transcripts():
    assert speech_scores(["", "one"], ["", ""]) == {"wer": 100.0, "cer": 100.0, "exact": 0.5}
    assert speech_scores(["", "one"], ["two three", "one"])["wer"] == 200.0
    assert word_error_counts(["", ""], ["two", ""]) == [1, 0]


@pytest.mark.parametrize("speakers", [["ann"], ["ann", "bob", "cat"]])
def test_each_transcript_needs_a_speaker(speakers):
    with pytest.raises(ValueError, match="needs a speaker. Received: 2 transcripts"):
        per_speaker_table(["one", "two"], ["one", "two"], speakers)


def test_speakers_are_sorted_by_errors():
    table = per_speaker_table([*SAID, ""], [*HEARD, "noise"], ["ann", "bob", "ann", "cat"])
    assert [row["speaker"] for row in table] == ["ann", "bob"]
    assert table[0] == {"speaker": "ann", "recordings": 2, "words": 5} | speech_scores(
        SAID[::2], HEARD[::2]
    )


def test_confusion_counts_aligned_words():
    labels, counts = word_confusion(SAID, HEARD)
    assert labels == ["five", "four", "one", "three", "two", "∅"]
    expected = np.zeros((6, 6), int)
    for said, heard in (("five", "five"), ("five", "∅"), ("four", "four"), ("∅", "four")):
        expected[labels.index(said), labels.index(heard)] += 1
    for word in ("one", "three"):
        expected[labels.index(word), labels.index(word)] += 1
    np.testing.assert_array_equal(counts, expected)  # "too" is no word of the references
    assert not word_confusion(["one"], ["won"])[1].any()
    labels, counts = word_confusion(["one two"], ["two two"], ["two", "one"])
    assert labels == ["two", "one", "∅"] and counts.tolist() == [[1, 0, 0], [1, 0, 0], [0, 0, 0]]


@pytest.mark.parametrize(
    ("references", "hypotheses", "error", "message"),
    [
        ([], [], ValueError, "nothing to score.*Received: 0"),
        (["", " "], ["a", "b"], ValueError, "nothing to score.*Received: 2"),
        (["a"], [], ValueError, "Received: 1 references and 0"),
        (["a"], [None], TypeError, "Received: None"),
        ("a", "b", TypeError, "lists of strings.*Received: str"),
    ],
)
def test_bad_input(references, hypotheses, error, message):
    with pytest.raises(error, match=message):
        speech_scores(references, hypotheses)
