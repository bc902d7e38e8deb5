"""Decoding of the output of CTC: the best labels of one recording, and their frames.

All functions take the log-probabilities of one recording, a NumPy array `[frames, vocabulary]` of
which label 0 is the blank, and run on the host.

References:
    - Graves et al. 2006, "Connectionist temporal classification".
    - Prefix search: Graves 2012, "Sequence transduction with recurrent neural networks"; Hannun
      et al. 2014, "First-pass large vocabulary continuous speech recognition using bi-directional
      recurrent DNNs", algorithm 1.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from zoo.checks import check_beam, check_integer, check_number
from zoo.decoding.lexicon import Lexicon

BLANK = 0
LOWEST = -np.inf


class Labelling(NamedTuple):
    """Labels of a recording with their scores.

    Attributes:
        labels: Without blanks.
        score: What labellings are ranked by.
        log_probability: Natural logarithm of the probability of the alignments that were found.
    """

    labels: tuple[int, ...]
    score: float
    log_probability: float


class Aligned(NamedTuple):
    """A label's frames in an alignment: from `start` up to but not including `end`."""

    label: int
    start: int
    end: int


def greedy_labels(log_probabilities: np.ndarray) -> list[Aligned]:
    """The labels of the most probable alignment, with the frames of each.

    Repeated labels become one unless a blank is between them.
    """
    return _spans(log_probabilities.argmax(axis=1))


def prefix_beam_search(
    log_probabilities: np.ndarray,
    beam: int = 5,
    n_best: int = 1,
    language_model: Callable[[tuple[int, ...]], np.ndarray] | None = None,
    weight: float = 0.5,
    bonus: float = 0.0,
    end_id: int | None = None,
    min_log_probability: float = -12.0,
    lexicon: Lexicon | None = None,
) -> list[Labelling]:
    """Finds the most probable labels, summed over their alignments.

    Prefixes are ranked by `log P + weight * log P_lm + bonus * number of labels`.

    Args:
        log_probabilities: Float array `[frames, vocabulary]`.
        beam: int. Prefixes kept at each frame. Defaults to `5`.
        n_best: int. Labellings returned, at most; there may be fewer. Defaults to `1`.
        language_model: Function from the labels of a prefix to the log-probability of each label
            as the next, `[vocabulary]`. Called once for each prefix. Defaults to `None`.
        weight: float. The weight of the language model. Defaults to `0.5`.
        bonus: float. Added for each label: a language model prefers short texts. Defaults to `0.0`.
        end_id: int. The label by which the language model ends a text; its log-probability is
            added to complete labellings. Defaults to `None`: none.
        min_log_probability: float. Labels less probable at a frame are not tried there, unless
            they repeat the last one. Defaults to `-12.0`.
        lexicon: The words of which labellings consist. The best prefix of whole words is always
            kept, such that there is a labelling. Defaults to `None`: labels may be in any order.

    Returns:
        The `Labelling`s, best first.

    Raises:
        ValueError: if an option is out of its range.
    """
    check_beam(beam, n_best)
    check_number("weight", weight, 0)
    check_number("bonus", bonus, -np.inf)
    extra: dict[tuple[int, ...], float] = {(): 0.0}  # by the language model and the bonus
    nodes: dict[tuple[int, ...], int] = {(): Lexicon.start}
    following: dict[tuple[int, ...], np.ndarray] = {}

    def next_label(prefix, label):
        """The addend of the score of a prefix with one more label."""
        if language_model is None:
            return bonus
        if prefix not in following:
            following[prefix] = weight * np.asarray(language_model(prefix), "float64")
        return float(following[prefix][label]) + bonus

    def is_complete(prefix):
        return lexicon is None or lexicon.is_complete(nodes[prefix])

    # Log-probabilities of the alignments that end with a blank, and with the last label.
    prefixes = {(): (0.0, LOWEST)}
    for frame in np.asarray(log_probabilities, "float64"):
        blank = float(frame[BLANK])
        tried = [int(i) for i in np.flatnonzero(frame >= min_log_probability) if i != BLANK]
        found: dict[tuple[int, ...], list[float]] = {}

        def add(prefix, place, value, found=found):
            ends = found.setdefault(prefix, [LOWEST, LOWEST])
            ends[place] = _log_add(ends[place], value)

        for prefix, (with_blank, with_label) in prefixes.items():
            total = _log_add(with_blank, with_label)
            add(prefix, 0, total + blank)
            last = prefix[-1] if prefix else None
            if last is not None:
                add(prefix, 1, with_label + float(frame[last]))
            for label in tried:
                longer = (*prefix, label)
                before = with_blank if label == last else total
                if before == LOWEST:
                    continue
                if lexicon is not None and longer not in nodes:
                    node = lexicon.after(nodes[prefix], label)
                    if node is None:
                        continue
                    nodes[longer] = node
                if longer not in extra:
                    extra[longer] = extra[prefix] + next_label(prefix, label)
                add(longer, 1, before + float(frame[label]))
        best = sorted(found, key=lambda it: _log_add(*found[it]) + extra[it], reverse=True)
        kept = best[:beam]
        if not any(map(is_complete, kept)):
            kept.append(next(filter(is_complete, best)))
        prefixes = {prefix: (found[prefix][0], found[prefix][1]) for prefix in kept}
    labellings = []
    for prefix, ends in prefixes.items():
        if not is_complete(prefix):
            continue
        log_probability = _log_add(*ends)
        score = log_probability + extra[prefix]
        if end_id is not None:
            score += next_label(prefix, end_id) - bonus
        if np.isfinite(score):
            labellings.append(Labelling(prefix, score, log_probability))
    labellings.sort(key=lambda it: it.score, reverse=True)
    return labellings[:n_best]


