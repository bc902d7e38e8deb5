"""Grouping of pieces to words."""

import pytest

from zoo.explain.words import group_words

pytestmark = pytest.mark.once


def texts(tokens, **options):
    return [word.text for word in group_words(tokens, **options)]


@pytest.mark.parametrize(
    ("tokens", "words"),
    [
        # The weight of a space belongs to the word after it.
        ([" ", "T", "he", " f", "ilm"], [" The", " film"]),
        (["Not", " a", " bad", " ", "film"], ["Not", " a", " bad", " film"]),
        # Punctuation belongs to the word before it; opening, to the word after it.
        (["good", ".", " .", " (", "very", ")", "!"], ["good. .", " (very)!"]),
        (["“", "no", "”", " -", " yes", " "], ["“no” -", " yes "]),
        (["...", " well", "…"], ["... well…"]),
        # An emoticon is a word; an empty token continues a character.
        (["fun", " :)", " 😂", "", "", "", " ^^"], ["fun", " :)", " 😂", " ^^"]),
        (["정말", " 재미", "있", "어요", "."], ["정말", " 재미있어요."]),
        (["狗", "在", "草地", "上", "。"], ["狗", "在", "草地", "上。"]),
        (["Don", "'", "t", " stop", "</s>"], ["Don't", " stop", "</s>"]),
        (["."], ["."]),
        ([" "], [" "]),
        ([], []),
        (["</s>"], ["</s>"]),
    ],
)
def test_words(tokens, words):
    assert texts(tokens) == words
    found = group_words(tokens)
    assert [i for word in found for i in word.tokens] == list(range(len(tokens)))
    assert all(set(word.core) <= set(word.tokens) and word.core for word in found)


def test_the_core_of_a_word_has_no_punctuation():
    (first, second) = group_words([" (", "un", "real", ")", "!", " 😂", "", ""])
    assert first.core == (1, 2) and second.core == (5, 6, 7)


def test_pieces_stay_apart():
    assert texts(["T", "he", " 😂", "", "."], pieces=True) == ["T", "he", " 😂", "."]
