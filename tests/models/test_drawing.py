"""Drawn texts, and diverse ones: shares, seeds, limits, minimum Bayes risk, groups."""

import itertools

import numpy as np
import pytest

from tests.models.test_arguments import INPUTS, MAKERS
from tests.models.test_ensemble import tiny
from zoo.models import ImageToText
from zoo.models.generation import Hypothesis, SearchOptions
from zoo.models.generation.minimum_risk import chrf, fewer_word_errors, with_utilities
from zoo.models.seq2seq_lm import Ensemble

LENGTH = 2


@pytest.fixture(scope="module")
def model():
    return tiny("transformer", 3)


def probabilities_of_all(model, text):
    """The probability of each text of up to two tokens."""
    tokenizer = model.preprocessor.tokenizer
    end, size = tokenizer.end_token_id, tokenizer.vocabulary_size()
    inputs = model._collate(model._encode([text]), 16)
    found = {(end,): model.log_probabilities(inputs, [end])[0, 0]}
    for first, second in itertools.product(range(size), repeat=2):
        if first != end:
            found[first, second] = model.log_probabilities(inputs, [first, second]).sum()
    return {ids: float(np.exp(value)) for ids, value in found.items()}


def test_each_text_is_drawn_with_its_probability(model):
    expected, count = probabilities_of_all(model, "a b"), 1000
    assert sum(expected.values()) == pytest.approx(1, abs=1e-3)
    options = SearchOptions(temperature=1.0, n_best=count, max_length=LENGTH, seed=1)
    found = model.search(options)(*model._collate(model._encode(["a b"]), 16))
    drawn = [
        tuple(row[:length].tolist())
        for row, length in zip(found.tokens[0], found.lengths[0], strict=True)
    ]
    assert set(drawn) <= set(expected)
    for ids, probability in expected.items():
        deviation = np.sqrt(probability * (1 - probability) / count)
        assert abs(drawn.count(ids) / count - probability) < 4.5 * deviation + 1e-3
    np.testing.assert_allclose(
        np.exp(found.log_probabilities[0]), [expected[ids] for ids in drawn], rtol=1e-3
    )


@pytest.mark.once
def test_a_seed_gives_the_same_texts_whatever_else_is_asked(model):
    options = {"temperature": 0.9, "seed": 5, "n_best": 3, "max_length": 6}
    texts = ["a b c", "d", "a b c", "c a"]
    answers = model.infer(texts, **options)
    again = model.infer(texts, batch_size=1, **options)
    assert [it.text for it in answers] == [it.text for it in again]
    assert answers[0].hypotheses != answers[2].hypotheses  # of another place
    assert model.infer(texts[:1], **options)[0].text == answers[0].text
    others = model.infer(texts, **options | {"seed": 6})
    assert [it.hypotheses for it in others] != [it.hypotheses for it in answers]
    for answer in answers:
        scores = [it.score for it in answer.hypotheses]
        assert scores == sorted(scores, reverse=True) and len(scores) == 3


@pytest.mark.once
def test_limits_hold_and_one_candidate_is_greedy_search(model):
    greedy = model.infer(["a b", "d c"], beam=1, max_length=6)
    for options in ({"top_k": 1}, {"top_p": 1e-6}, {"temperature": 0.01}):
        drawn = model.infer(["a b", "d c"], **{"temperature": 1.0, "max_length": 6} | options)
        assert [it.text for it in drawn] == [it.text for it in greedy]
    (answer,) = model.infer(
        ["a b"], temperature=2.0, n_best=20, prefix="ba", forbidden="c", min_length=4, max_length=8
    )
    assert all(it.text.startswith("ba") and "c" not in it.text for it in answer.hypotheses)
    together = Ensemble([model, tiny("bahdanau", 0)])
    assert len(together.infer(["a"], temperature=1.0, n_best=4, max_length=6)[0].hypotheses) == 4


