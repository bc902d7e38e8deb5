"""Diverse beam search, against the same in plain Python."""

from collections import Counter

import numpy as np
import pytest

from tests.decoding.conftest import END, SOURCE, VOCABULARY, SecondOrderModel, wu_score
from tests.decoding.test_limits import run, words
from zoo.decoding import beam_search, required_table

LENGTH = 5


def reference(model, source, beam, groups, diversity, allowed=lambda tokens: True):
    """The hypotheses of all groups as pairs of log-probability and tokens, best first."""
    size = beam // groups
    beams = [[(0.0, ())] for _ in range(groups)]
    for _ in range(LENGTH):
        taken = Counter()
        for group in range(groups):
            candidates = []
            for total, tokens in beams[group]:
                if tokens[-1:] == (END,):
                    candidates.append((total, total, tokens, None))
                    continue
                for token in range(VOCABULARY):
                    longer = (*tokens, token)
                    if allowed(longer):
                        value = model.evaluate(source, longer)[0].sum()
                        lowered = value - diversity * taken[token]
                        candidates.append((lowered, value, longer, token))
            best = sorted(candidates, key=lambda it: it[0], reverse=True)[:size]
            beams[group] = [(value, tokens) for _, value, tokens, _ in best]
            taken.update(token for *_, token in best if token is not None)
    return sorted((it for group in beams for it in group), reverse=True)


@pytest.mark.parametrize(("beam", "groups"), [(6, 3), (4, 4), (8, 2)])
def test_groups_avoid_the_tokens_of_those_before_them(beam, groups):
    model = SecondOrderModel(scale=1.0, seed=2)
    found = run(
        beam_search, model, LENGTH, beam=beam, n_best=beam, groups=groups, diversity=0.8,
        return_attention=True, source_mask=np.ones((2, SOURCE), bool),
    )  # fmt: skip
    for source in range(2):
        expected = reference(model, source, beam, groups, 0.8)
        assert [words(found, source, n) for n in range(beam)] == [it for _, it in expected]
        np.testing.assert_allclose(found.scores[source], [it for it, _ in expected], atol=1e-4)
        for n, (_, tokens) in enumerate(expected):
            gains, attention = model.evaluate(source, tokens)
            length = len(tokens)
            np.testing.assert_allclose(found.attention[source, n, :length], attention, atol=1e-5)
            np.testing.assert_allclose(
                found.token_log_probabilities[source, n, :length], gains, atol=1e-4
            )
    plain = {
        words(run(beam_search, model, LENGTH, beam=beam, n_best=beam), 0, n) for n in range(beam)
    }
    assert plain != {tokens for _, tokens in reference(model, 0, beam, groups, 0.8)}


def test_limits_and_penalties_hold_in_groups(model):
    mask = np.ones((2, SOURCE), bool)
    found = run(
        beam_search, model, LENGTH, beam=6, n_best=4, groups=2, diversity=1.0, prefix=[[2], [3]],
        min_length=2, no_repeat_ngram=1, repetition_penalty=1.2, length_penalty=0.7,
        coverage_penalty=0.3, source_mask=mask,
    )  # fmt: skip
    plain = run(
        beam_search, model, LENGTH, beam=3, n_best=1, prefix=[[2], [3]], min_length=2,
        no_repeat_ngram=1, repetition_penalty=1.2, length_penalty=0.7, coverage_penalty=0.3,
        source_mask=mask,
    )  # fmt: skip
    for source, first in enumerate((2, 3)):
        for n in range(4):
            tokens = words(found, source, n)
            assert tokens[0] == first and len(tokens) > 2 and len(set(tokens)) == len(tokens)
            score = wu_score(*model.evaluate(source, tokens), 0.7, 0.3)
            np.testing.assert_allclose(found.scores[source, n], score, atol=1e-3)
        # The first group is a beam search of its own.
        assert words(plain, source) in {words(found, source, n) for n in range(4)}


@pytest.mark.once
def test_wrong_groups_are_errors(model):
    for options, message in (
        ({"groups": 2}, "divisible by `groups`.*beam=5, groups=2"),
        ({"groups": 0}, "groups=0"),
        ({"groups": 5, "diversity": -1}, "diversity=-1"),
        ({"groups": 5, "required": required_table([[(2,)]] * 2)}, "leave one of them out"),
    ):
        with pytest.raises(ValueError, match=message):
            run(beam_search, model, **options)
