"""Forced prefixes, forbidden sequences and the repetition penalty, against every sequence."""

import numpy as np
import pytest
from keras import ops

from tests.compiled import compiled as one_program
from tests.decoding.conftest import END, START, VOCABULARY, SecondOrderModel
from zoo.decoding import beam_search, compiled, sample, token_table

LENGTH = 4


def run(function, model, max_length=LENGTH, **options):
    def once():
        return function(model.step, model.state(), model.batch, START, END, max_length, **options)

    found = one_program(once)()
    return type(found)(*(None if x is None else ops.convert_to_numpy(x) for x in found))


def words(found, source, n=0):
    return tuple(found.tokens[source, n, : found.lengths[source, n]].tolist())


def best_of_all(model, source, allowed, value):
    """All sequences that are allowed, best first, with their values."""
    found = [(value(tokens), tokens) for tokens in model.hypotheses(LENGTH) if allowed(tokens)]
    return sorted(found, reverse=True)


def holds(tokens, sequence):
    windows = range(len(tokens) - len(sequence) + 1)
    return any(tokens[start : start + len(sequence)] == sequence for start in windows)


def penalized(gains, tokens, penalty):
    """After a prefix of two, a token that occurred before has its log-probability multiplied."""
    return sum(
        gain * (penalty if place > 1 and token in tokens[:place] else 1)
        for place, (token, gain) in enumerate(zip(tokens, gains, strict=True))
    )


@pytest.mark.parametrize("penalty", [1.0, 1.5])
def test_a_wide_beam_finds_the_best_of_the_allowed(model, penalty):
    """With a prefix of each source, which may be what is forbidden after it."""
    prefixes = np.array([[2, 3], [4, 4]])
    forbidden = [(3,), (2, 4), (0, 0, 0)]
    found = run(
        beam_search, model, beam=300, n_best=3, repetition_penalty=penalty, prefix=prefixes,
        forbidden=token_table(forbidden),
    )  # fmt: skip
    for source, prefix in enumerate(map(tuple, prefixes)):

        def allowed(tokens, prefix=prefix):
            if tokens[:2] != prefix:
                return False
            ends = range(3, len(tokens) + 1)
            return not any(tokens[:end][-len(it) :] == it for end in ends for it in forbidden)

        def value(tokens, source=source):
            return penalized(model.evaluate(source, tokens)[0], tokens, penalty)

        expected = best_of_all(model, source, allowed, value)[:3]
        assert [words(found, source, n) for n in range(3)] == [tokens for _, tokens in expected]
        np.testing.assert_allclose(found.scores[source], [it for it, _ in expected], atol=1e-4)
        for n, (_, tokens) in enumerate(expected):
            gains = model.evaluate(source, tokens)[0]
            np.testing.assert_allclose(found.log_probabilities[source, n], gains.sum(), atol=1e-4)


def test_the_penalty_of_greedy_search_is_of_logits():
    """Divided where positive, multiplied where negative; in `sample` and with a beam of one."""
    for seed in range(3):
        model = SecondOrderModel(batch=1, seed=seed)
        model.logits[..., END] = -9.0  # late
        expected, total, before, last = [], 0.0, START, START
        for _ in range(LENGTH + 2):
            plain = model.logits[0, before, last]
            logits = plain.copy()
            for token in set(expected):
                logits[token] *= 0.5 if logits[token] > 0 else 2.0
            before, last = last, int(logits.argmax())
            expected.append(last)
            total += plain[last] - np.log(np.exp(plain).sum())
        for function, options in ((sample, {}), (beam_search, {"beam": 1})):
            found = run(function, model, LENGTH + 2, repetition_penalty=2.0, **options)
            assert words(found, 0) == tuple(expected)
            np.testing.assert_allclose(found.log_probabilities, [[total]], atol=1e-4)


def test_samples_begin_with_the_prefix_and_lack_what_is_forbidden():
    model = SecondOrderModel(scale=0.5)
    found = run(
        sample, model, 6, sampler="random", num_samples=20, prefix=[3, 2],
        forbidden=token_table([(0,), (2, 4)]),
    )  # fmt: skip
    rows = [words(found, source, n) for source in range(2) for n in range(20)]
    assert all(row[:2] == (3, 2) and 0 not in row and not holds(row, (2, 4)) for row in rows)
    assert len(set(rows)) > 5


def test_a_compiled_search_takes_the_tokens_as_arguments(model):
    traced = []

    def search(prefix, forbidden):
        traced.append(prefix)
        return beam_search(
            model.step, model.state(), 2, START, END, LENGTH, beam=3, prefix=prefix,
            forbidden=forbidden, no_repeat_ngram=1, min_length=2, pad_id=9,
        )  # fmt: skip

    program = compiled(search, layers=[])
    for prefix, forbidden in (([2, 2], [(3,)]), ([3, 4], [(0,)])):
        found = program(np.array(prefix), token_table(forbidden))
        tokens = ops.convert_to_numpy(found.tokens)[:, 0]
        assert tokens[:, :2].tolist() == [prefix] * 2  # repeated, and before the shortest end
        assert not np.isin(tokens[:, 2:], forbidden).any()
        assert (ops.convert_to_numpy(found.lengths) >= 3).all()
    assert len(traced) == 1


@pytest.mark.once
def test_the_table_has_few_shapes():
    assert token_table([(5,)]).tolist() == [[5]]
    table = token_table([(5, 6, 7), (8,), (9, 9)])
    assert table.tolist() == [[-1, 5, 6, 7], [-1, -1, -1, 8], [-1, -1, 9, 9], [-1, 5, 6, 7]]
    for wrong in ([], [(1,), ()]):
        with pytest.raises(ValueError, match="at least one token"):
            token_table(wrong)


@pytest.mark.once
@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"repetition_penalty": 0},
            "`repetition_penalty` must be a finite number of at least 0.001",
        ),
        ({"repetition_penalty": "2"}, "repetition_penalty='2'"),
        ({"prefix": [2, 2, 2, 2]}, r"fewer tokens than `max_length`.*\(4,\), max_length=4"),
        ({"prefix": [[2]] * 3}, r"\[batch, length\].*prefix of shape \(3, 1\).*batch=2"),
        ({"forbidden": np.array([2])}, r"\[sequences, length\].*shape \(1,\)"),
    ],
)
def test_wrong_limits_are_errors(model, options, message):
    for function in (beam_search, sample):
        with pytest.raises(ValueError, match=message):
            function(model.step, model.state(), 2, START, END, LENGTH, **options)


def test_padding_beyond_the_vocabulary_is_no_repetition(model):
    model.logits[..., END] += 3.0  # some hypotheses end early
    options = {"beam": 4, "n_best": 4, "no_repeat_ngram": 1, "repetition_penalty": 1.2}
    one, other = (run(beam_search, model, 6, pad_id=pad, **options) for pad in (0, VOCABULARY + 4))
    np.testing.assert_allclose(one.scores, other.scores, atol=1e-6)