def labels_log_probability(log_probabilities: np.ndarray, labels: Sequence[int]) -> float:
    """The log-probability of labels, summed over all alignments; `-inf` if there is none."""
    scores, _ = _recursion(log_probabilities, labels, np.logaddexp.reduce)
    return float(np.logaddexp.reduce(scores[-2:]))


def align(log_probabilities: np.ndarray, labels: Sequence[int]) -> tuple[list[Aligned], float]:
    """Forced alignment: the frames of given labels in their most probable alignment (Viterbi).

    Args:
        log_probabilities: Float array `[frames, vocabulary]`.
        labels: Without blanks.

    Returns:
        The labels, each with its frames, and the log-probability of the alignment.

    Raises:
        ValueError: if the labels need more frames than there are: see `frames_needed`.
    """
    needed, frames = frames_needed(labels), len(log_probabilities)
    if needed > frames:
        raise ValueError(
            f"These labels need at least {needed} frames, one for each and one between repeated "
            "ones: take a longer recording, or a model that reduces the frame rate less. "
            f"Received: {len(labels)} labels, {frames} frames"
        )
    scores, sources = _recursion(log_probabilities, labels, np.max)
    states = _with_blanks(labels)
    state = len(states) - 1
    if len(states) > 1 and scores[-2] > scores[-1]:
        state -= 1
    best = float(scores[state])
    path = np.zeros(frames, "int64")
    for t in range(frames - 1, -1, -1):
        path[t] = state
        state -= int(sources[t, state])
    aligned = []
    for place in range(1, len(states), 2):
        (own,) = np.nonzero(path == place)
        aligned.append(Aligned(int(states[place]), int(own[0]), int(own[-1]) + 1))
    return aligned, best


def frames_needed(labels: Sequence[int]) -> int:
    """The fewest frames of an alignment: one for each label, and a blank between repeated ones."""
    return len(labels) + sum(one == other for one, other in zip(labels, labels[1:], strict=False))


def _recursion(log_probabilities, labels, reduce):
    """Scores of the states after the last frame, and how many states back each came from.

    Args:
        reduce: `np.logaddexp.reduce`, or `np.max` for the best alignment.

    Returns:
        Float array `[states]` and integer array `[frames, states]`.
    """
    check_integer("the number of frames", len(log_probabilities), 0)
    states = _with_blanks(labels)
    emissions = np.asarray(log_probabilities, "float64")[:, states]  # [frames, states]
    may_skip = np.zeros(len(states), "bool")
    may_skip[2:] = (states[2:] != BLANK) & (states[2:] != states[:-2])
    scores = np.where(np.arange(len(states)) == 0, 0.0, LOWEST)
    ways = np.full((3, len(states)), LOWEST)
    sources = np.zeros(emissions.shape, "int8")
    for t, emission in enumerate(emissions):
        ways[0] = scores
        ways[1, 1:] = scores[:-1]
        ways[2, 2:] = np.where(may_skip[2:], scores[:-2], LOWEST)
        sources[t] = ways.argmax(axis=0)
        scores = reduce(ways, axis=0) + emission
    return scores, sources


def _with_blanks(labels):
    states = np.full(2 * len(labels) + 1, BLANK, "int64")
    states[1::2] = labels
    return states


def _spans(path):
    """The runs of labels in a path of labels and blanks."""
    edges = np.flatnonzero(np.diff(path, prepend=-1, append=-1))
    return [
        Aligned(int(path[start]), int(start), int(end))
        for start, end in zip(edges, edges[1:], strict=False)
        if path[start] != BLANK
    ]


def _log_add(one, other):
    high, low = (one, other) if one > other else (other, one)
    return high if low == LOWEST else high + float(np.log1p(np.exp(low - high)))
