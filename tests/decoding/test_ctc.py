"""Decoding of CTC against enumeration of all paths."""

import itertools

import numpy as np
import pytest

from zoo.decoding import ctc
from zoo.decoding.lexicon import Lexicon

pytestmark = pytest.mark.once

VOCABULARY = 3


@pytest.fixture(scope="module")
def steps():
    logits = np.random.default_rng(5).normal(scale=1.5, size=(5, VOCABULARY))
    return logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)


def paths_of(steps):
    """All paths with their scores, by what they collapse to."""
    found = {}
    for path in itertools.product(range(VOCABULARY), repeat=len(steps)):
        labels = tuple(label for label, _ in itertools.groupby(path) if label)
        score = sum(steps[t, label] for t, label in enumerate(path))
        found.setdefault(labels, []).append((score, path))
    return found


def test_a_wide_beam_finds_the_exact_probabilities_in_order(steps):
    every = {
        labels: np.logaddexp.reduce([score for score, _ in found])
        for labels, found in paths_of(steps).items()
    }
    found = ctc.prefix_beam_search(steps, beam=200, n_best=200, min_log_probability=-99)
    assert len(found) == len(every)
    assert [it.labels for it in found] == sorted(every, key=every.get, reverse=True)
    for it in found:
        assert it.log_probability == pytest.approx(every[it.labels], abs=1e-9)
        assert ctc.labels_log_probability(steps, it.labels) == pytest.approx(it.log_probability)
    (best,) = ctc.prefix_beam_search(steps, beam=5)
    assert best.labels == found[0].labels


def test_the_best_labels_are_not_those_of_the_best_path():
    steps = np.log([[0.6, 0.4], [0.6, 0.4]])  # Graves 2012: the empty path has 0.36, "a" 0.64
    assert ctc.greedy_labels(steps) == []
    (best,) = ctc.prefix_beam_search(steps)
    assert best.labels == (1,) and np.exp(best.log_probability) == pytest.approx(0.64)


def test_a_language_model_and_a_bonus_change_the_ranking(steps):
    every = {
        labels: np.logaddexp.reduce([score for score, _ in found])
        for labels, found in paths_of(steps).items()
    }
    table = np.log([[0.1, 0.2, 0.7], [0.1, 0.8, 0.1], [0.6, 0.2, 0.2]])

    def language_model(prefix):
        return table[prefix[-1] if prefix else 0]

    def score(labels):
        total = every[labels] + 0.3 * len(labels)
        for i, label in enumerate(labels):
            total += 0.9 * language_model(labels[:i])[label]
        return total + 0.9 * language_model(labels)[0]

    found = ctc.prefix_beam_search(
        steps, 200, 200, language_model, 0.9, 0.3, end_id=0, min_log_probability=-99
    )
    assert [it.labels for it in found] == sorted(every, key=score, reverse=True)
    assert found[0].score == pytest.approx(score(found[0].labels))
    plain = ctc.prefix_beam_search(steps, 200, 200, min_log_probability=-99)
    assert [it.labels for it in found] != [it.labels for it in plain]


def test_alignment_is_the_best_path_of_the_labels(steps):
    for labels, found in paths_of(steps).items():
        score, path = max(found)
        aligned, log_probability = ctc.align(steps, labels)
        assert log_probability == pytest.approx(score)
        assert tuple(it.label for it in aligned) == labels
        drawn = np.zeros(len(steps), int)
        for it in aligned:
            drawn[it.start : it.end] = it.label
        assert drawn.tolist() == list(path)


def test_labels_that_do_not_fit_are_refused(steps):
    assert ctc.frames_needed([]) == 0 and ctc.frames_needed([1, 1, 2, 2]) == 6
    assert ctc.labels_log_probability(steps, [1] * 4) == -np.inf
    with pytest.raises(ValueError, match="at least 7 frames.*Received: 4 labels, 5 frames"):
        ctc.align(steps, [1] * 4)


def test_greedy_labels_have_the_frames_of_their_runs():
    path = [0, 1, 1, 0, 1, 2, 2, 0]
    steps = np.log(np.eye(3)[path] * 0.8 + 0.1)
    assert ctc.greedy_labels(steps) == [(1, 1, 3), (1, 4, 5), (2, 5, 7)]
    assert ctc.greedy_labels(steps[:0]) == []
    (best,) = ctc.prefix_beam_search(steps[:0])
    assert best.labels == () and best.log_probability == 0


def test_wrong_options_are_refused(steps):
    with pytest.raises(ValueError, match="`n_best` must be at most `beam`"):
        ctc.prefix_beam_search(steps, beam=2, n_best=3)
    with pytest.raises(ValueError, match="`weight` must be a finite number"):
        ctc.prefix_beam_search(steps, weight=float("nan"))


def test_a_lexicon_allows_its_words_alone():
    logits = np.random.default_rng(8).normal(scale=1.5, size=(6, 4))
    steps = logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)
    lexicon = Lexicon([[1], [1, 2], [2, 2]], separator=3)

    def is_text(labels):
        groups = itertools.groupby(labels, lambda label: label == 3)
        parts = [tuple(labels) for _, labels in groups]
        return not labels or {*parts[::2]} <= {(1,), (1, 2), (2, 2)} and {*parts[1::2]} <= {(3,)}

    every = {}
    for path in itertools.product(range(4), repeat=len(steps)):
        labels = tuple(label for label, _ in itertools.groupby(path) if label)
        if is_text(labels) and labels[-1:] != (3,):
            every.setdefault(labels, []).append(sum(steps[range(len(path)), path]))
    every = {labels: np.logaddexp.reduce(scores) for labels, scores in every.items()}
    assert () in every and (1, 2, 3, 1) in every and (2,) not in every
    found = ctc.prefix_beam_search(steps, 500, 500, min_log_probability=-99, lexicon=lexicon)
    assert [it.labels for it in found] == sorted(every, key=every.get, reverse=True)
    for it in found:
        assert it.log_probability == pytest.approx(every[it.labels], abs=1e-9)


def test_a_narrow_beam_with_a_lexicon_returns_whole_words():
    lexicon = Lexicon([[1, 2]], separator=None)
    steps = np.log(np.eye(3)[[0, 0, 1]] * 0.9 + 0.1 / 3)  # "a", and there is "ab" alone
    (best,) = ctc.prefix_beam_search(steps, beam=1, lexicon=lexicon)
    assert best.labels == () and np.isfinite(best.score)
    found = ctc.prefix_beam_search(steps, beam=9, n_best=9, lexicon=lexicon)
    assert [it.labels for it in found] == [(), (1, 2)]


def test_a_lexicon_is_a_trie():
    lexicon = Lexicon([[4, 5], [4]], separator=9)
    assert lexicon.tokens(lexicon.start) == [4] and lexicon.is_complete(lexicon.start)
    assert lexicon.after(lexicon.start, 9) is None and lexicon.after(lexicon.start, 5) is None
    inside = lexicon.after(lexicon.start, 4)
    assert lexicon.is_complete(inside) and lexicon.tokens(inside) == [5, 9]
    between = lexicon.after(inside, 9)
    assert not lexicon.is_complete(between) and lexicon.tokens(between) == [4]
    assert lexicon.after(between, 9) is None and lexicon.after(between, 4) == inside
    assert lexicon.begins([]) and lexicon.begins([4, 9, 4]) and not lexicon.begins([4, 9, 5])
    for words, message in (([], "at least one word"), ([[]], "have tokens"), ([[9]], "separator")):
        with pytest.raises(ValueError, match=message):
            Lexicon(words, separator=9)
