"""Averaged SGD: the mean of the weights from the step on at which the dev score is stuck."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

NEVER = 2**31 - 1  # a step that no training reaches


class MeanOfWeights:
    """Mixin of an optimizer: what `use_ema` averages are the weights of all steps since one.

    Until `start_averaging` the average is the weights themselves. It has an effect only if
    `averages_late` is true before the optimizer is built.

    References:
        - Polyak and Juditsky 1992, "Acceleration of stochastic approximation by averaging".
    """

    averages_late = False
    average_since: Any = None  # the step, a variable of the optimizer

    def build(self, variables):
        super().build(variables)  # type: ignore[misc]
        if self.averages_late and self.average_since is None:
            never = keras.initializers.Constant(NEVER)
            self.average_since = self.add_variable(  # type: ignore[attr-defined]
                (), initializer=never, dtype="int32", name="average_since"
            )

    def _update_model_variables_moving_average(self, trainable_variables):
        if self.average_since is None:
            super()._update_model_variables_moving_average(trainable_variables)  # type: ignore[misc]
            return
        step = ops.cast(self.iterations, "int32")  # type: ignore[attr-defined]
        count = ops.cast(ops.maximum(step - self.average_since, 0), "float32")
        averages = self._model_variables_moving_average  # type: ignore[attr-defined]
        for variable, average in zip(trainable_variables, averages, strict=True):
            if average is not None:
                change = ops.cast(variable - average, "float32") / (count + 1)
                average.assign(average + ops.cast(change, average.dtype))


def start_averaging(optimizer: Any) -> bool:
    """Makes the next step the first of the mean; returns whether it was not begun before.

    Args:
        optimizer: A built optimizer with `averages_late`.
    """
    if int(optimizer.average_since) != NEVER:
        return False
    optimizer.average_since.assign(int(optimizer.iterations))
    return True


def is_stuck(scores: Sequence[float], interval: int, mode: str) -> bool:
    """True if the last score is worse than the best of those more than `interval` before it.

    Args:
        scores: The score of each epoch.
        interval: int. The non-monotone interval.
        mode: `"max"` or `"min"`: which scores are better.

    References:
        - Merity et al. 2017, "Regularizing and optimizing LSTM language models", algorithm 1.
    """
    *past, last = scores
    past = past[:-interval]
    if not past:
        return False
    return last < max(past) if mode == "max" else last > min(past)
