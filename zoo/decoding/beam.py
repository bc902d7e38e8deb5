"""Beam search."""

import keras
from keras import ops

from zoo.checks import check_beam, check_groups, check_penalties
from zoo.decoding import loops
from zoo.decoding.best import Best
from zoo.decoding.blocking import LOWEST, Limits, limit, next_nodes
from zoo.decoding.checks import checked_attention, checked_mask
from zoo.decoding.groups import Candidates, Groups
from zoo.decoding.hypotheses import (
    Hypotheses,
    apply_penalties,
    coverage_penalty,
    length_penalty,
    start_tokens,
    top_k,
    write_step,
)
from zoo.decoding.lexicon import Lexicon
from zoo.decoding.required import Required


def beam_search(
    step,
    state,
    batch,
    start_id,
    end_id,
    max_length,
    beam=5,
    n_best=1,
    length_penalty=0.0,
    coverage_penalty=0.0,
    min_length=0,
    no_repeat_ngram=0,
    repetition_penalty=1.0,
    prefix=None,
    forbidden=None,
    required=None,
    groups=1,
    diversity=0.5,
    lexicon=None,
    normalize=True,
    return_attention=False,
    source_mask=None,
    pad_id=0,
):
    """Beam search: finds the sequences to which a model gives the highest scores.

    A hypothesis that has ended keeps its score, and its place in the beam until better ones
    replace it. Open hypotheses are ranked by their log-probability divided by the length penalty
    of their current length. The coverage penalty is added when a hypothesis ends. The search
    stops when no open hypothesis can become one of the `n_best`, or after `max_length` steps.

    To search repeatedly, compile a function that calls it: see `zoo.decoding.compiled`.

    Args:
        step: Takes the last tokens, an int32 tensor `[batch * beam]`, the state and the index of
            the step, an int32 scalar tensor; returns the logits of the next tokens
            `[batch * beam, vocabulary]`, the next state and the attention weights
            `[batch * beam, source]` or `None`. The beams of a source are next to each other.
            Traced once. It closes over tensors that are the same for all beams.
        state: A nesting of tensors `[batch, ...]`, the state before the first step.
        batch: int.
        start_id: int, or int32 tensor `[batch]`. The tokens before the first step.
        end_id: int.
        max_length: int. Most tokens, the end token included.
        beam: int. Hypotheses kept for each source. `1` is greedy search. Defaults to `5`.
        n_best: int. Hypotheses returned for each source. Where fewer are possible, the rest have
            the score `-inf` and no tokens: see `Hypotheses.counts`. Defaults to `1`.
        length_penalty: float. Wu's alpha, see `zoo.decoding.length_penalty`. Defaults to `0.0`.
        coverage_penalty: float. Wu's beta, see `zoo.decoding.coverage_penalty`. Defaults to
            `0.0`.
        min_length: int. Fewest tokens before the end token. Defaults to `0`.
        no_repeat_ngram: int. Size of the n-grams that may occur only once in a hypothesis.
            Defaults to `0`: all may be repeated.
        repetition_penalty: float. Makes tokens less probable that a hypothesis has: their
            log-probability is multiplied by it where hypotheses are compared. With a `beam` of 1
            it applies to the logits: positive ones are divided by it, others multiplied. Both
            are what `transformers` does. Defaults to `1.0`: none.
        prefix: Integer tensor `[length]` or `[batch, length]`, the first tokens of each
            hypothesis, whatever else is blocked. Defaults to `None`.
        forbidden: Integer tensor `[sequences, length]`: sequences of tokens that no hypothesis
            may have after its prefix, from `zoo.decoding.token_table`. Defaults to `None`.
        required: Integer tensor `[batch, sequences, length]` or `[sequences, length]`: sequences
            of tokens that each hypothesis must contain, from `zoo.decoding.required_table`. They
            may share tokens. A hypothesis cannot end before it has them all, and always keeps
            room for those it lacks, one after another: together with the prefix they must have
            fewer tokens than `max_length`. The beam is divided among hypotheses with 0, 1, 2, …
            tokens of them, so it should be larger than their number. Defaults to `None`.
        groups: int. Groups of hypotheses of equal size that are searched for beside each other: at
            each step the score of a candidate of a group is lowered by `diversity` for each
            hypothesis of the groups before it that has just taken the same token. Defaults to
            `1`: a plain search.
        diversity: float. See `groups`; scores that are returned are never lowered. Defaults to
            `0.5`.
        lexicon: Integer tensor `[nodes, vocabulary]` from `zoo.decoding.Lexicon.table`: the words
            of which hypotheses consist, which always keep room for the rest of a word. Defaults to
            `None`.
        normalize: bool. Whether `step` returns logits, of which the log-softmax counts; else it
            returns what is added to the score of a hypothesis by each token, at most zero.
            Defaults to `True`.
        return_attention: bool. Whether to return the attention weights.
        source_mask: Boolean tensor `[batch, source]`, false at padding. Needed for attention
            and coverage.
        pad_id: int. Fills the tokens after the end token. Defaults to `0`.

    Returns:
        `zoo.decoding.Hypotheses`, best first.

    Raises:
        ValueError: if an argument has another type or is out of its range, or if attention is
            needed and the mask or the model's attention is missing.

    References:
        - Penalties: Wu et al. 2016, section 7.
        - Repetition penalty: Keskar et al. 2019, "CTRL", section 4.1, with the rule of
          `transformers` for negative logits.
        - Groups: Vijayakumar et al. 2018, "Diverse beam search", equation 5 with the Hamming
          diversity of section 5.1.
        - Required sequences: Post and Vilar 2018, see `zoo.decoding.required.Required`.
    """
    check_beam(beam, n_best)
    limits = Limits(min_length, no_repeat_ngram, repetition_penalty, prefix, forbidden, lexicon)
    check_groups(groups, diversity, beam)
    limits = limits.checked(max_length, batch, beam // groups)
    check_penalties(length_penalty, coverage_penalty)
    if required is not None:
        required = Required(required, batch, max_length)
    source_mask = checked_mask(source_mask, coverage_penalty, return_attention)
    if groups > 1 and required is not None:
        raise ValueError(
            "A beam is divided into groups, or among required sequences: leave one of them out. "
            f"Received: groups={groups}, required of shape {required.table.shape}"
        )
    search = _Search(
        step, end_id, max_length, beam, n_best, length_penalty, coverage_penalty,
        limits, required, Groups(groups, diversity, beam), normalize, return_attention,
        source_mask, pad_id,
    )  # fmt: skip
    found = loops.repeat(search.advance, search.start(state, batch, start_id), max_length)
    return search.results(found)


class _Search:
    """The settings of a search, and the computations before, in and after its loop."""

    def __init__(
        self, step, end_id, max_length, beam, n_best, length_penalty, coverage_penalty,
        limits, required, groups, normalize, return_attention, source_mask, pad_id,
    ):  # fmt: skip
        self.step = step
        self.end_id = end_id
        self.max_length = max_length
        self.beam = groups.size  # of each group, which is searched for as a source of its own
        self.groups = groups
        self.n_best = n_best
        self.group_best = min(n_best, self.beam)
        self.alpha = length_penalty
        self.beta = coverage_penalty
        self.limits = limits
        self.required = required
        self.normalize = normalize
        # Whether hypotheses are compared by other numbers than their log-probabilities.
        self.penalizes = limits.repetition_penalty != 1 and self.beam > 1
        self.return_attention = return_attention
        self.source_mask = source_mask
        self.pad_id = pad_id

    def start(self, state, batch, start_id):
        """The variables before the first step: one empty hypothesis for each source."""
        beam, length, rows = self.beam, self.max_length, self.beam * self.groups.count
        state = keras.tree.map_structure(lambda x: _for_beams(x, rows), state)
        last = _for_beams(start_tokens(start_id, batch), rows)
        batch = batch * self.groups.count
        variables = {
            "state": state,
            "last": last,
            "tokens": ops.full((batch, beam, length), self.pad_id, "int32"),
            "token_log_probabilities": ops.zeros((batch, beam, length), "float32"),
            "log_probabilities": ops.tile(
                ops.array([[0.0] + [LOWEST] * (beam - 1)], "float32"), (batch, 1)
            ),
            "scores": ops.full((batch, beam), LOWEST, "float32"),
            "lengths": ops.zeros((batch, beam), "int32"),
            "finished": ops.zeros((batch, beam), "bool"),
        }
        if self.penalizes:
            variables["penalized"] = variables["log_probabilities"]
        if self.required is not None:
            variables["matched"] = self.required.start(beam)
        if self.limits.lexicon is not None:
            variables["nodes"] = ops.full((batch, beam), Lexicon.start, "int32")
        if self.beta:
            source = ops.shape(self.source_mask)[1]
            variables["coverage"] = ops.zeros((batch, beam, source), "float32")
        if self.return_attention:
            # Attention weights stay in the beam in which they were computed, which `origins`
            # holds, so that they need not be reordered at each step.
            source = ops.shape(self.source_mask)[1]
            variables["attention"] = ops.zeros((batch, beam, length, source), "float32")
            variables["origins"] = ops.zeros((batch, beam, length), "int32")
        return variables

    def advance(self, index, variables):
        """One step: scores the candidates of all beams, keeps the best, decides whether to stop."""
        new = dict(variables)
        finished = variables["finished"]
        is_open = ops.logical_not(finished)
        logits, new["state"], attention = self.step(variables["last"], variables["state"], index)
        if self.beta or self.return_attention:
            attention = ops.reshape(checked_attention(attention), (*finished.shape, -1))
            attention = attention * ops.cast(is_open, "float32")[:, :, None]
        if self.beta:
            new["coverage"] = variables["coverage"] + attention
        if self.return_attention:
            new["attention"] = write_step(variables["attention"], index, attention, axis=2)

        found = self.groups.rank(self._rank, logits, index, new)
        best = Best(found.scores, self.beam, found.places)
        gains, tokens = best.candidates(found.gains), best.candidates(found.tokens)
        finished = best.beams(finished)
        ended = ops.logical_or(finished, tokens == self.end_id)
        new |= {
            "state": keras.tree.map_structure(best.rows, new["state"]),
            # The padding may be no token of the model.
            "last": ops.reshape(ops.where(ended, self.end_id, tokens), (-1,)),
            "tokens": write_step(best.beams(variables["tokens"]), index, tokens, axis=2),
            "token_log_probabilities": write_step(
                best.beams(variables["token_log_probabilities"]), index, gains, axis=2
            ),
            "log_probabilities": best.candidates(found.totals),
            "scores": best.scores,
            "lengths": best.beams(variables["lengths"] + ops.cast(is_open, "int32")),
            "finished": ended,
        }
        if self.penalizes:
            new["penalized"] = best.candidates(found.compared)
        if self.required is not None:
            parents = best.beams(variables["matched"])
            new["matched"] = self.required.after(parents, tokens[:, :, None])[:, :, 0]
        if self.limits.lexicon is not None:
            nodes = best.beams(variables["nodes"])
            new["nodes"] = next_nodes(self.limits.lexicon, nodes, tokens)
        if self.beta:
            new["coverage"] = best.beams(new["coverage"])
        if self.return_attention:
            new["origins"] = write_step(
                best.beams(variables["origins"]), index, best.parents, axis=2
            )
        return new, self._is_over(new)

    def _rank(self, logits, index, variables, lowered=None):
        """The candidates after each hypothesis, and which of them to keep: `Candidates`.

        Args:
            logits: Float tensor `[batch * beam, vocabulary]`.
            index: int32 scalar tensor.
            variables: Those of the loop, with the coverage of this step.
            lowered: Float tensor `[batch, vocabulary]`, by which the scores of tokens are lower
                where candidates are compared. Defaults to `None`: 0.
        """
        finished = variables["finished"]
        gains, penalized, tokens = self._candidates(logits, index, variables, lowered)
        matched = None
        if self.required is not None:
            matched = self.required.after(variables["matched"], tokens)
            fits = self.required.fits(matched, index)
            gains, penalized = (ops.where(fits, it, LOWEST) for it in (gains, penalized))
        totals = variables["log_probabilities"][:, :, None] + gains
        compared = totals
        if self.penalizes:
            compared = variables["penalized"][:, :, None] + penalized
        lengths = variables["lengths"] + ops.cast(ops.logical_not(finished), "int32")
        frozen = variables["scores"][:, :, None] + penalized

        def scored(compared):
            scores = self._scores(compared, lengths, tokens, variables.get("coverage"))
            return ops.where(finished[:, :, None], frozen, scores)

        scores, places = scored(compared), None
        if matched is not None:
            places = self._allocate(scores, matched, totals)
        if lowered is not None:
            known = ops.minimum(tokens, lowered.shape[-1] - 1)  # the padding may be no token
            batch = known.shape[0]
            by_token = ops.take_along_axis(lowered, ops.reshape(known, (batch, -1)), axis=1)
            ranked = scored(compared - ops.reshape(by_token, known.shape))
            _, places = top_k(ops.reshape(ranked, (batch, -1)), self.beam)
        return Candidates(gains, tokens, totals, compared, scores, places)

    def _allocate(self, scores, matched, totals):
        """The places of the candidates to keep where there are required sequences."""
        batch, sequences = scores.shape[0], matched.shape[-2:]
        return self.required.allocate(
            ops.reshape(scores, (batch, -1)),
            ops.reshape(matched, (batch, -1, *sequences)),
            ops.reshape(totals, (batch, -1)) > LOWEST / 2,
            self.beam,
        )

    def _candidates(self, logits, index, variables, lowered):
        """The log-probabilities, penalized and not, of the best tokens after each hypothesis.

        A hypothesis that has ended has a single candidate: padding, of log-probability zero.
        """
        batch, beam = variables["finished"].shape
        logits = ops.cast(logits, "float32")  # [batch * beam, vocabulary]
        normalizer = ops.logsumexp(logits, axis=-1, keepdims=True) if self.normalize else 0.0
        history = ops.reshape(variables["tokens"], (batch * beam, self.max_length))
        if self.penalizes:
            logits, normalizer = logits - normalizer, 0.0
        nodes = variables.get("nodes")
        nodes = None if nodes is None else ops.reshape(nodes, (-1,))
        allowed = limit(logits, index, history, self.end_id, self.limits, nodes)
        if self.required is not None:
            allowed = self.required.without_end(allowed, variables["matched"], self.end_id)
        width = min(beam, logits.shape[-1])
        if lowered is None:
            best, tokens = top_k(allowed, width)  # [batch * beam, width]
        else:
            _, tokens = top_k(allowed - ops.repeat(lowered, beam, axis=0), width)
            best = ops.take_along_axis(allowed, tokens, axis=-1)
        if self.required is not None:
            more = self.required.continuations(allowed, variables["matched"], tokens)
            best, tokens = (
                ops.concatenate(pair, axis=-1) for pair in zip((best, tokens), more, strict=True)
            )
        gains = best
        if self.limits.repetition_penalty != 1:
            gains = ops.take_along_axis(logits, tokens, axis=-1)
            gains = ops.where(best > LOWEST / 2, gains, LOWEST)
        shape = (batch, beam, tokens.shape[-1])
        finished = variables["finished"][:, :, None]
        nothing = ops.convert_to_tensor([0.0] + [LOWEST] * (shape[-1] - 1), "float32")

        def by_source(values):
            return ops.where(finished, nothing, ops.reshape(values - normalizer, shape))

        tokens = ops.where(finished, self.pad_id, ops.reshape(tokens, shape))
        gains = by_source(gains)
        return gains, by_source(best) if self.penalizes else gains, tokens

    def _scores(self, totals, lengths, tokens, coverage):
        """The scores that rank candidates: without coverage as long as they are open."""
        if self.alpha:
            totals = totals / length_penalty(lengths, self.alpha)[:, :, None]
        if self.beta:
            penalty = coverage_penalty(coverage, self.source_mask, self.beta)[:, :, None]
            totals = totals + ops.where(tokens == self.end_id, penalty, 0.0)
        return totals

    def _is_over(self, variables):
        """True if no open hypothesis of any source can become one of its `n_best`."""
        finished, scores = variables["finished"], variables["scores"]
        if self.beam == 1:
            return ops.all(finished)
        # Further tokens only lower a log-probability, and the coverage penalty is at most zero.
        bound = variables["penalized" if self.penalizes else "log_probabilities"]
        if self.alpha:
            bound = bound / length_penalty(self.max_length, self.alpha)
        bound = ops.max(ops.where(finished, 2 * LOWEST, bound), axis=1, keepdims=True)
        ended = ops.logical_and(finished, scores >= bound)
        return ops.all(ops.sum(ops.cast(ended, "int32"), axis=1) >= self.group_best)

    def results(self, variables):
        """The best hypotheses after the last step."""
        variables = self.groups.joined(variables)
        scores = apply_penalties(
            variables["penalized" if self.penalizes else "log_probabilities"],
            variables["lengths"], variables.get("coverage"), self.source_mask,
            self.alpha, self.beta,
        )  # fmt: skip
        # If the search stopped early, what is still open is not a hypothesis.
        whole = ops.logical_or(variables["finished"], variables["lengths"] == self.max_length)
        scores = ops.where(whole, scores, 2 * LOWEST)
        best = Best(scores[:, :, None], self.n_best)
        # The first is returned in any case.
        found = ops.ones_like(best.parents, "bool")  # [batch, n]
        if self.n_best > 1:
            possible = ops.logical_and(whole, variables["log_probabilities"] > LOWEST / 2)
            first = ops.arange(self.n_best, dtype="int32") == 0
            found = ops.logical_or(best.beams(possible), first[None, :])
        attention = None
        if self.return_attention:
            origins = best.beams(variables["origins"])[..., None]  # [batch, n, length, 1]
            attention = ops.take_along_axis(variables["attention"], origins, axis=1)
            attention = ops.where(found[:, :, None, None], attention, 0.0)
        log_probabilities = best.beams(variables["log_probabilities"])
        gains = best.beams(variables["token_log_probabilities"])
        return Hypotheses(
            ops.where(found[:, :, None], best.beams(variables["tokens"]), self.pad_id),
            ops.where(found, best.scores, float("-inf")),
            ops.where(found, log_probabilities, float("-inf")),
            ops.where(found[:, :, None], gains, 0.0),
            ops.where(found, best.beams(variables["lengths"]), 0),
            attention,
        )


def _for_beams(values, beam):
    return values if beam == 1 else ops.repeat(values, beam, axis=0)
