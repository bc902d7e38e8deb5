"""Continuous cache: tokens that followed similar hidden states become more probable."""

from dataclasses import dataclass
from typing import Any, TypedDict

from keras import ops

from zoo.checks import MAX_CACHE, check_integer, check_number
from zoo.layers.attention.base import MASKED_SCORE
from zoo.layers.tensors import count_valid

Tensor = Any


class CacheState(TypedDict):
    """Tensors `[batch, ...]`: the past of each row, the latest at the end.

    Attributes:
        count: int32 `[batch]`: how many there are.
        hidden: Float `[batch, size, units]`: hidden states.
        tokens: int32 `[batch, size]`: the token that followed each.
    """

    count: Tensor
    hidden: Tensor
    tokens: Tensor


@dataclass(frozen=True)
class ContinuousCache:
    """Mixes the distribution of a language model with one over the tokens of the recent past.

    With h the hidden states and x the tokens, the cache at step t gives a token w the probability
    `Σ_i [x_{i+1} = w] exp(theta h_t·h_i) / Σ_i exp(theta h_t·h_i)`, over the last `size` states
    before h_t, and the mixture is `(1 - weight) p_model + weight p_cache`. There is nothing to
    train. While the cache is empty, the model's probability stands alone.

    Args:
        size: int. States in the cache. Defaults to `2000`.
        theta: float. How much a similar state counts more. Defaults to `0.3`.
        weight: float. The share of the cache, lambda, from 0 to 1. Defaults to `0.1`.

    Raises:
        ValueError: if an argument is out of its range.

    Example:

    >>> cache = ContinuousCache(size=500)
    >>> state = cache.start(batch_size=1, units=256)
    >>> log_probabilities, state = cache.mix(log_probabilities, hidden, targets, state)

    References:
        - Grave, Joulin and Usunier 2017, "Improving neural language models with a continuous
          cache", equations 2 to 4.
    """

    size: int = 2000
    theta: float = 0.3
    weight: float = 0.1

    def __post_init__(self):
        check_integer("cache_size", self.size, 1, MAX_CACHE)
        check_number("cache_theta", self.theta, 0, 1000)
        check_number("cache_lambda", self.weight, 0, 1)

    def start(self, batch_size: int, units: int) -> CacheState:
        """An empty cache.

        Args:
            batch_size: int.
            units: int. Size of the hidden states.
        """
        return CacheState(
            count=ops.zeros((batch_size,), "int32"),
            hidden=ops.zeros((batch_size, self.size, units), "float32"),
            tokens=ops.zeros((batch_size, self.size), "int32"),
        )

    def mix(self, log_probabilities, hidden, targets, state, mask=None):
        """The log-probabilities of the mixture, of a segment of a text.

        Args:
            log_probabilities: Float tensor `[batch, time]`: the model's, of the targets.
            hidden: Float tensor `[batch, time, units]`: the states from which it predicts them.
            targets: int32 tensor `[batch, time]`.
            state: A `CacheState` of the text before.
            mask: Boolean tensor `[batch, time]`, true on the first tokens of each row: the others
                are padding. Defaults to all true.

        Returns:
            A pair: float32 `[batch, time]`, and the next state.
        """
        hidden = ops.cast(hidden, "float32")
        steps = ops.shape(hidden)[1]
        keys = ops.concatenate([state["hidden"], hidden], axis=1)  # [batch, size + time, units]
        tokens = ops.concatenate([state["tokens"], ops.cast(targets, "int32")], axis=1)
        places = ops.arange(self.size + steps, dtype="int32")[None, None, :]
        distance = self.size + ops.arange(steps, dtype="int32")[None, :, None] - places
        in_cache = ops.logical_and(distance >= 1, distance <= self.size)
        is_filled = places >= self.size - state["count"][:, None, None]
        in_cache = ops.logical_and(in_cache, is_filled)  # [batch, time, size + time]
        scores = self.theta * ops.einsum("btu,bsu->bts", hidden, keys)
        weights = ops.softmax(ops.where(in_cache, scores, MASKED_SCORE), axis=-1)
        is_target = ops.logical_and(tokens[:, None, :] == ops.cast(targets, "int32")[:, :, None],
                                    in_cache)  # fmt: skip
        cached = ops.sum(ops.where(is_target, weights, 0.0), axis=-1)  # [batch, time]
        share = self.weight * ops.cast(ops.any(in_cache, axis=-1), "float32")
        model = ops.exp(ops.cast(log_probabilities, "float32"))
        mixed = ops.log(ops.maximum((1 - share) * model + share * cached, 1e-37))
        return mixed, self._after(keys, tokens, state["count"], mask, steps)

    def _after(self, keys, tokens, count, mask, steps):
        if mask is None:
            kept = slice(-self.size, None)
            keys, tokens, added = keys[:, kept], tokens[:, kept], ops.cast(steps, "int32")
        else:
            added = count_valid(mask)  # [batch]
            places = added[:, None] + ops.arange(self.size, dtype="int32")[None, :]
            keys = ops.take_along_axis(keys, places[:, :, None], axis=1)
            tokens = ops.take_along_axis(tokens, places, axis=1)
        count = ops.minimum(count + added, self.size)
        return CacheState(count=count, hidden=keys, tokens=tokens)
