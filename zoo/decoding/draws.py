"""Random choice of tokens by random numbers that are drawn beforehand."""

from typing import Any, NamedTuple

import numpy as np
from keras import ops

from zoo.decoding.blocking import power_of_two

LARGEST_NUMBER = 1 - 1e-6  # below 1 also after rounding to float32
LEAST_TEMPERATURE = 1e-6  # lower ones count as this


class Draws(NamedTuple):
    """A sampler: chooses each token by one given random number.

    The same numbers give the same tokens, on every backend up to rounding, and no generator has a
    state that a loop would have to carry. The temperature comes first, then `top_k`, then `top_p`,
    as in `transformers`.

    Args:
        uniform: Float tensor `[rows, max_length]`: numbers from 0 to 1, without 1.
        temperature: Float scalar tensor, above 0. The logits are divided by it.
        top_k: int32 scalar tensor. How many of the most probable tokens may be chosen. Defaults to
            `None`: all.
        top_p: Float scalar tensor. The share of the probability that the most probable tokens must
            have together, of which one is chosen. Defaults to `None`: all.
        width: int. How many tokens are sorted for `top_k` and `top_p`: at least `top_k`. Defaults
            to `None`: the vocabulary.

    References:
        - Top-k: Fan et al. 2018. Top-p: Holtzman et al. 2020, "The curious case of neural text
          degeneration".
    """

    uniform: Any
    temperature: Any = 1.0
    top_k: Any = None
    top_p: Any = None
    width: int | None = None

    def choose(self, logits, allowed, index):
        """Chooses the tokens of a step.

        Args:
            logits: Float tensor `[rows, vocabulary]`.
            allowed: The same with lowered logits of tokens that may not be chosen.
            index: int32 scalar tensor. The index of the step.

        Returns:
            The logits of the chosen tokens and the tokens, `[rows]` each.
        """
        number = ops.take(self.uniform, index, axis=1)[:, None]  # [rows, 1]
        # From the greatest down, so that a low temperature leaves it alone and overflows nothing.
        allowed = ops.cast(allowed, "float32")
        scaled = allowed - ops.max(allowed, axis=-1, keepdims=True)
        scaled = scaled / ops.maximum(self.temperature, LEAST_TEMPERATURE)
        if self.top_k is None and self.top_p is None:
            tokens = _invert(ops.softmax(scaled, axis=-1), number)
        else:
            width = min(max(self.width or logits.shape[-1], 2), logits.shape[-1])
            scaled, sorted_tokens = ops.top_k(scaled, width)
            place = _invert(self._kept(ops.softmax(scaled, axis=-1)), number)
            tokens = ops.take_along_axis(ops.cast(sorted_tokens, "int32"), place, axis=-1)
        return ops.take_along_axis(logits, tokens, axis=-1)[:, 0], tokens[:, 0]

    def _kept(self, probabilities):
        """Sorted probabilities `[rows, width]`, zero where `top_k` and `top_p` leave tokens out."""
        if self.top_k is not None:
            rank = ops.arange(probabilities.shape[-1], dtype="int32")[None, :]
            probabilities = probabilities * ops.cast(rank < self.top_k, "float32")
        if self.top_p is not None:
            share = probabilities / ops.sum(probabilities, axis=-1, keepdims=True)
            before = ops.cumsum(share, axis=-1) - share  # of more probable tokens
            probabilities = probabilities * ops.cast(before < self.top_p, "float32")
        return probabilities


def _invert(probabilities, number):
    """The place at which the sum of probabilities exceeds a number's share of it, `[rows, 1]`."""
    sums = ops.cumsum(probabilities, axis=-1)
    passed = sums <= number * sums[:, -1:]
    place = ops.sum(ops.cast(passed, "int32"), axis=-1, keepdims=True)
    return ops.minimum(ops.cast(place, "int32"), probabilities.shape[-1] - 1)


def draw_kind(options: Any) -> int | str | None:
    """The way of choosing tokens, as part of the key of a program: `None` is the best token.

    Args:
        options: With `draws`, `top_k` and `top_p`, as `zoo.sampling_options.SamplingOptions` has.
    """
    if not options.draws:
        return None
    if options.top_k:
        return power_of_two(options.top_k)  # how many are sorted
    return "top_p" if options.top_p < 1 else "all"


def draw_arguments(options: Any, kind: int | str | None, uniform: np.ndarray) -> tuple[Any, ...]:
    """The arguments of a program that draws: what changes from call to call.

    Args:
        options: With `temperature`, `top_k` and `top_p`.
        kind: See `draw_kind`.
        uniform: Float array `[rows, max_length]`: see `random_numbers`.
    """
    if kind is None:
        return ()
    temperature, top_p = np.float32(options.temperature), np.float32(options.top_p)
    if kind == "all":
        return uniform, temperature
    if kind == "top_p":
        return uniform, temperature, top_p
    return uniform, temperature, top_p, np.int32(options.top_k)


def sampler_of(kind: int | str | None, numbers: tuple[Any, ...]) -> Draws | str:
    """The sampler of a kind, for `zoo.decoding.sample`.

    Args:
        kind: See `draw_kind`.
        numbers: What `draw_arguments` returned, as tensors.
    """
    if kind is None:
        return "greedy"
    uniform, temperature, *limits = numbers
    top_p, top_k = (*limits, None, None)[:2]
    return Draws(uniform, temperature, top_k, top_p, kind if isinstance(kind, int) else None)


def random_numbers(seed: int, row: int, count: int) -> np.ndarray:
    """The random numbers of one row, float32 `[count]`, from 0 to below 1."""
    drawn = np.random.default_rng([seed, row]).random(count)
    return (drawn * LARGEST_NUMBER).astype("float32")
