"""Forward–backward and Viterbi for a linear-chain CRF."""

import numpy as np
from keras import ops

from zoo.layers.recurrence import scan_states
from zoo.layers.tensors import argmax, count_valid

# Potential of forbidden transitions, and of all tags at padding: lower than any other, and finite.
IMPOSSIBLE = -1e9
SMALLEST = 1e-6  # probability by which another is divided


class LinearChain:
    """Linear-chain CRF over a batch of sequences: score, partition function, marginals, Viterbi.

    Valid steps are moved to the front, so that all recursions are over right-padded sequences.
    `gather` moves arguments accordingly, and `scatter` moves results back.

    Args:
        start: Float tensor `[tags]`: score of each tag as the first.
        transitions: Float tensor `[tags, tags]`: score of tag j after tag i.
        end: Float tensor `[tags]`: score of each tag as the last.
        potentials: Float tensor `[batch, time, tags]`.
        mask: Boolean tensor `[batch, time]`, false at padding.
    """

    def __init__(self, start, transitions, end, potentials, mask):
        self.start, self.transitions, self.end = start, transitions, end
        time = ops.shape(mask)[1]
        self.steps = ops.arange(time, dtype="int32")  # [time]
        self.lengths = count_valid(mask)  # [batch]
        self.valid = self.steps[None, :] < self.lengths[:, None]  # [batch, time]
        self.order = ops.argsort(ops.where(mask, self.steps, self.steps + time), axis=1)
        # A constant added to all tags of a step has no effect. Without it sums stay accurate.
        potentials = potentials - ops.stop_gradient(ops.max(potentials, axis=-1, keepdims=True))
        potentials = ops.maximum(potentials, ops.cast(IMPOSSIBLE, potentials.dtype))
        potentials = ops.take_along_axis(potentials, self.order[:, :, None], axis=1)
        self.potentials = ops.where(self.valid[:, :, None], potentials, 0.0)

    def gather(self, tags):
        """Moves the valid steps of `[batch, time, ...]` to the front."""
        order = self.order if len(tags.shape) == 2 else self.order[:, :, None]
        return ops.take_along_axis(tags, order, axis=1)

    def scatter(self, values):
        """Moves the steps of `[batch, time, ...]` back to the places they have in the mask."""
        valid, back = self.valid, ops.argsort(self.order, axis=1)
        if len(values.shape) == 3:
            valid, back = valid[:, :, None], back[:, :, None]
        values = ops.where(valid, values, ops.zeros_like(values))
        return ops.take_along_axis(values, back, axis=1)

    def score(self, tags):
        """The unnormalized score of given tags, `[batch]`."""
        num_tags = self.transitions.shape[0]
        unary = ops.take_along_axis(self.potentials, tags[:, :, None], axis=2)[:, :, 0]
        pairs = tags[:, :-1] * num_tags + tags[:, 1:]
        inner = ops.take(ops.reshape(self.transitions, (-1,)), pairs)  # [batch, time - 1]
        last = ops.take_along_axis(tags, ops.maximum(self.lengths - 1, 0)[:, None], axis=1)[:, 0]
        boundaries = ops.take(self.start, tags[:, 0]) + ops.take(self.end, last)
        return (
            ops.sum(unary, axis=1)  # zero at padding
            + ops.sum(ops.where(self.valid[:, 1:], inner, 0.0), axis=1)
            + ops.where(self.lengths > 0, boundaries, 0.0)
        )

    def expected_score(self, probabilities):
        """The mean score of tags that are drawn at each step by itself, `[batch]`.

        Transitions that are forbidden have probability zero, and the others their share.

        Args:
            probabilities: Float tensor `[batch, time, tags]`, valid steps first.
        """
        probabilities = ops.where(self.valid[:, :, None], probabilities, 0.0)
        last = ops.maximum(self.lengths - 1, 0)[:, None, None]
        first = probabilities[:, 0]
        last = ops.take_along_axis(probabilities, last, axis=1)[:, 0]
        ends = _mean(self.start, first, "bj,j->b") + _mean(self.end, last, "bj,j->b")
        before, after = probabilities[:, :-1], probabilities[:, 1:]
        inner = _mean(self.transitions, before, "btj,jk,btk->bt", after)
        unary = ops.sum(probabilities * self.potentials, axis=(1, 2))
        return (
            unary
            + ops.sum(ops.where(self.valid[:, 1:], inner, 0.0), axis=1)
            + ops.where(self.lengths > 0, ends, 0.0)
        )

    def log_partition(self):
        """The logarithm of the partition function, `log Z`, `[batch]`.

        Its gradient does not pass through the recursions. The derivative of `log Z` by a factor
        is that of the recursion step that contains the factor, with the messages from before and
        after it held constant. So the messages come from loops without gradients, and one more
        step, of all times in parallel, carries the gradient.
        """
        forward, backward = self._messages()
        value = self._total(forward)
        before = ops.concatenate([forward[:, :1], forward[:, :-1]], axis=1)[..., None]
        message = ops.logsumexp(before + self.transitions, axis=2)  # [batch, time, tags]
        message = ops.where(self.steps[None, :, None] == 0, self.start, message)
        step = ops.logsumexp(message + self.potentials + backward, axis=2)  # log Z at each time
        step = ops.where(self.valid, step, 0.0)
        last = ops.logsumexp(forward[:, -1] + self.end, axis=1)  # the gradient of `end` alone
        last = ops.where(self.lengths > 0, last, 0.0)
        carrier = ops.sum(step, axis=1) + last
        return value + (carrier - ops.stop_gradient(carrier))

    def marginals(self):
        """The probability of each tag at each step, `[batch, time, tags]`, without a gradient."""
        forward, backward = self._messages()
        return ops.softmax(forward + backward, axis=-1)

    def best_tags(self):
        """Viterbi: int32 `[batch, time]`, 0 at padding."""
        best = self._recursion(self.potentials, self.start, self.transitions, ops.max)
        # A row for each tag that follows, and one for the end.
        incoming = ops.concatenate([ops.transpose(self.transitions), self.end[None]])

        def step(following, now):
            best, valid = now
            onward = ops.take(incoming, following, axis=0)  # [batch, tags]
            return ops.where(valid, argmax(best + onward), following)

        # Earlier tags are found again from the scores, which makes back-pointers unnecessary.
        end = ops.full_like(self.lengths, self.transitions.shape[0])
        sequences = [ops.swapaxes(best, 0, 1), ops.transpose(self.valid)]
        tags = scan_states(step, end, sequences, reverse=True)
        return ops.where(self.valid, ops.swapaxes(tags, 0, 1), 0)

    def n_best_tags(self, n):
        """The best tag sequences, int32 `[batch, time, n]`, and log-probabilities `[batch, n]`."""
        num_tags = self.transitions.shape[0]
        start, transitions, end = map(ops.stop_gradient, (self.start, self.transitions, self.end))
        # A state is a tag and the rank of a path to it: state = tag * n + rank.
        incoming = ops.repeat(ops.transpose(transitions), n, axis=1)  # [tags, states]
        end = ops.repeat(end, n)
        worse = ops.full((num_tags, n - 1), IMPOSSIBLE, dtype=start.dtype)
        start = ops.concatenate([start[:, None], worse], axis=1)[None]  # [1, tags, n]
        potentials = ops.swapaxes(ops.stop_gradient(self.potentials), 0, 1)

        valid = ops.transpose(self.valid)[:, :, None]  # [time, batch, 1]

        def forward_step(scores, now):
            unary, valid, t = now
            ways = scores[:, None, :] + incoming  # [batch, tags, states]
            ways = ops.where(t == 0, start, ops.top_k(ways, n)[0])  # [batch, tags, n]
            new = ops.reshape(ways + unary[:, :, None], (-1, num_tags * n))
            return ops.where(valid, new, scores)

        nothing = ops.zeros_like(ops.repeat(potentials[0], n, axis=1))  # [batch, states]
        scores = scan_states(forward_step, nothing, [potentials, valid, self.steps])

        def backward_step(following, now):  # states, [batch, n]
            scores, valid, t = now
            onward = ops.take(incoming, following // n, axis=0)  # [batch, n, states]
            onward = ops.where((t == self.lengths - 1)[:, None, None], end, onward)
            ways = ops.cast(ops.top_k(scores[:, None, :] + onward, n)[1], "int32")
            state = ops.take_along_axis(ways, (following % n)[:, :, None], axis=2)[:, :, 0]
            return ops.where(valid, state, following)

        ranks = ops.zeros_like(self.lengths)[:, None] + ops.arange(n, dtype="int32")
        states = scan_states(backward_step, ranks, [scores, valid, self.steps], reverse=True)
        totals = ops.top_k(scores[-1] + end, n)[0]  # [batch, n]
        only = ops.where(ops.arange(n) == 0, 0.0, IMPOSSIBLE)  # of an empty sequence
        totals = ops.where((self.lengths > 0)[:, None], totals, ops.cast(only, totals.dtype))
        possible = totals > IMPOSSIBLE / 2
        totals = totals - self._total(self._messages()[0])[:, None]
        totals = ops.where(possible, totals, ops.cast(-np.inf, totals.dtype))
        tags = ops.swapaxes(states, 0, 1) // n
        return ops.where(possible[:, None, :], tags, 0), totals

    def _messages(self):
        """Forward messages, with the potential of their step, and backward ones, without it.

        The backward recursion is the forward one on the reversed sequence, so that one loop
        computes both. They have no gradient.
        """
        factors = (self.potentials, self.start, self.transitions, self.end)
        potentials, start, transitions, end = map(ops.stop_gradient, factors)
        reverse = self.lengths[:, None] - 1 - self.steps  # [batch, time]
        reverse = ops.where(self.valid, reverse, self.steps)[:, :, None]
        both = self._recursion(
            ops.stack([potentials, ops.take_along_axis(potentials, reverse, axis=1)]),
            ops.stack([start, end])[:, None],
            ops.stack([transitions, ops.transpose(transitions)])[:, None],
            ops.logsumexp,
        )
        return both[0], ops.take_along_axis(both[1], reverse, axis=1) - potentials

    def _recursion(self, potentials, start, transitions, reduce):
        """The reduction over all paths to each tag, at each step; at padding the last valid one.

        Args:
            potentials: `[..., batch, time, tags]`, as are the results.
            start: `[..., tags]`.
            transitions: `[..., tags, tags]`.
            reduce: `ops.logsumexp` or `ops.max`.
        """
        potentials = ops.moveaxis(ops.stop_gradient(potentials), -2, 0)
        start, transitions = ops.stop_gradient(start), ops.stop_gradient(transitions)

        def step(scores, now):
            unary, valid, t = now
            message = reduce(scores[..., None] + transitions, axis=-2)
            message = ops.where(t == 0, start, message) + unary
            return ops.where(valid, message, scores)

        valid = ops.transpose(self.valid)[:, :, None]  # [time, batch, 1]
        nothing = ops.zeros_like(potentials[0])
        scores = scan_states(step, nothing, [potentials, valid, self.steps])
        return ops.moveaxis(scores, 0, -2)

    def _total(self, forward):
        total = ops.logsumexp(forward[:, -1] + ops.stop_gradient(self.end), axis=1)
        return ops.where(self.lengths > 0, total, 0.0)


def _mean(factors, first, equation, *second):
    """The mean of factors under probabilities, without the forbidden ones."""
    allowed = factors > IMPOSSIBLE / 2
    weight = ops.einsum(equation, first, ops.cast(allowed, first.dtype), *second)
    total = ops.einsum(equation, first, ops.where(allowed, factors, 0.0), *second)
    return total / ops.maximum(weight, SMALLEST)
