"""Weights that are the same on every backend, which a seed would not give."""

from collections.abc import Iterable

import keras
import numpy as np


def assign_normal(weights: Iterable[keras.Variable], scale: float = 1.0) -> None:
    """Assigns normal random numbers of deviation `scale / sqrt(fan_in)`, the same each time.

    The fan-in is the first dimension of a weight, and one for a scalar.
    """
    generator = np.random.default_rng(0)
    for weight in weights:
        shape = tuple(weight.shape)
        fan_in = shape[0] if shape else 1
        weight.assign(scale * generator.normal(size=shape) / np.sqrt(fan_in))


def without_seeds(weights: Iterable[keras.Variable]) -> list[keras.Variable]:
    """The weights that are not states of random generators."""
    return [weight for weight in weights if "seed_generator" not in weight.path]
