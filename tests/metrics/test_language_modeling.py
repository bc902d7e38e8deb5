import math

import pytest

from zoo.metrics import language_modeling_scores

pytestmark = pytest.mark.once


def test_scores_of_a_uniform_model():
    """Eight equally probable tokens: perplexity 8, 3 bits a character if each is a character."""
    scores = language_modeling_scores(nats=10 * math.log(8), tokens=10, characters=10)
    assert scores == pytest.approx({"loss": math.log(8), "perplexity": 8, "bits_per_character": 3})


def test_scores_that_models_of_other_tokens_share():
    """The same probability of a text, in 10 subwords or in 5 words of 4 characters."""
    subwords = language_modeling_scores(20.0, 10, 20, words=5)
    words = language_modeling_scores(20.0, 5, 20, words=5)
    assert subwords["perplexity"] == pytest.approx(math.exp(2))
    assert subwords["word_perplexity"] == words["word_perplexity"] == words["perplexity"]
    assert subwords["bits_per_character"] == words["bits_per_character"]


def test_texts_without_spaces_have_no_word_perplexity():
    assert "word_perplexity" in language_modeling_scores(20.0, 10, 100, words=5)
    assert "word_perplexity" not in language_modeling_scores(20.0, 10, 101, words=5)


def test_score_without_state_is_named():
    scores = language_modeling_scores(20.0, 10, 20, nats_without_state=30.0)
    assert scores["perplexity_without_state"] == pytest.approx(math.exp(3))
    assert scores["perplexity"] == pytest.approx(math.exp(2))


def test_a_model_that_diverged_has_a_finite_perplexity():
    assert math.isfinite(language_modeling_scores(1e6, 10, 10)["perplexity"])


def test_nothing_to_score():
    with pytest.raises(ValueError, match="nothing to score.*Received: tokens=0"):
        language_modeling_scores(0.0, 0, 0)
