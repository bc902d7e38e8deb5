"""Sampling of segmentations: their probabilities, and unusual texts."""

import math
import random
from collections import Counter

import pytest

from zoo.tokenizers.sampling import Sampler

pytestmark = pytest.mark.once

SCORES = {"a": math.log(0.5), "b": math.log(0.3), "ab": math.log(0.2)}


def shares(alpha, text="ab", draws=4000):
    sampler, source = Sampler(SCORES), random.Random(0)
    counts = Counter(tuple(sampler.draw(text, alpha, source)) for _ in range(draws))
    return {pieces: count / draws for pieces, count in counts.items()}


def test_segmentations_are_drawn_with_their_probability():
    # p(a, b) = 0.15 and p(ab) = 0.2, normalised, to the power of alpha
    assert shares(1.0)["ab",] == pytest.approx(0.2 / 0.35, abs=0.02)
    half = 0.2**0.5 / (0.2**0.5 + 0.15**0.5)
    assert shares(0.5)["ab",] == pytest.approx(half, abs=0.02)
    assert shares(0.0)["ab",] == pytest.approx(0.5, abs=0.02)


def test_all_segmentations_are_drawn_and_join_to_the_text():
    drawn = shares(0.0, "abab")
    assert set(drawn) == {
        ("a", "b", "a", "b"),
        ("ab", "a", "b"),
        ("a", "b", "ab"),
        ("ab", "ab"),
    }
    assert all(share == pytest.approx(0.25, abs=0.03) for share in drawn.values())


def test_a_large_alpha_takes_the_best():
    assert shares(1000.0) == {("ab",): 1.0}


def test_a_character_without_a_piece_is_a_piece():
    assert Sampler(SCORES).draw("a😀ab", 1000.0, random.Random(0)) == ["a", "😀", "ab"]


def test_an_empty_text():
    assert Sampler(SCORES).draw("", 0.1, random.Random(0)) == []


def test_words_are_drawn_independently():
    scores = {"▁a": math.log(0.5), "▁": math.log(0.2), "a": math.log(0.3)}
    beyond = scores | {"a▁": math.log(1e-9)}  # with such a piece, texts are drawn whole
    for pieces in (scores, beyond):
        sampler, source = Sampler(pieces), random.Random(0)
        counts = Counter(tuple(sampler.draw("▁a▁a", 1.0, source)) for _ in range(4000))
        whole = 0.5 / (0.5 + 0.2 * 0.3)
        assert counts["▁a", "▁a"] / 4000 == pytest.approx(whole**2, abs=0.02)
        assert counts["▁", "a", "▁a"] / 4000 == pytest.approx(whole * (1 - whole), abs=0.02)
        assert sampler.draw("▁▁▁a", 1000.0, source) == ["▁", "▁", "▁a"]


def test_a_long_text_neither_overflows_nor_takes_long():
    pieces = Sampler(SCORES).draw("ab" * 10_000, 0.1, random.Random(0))
    assert "".join(pieces) == "ab" * 10_000