@pytest.mark.once
def test_minimum_bayes_risk_returns_the_texts_most_like_the_others(model):
    from sacrebleu.metrics import CHRF

    options = {"temperature": 1.0, "seed": 3, "max_length": 7}
    (all_of_them,) = model.infer(["a b c"], n_best=12, **options)
    (best,) = model.infer(["a b c"], mbr=12, n_best=4, **options)
    texts = [it.text for it in all_of_them.hypotheses]
    expected = {}
    for i, text in enumerate(texts):
        others = texts[:i] + texts[i + 1 :]
        expected[text] = np.mean([CHRF().sentence_score(text, [other]).score for other in others])
    scores = sorted(expected.values(), reverse=True)  # of equal texts one
    assert [it.score for it in best.hypotheses] == pytest.approx(scores[:4])
    assert len({it.text for it in best.hypotheses}) == 4
    assert all(it.score == pytest.approx(expected[it.text]) for it in best.hypotheses)
    assert best.text == best.hypotheses[0].text


@pytest.mark.once
def test_groups_of_a_beam_give_texts_that_differ(model):
    options = {"beam": 6, "n_best": 3, "min_length": 2, "max_length": 6}
    (answer,) = model.infer(["a b c"], groups=3, diversity=3.0, **options)
    texts = [it.text for it in answer.hypotheses]
    scores = [it.score for it in answer.hypotheses]
    assert len(set(texts)) == len(texts) == 3 and scores == sorted(scores, reverse=True)
    first = model.infer(["a b c"], beam=2, min_length=2, max_length=6)[0]  # the first group
    assert first.text in texts or first.score < scores[-1]


@pytest.mark.once
def test_utilities_by_hand():
    samples = [Hypothesis(text, -1.0, -1.0) for text in ("abc", "abc", "xyz")]
    assert [it.score for it in with_utilities(samples, chrf)] == [50.0, 50.0, 0.0]
    samples = [Hypothesis(text, -1.0, -1.0) for text in ("a b", "a b", "a c d", "")]
    scores = [it.score for it in with_utilities(samples, fewer_word_errors)]
    assert scores == pytest.approx([-4 / 3, -4 / 3, -7 / 3, -7 / 3])
    for utility in (chrf, fewer_word_errors):
        assert [it.score for it in with_utilities(samples[:1], utility)] == [0.0]


@pytest.mark.once
def test_captions_are_drawn():
    model = MAKERS[ImageToText]()
    options = {"temperature": 1.0, "seed": 1, "max_length": 5}
    captions = model.infer(INPUTS[ImageToText], **options)
    assert captions == model.infer(INPUTS[ImageToText], **options)


@pytest.mark.once
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"top_k": 3}, "set `temperature` above 0.*temperature=0.0, top_k=3"),
        ({"seed": 3, "mbr": 4}, "Received: temperature=0.0, seed=3, mbr=4"),
        ({"temperature": 1, "beam": 3}, "leave out beam.*temperature=1, beam=3"),
        ({"temperature": 1, "glossary": "a=b"}, r"temperature=1, glossary=\(\('a', 'b'\),\)"),
        ({"groups": 2}, "divisible by `groups`.*beam=5, groups=2"),
        ({"diversity": 1}, "set `groups` above 1.*groups=1, diversity=1"),
        ({"beam": 4, "groups": 2, "glossary": "a=b"}, "leave one out. Received: groups=2, gloss"),
        ({"temperature": 1, "groups": 5}, "temperature=1, groups=5"),
        ({"temperature": 0.001}, "or at least 0.01. Received: temperature=0.001"),
        ({"temperature": -1}, "temperature=-1"),
        ({"temperature": 1, "top_p": 0}, "top_p=0"),
        ({"temperature": 1, "seed": -1}, "seed=-1"),
        ({"temperature": 1, "mbr": 1}, "`mbr` must be at least 2.*mbr=1, n_best=1"),
        ({"temperature": 1, "mbr": 4, "n_best": 5}, "mbr=4, n_best=5"),
        ({"temperature": 1, "mbr": 10**6}, "`mbr` must be an integer of at most 256"),
    ],
)
def test_options_without_an_effect_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        SearchOptions(**options)
