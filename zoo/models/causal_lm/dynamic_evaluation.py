"""Dynamic evaluation: a model keeps learning from the text on which it is tested."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops

from zoo.checks import check_integer, check_number
from zoo.models.causal_lm.cache import ContinuousCache
from zoo.models.causal_lm.scoring import Scorer, label_log_probabilities
from zoo.models.gradients import with_gradients


@dataclass(frozen=True)
class DynamicEvaluation:
    """Scores texts in order, and after each segment takes a step of gradient descent on it.

    Every token is predicted before the model has learnt from it. With g the gradient of the mean
    cross-entropy of a segment, w the weights and w0 those before, the step is one of:

    - without statistics: `w ← w - rate g + decay (w0 - w)`, with the norm of g at most `clip`;
    - with statistics, RMS the root mean squares of gradients on the training texts (from
      `gradient_statistics`): `w ← w - rate g / (RMS + epsilon) + decay' (w0 - w)`, with decay'
      the decay times `RMS / mean(RMS)`, at most 1.

    The weights are those before when it is done.

    Args:
        rate: float. The learning rate. Defaults to `0.1`.
        decay: float. How fast the weights return to those before. Defaults to `0.001`.
        segment: int. Tokens between two steps. Defaults to `20`.
        clip: float. The largest norm of a gradient. Defaults to `1.0`.
        epsilon: float. Defaults to `0.001`.

    Raises:
        ValueError: if an argument is out of its range.

    Example:

    >>> losses = DynamicEvaluation(rate=0.1).log_probabilities(model, [text_ids])

    References:
        - Krause et al. 2018, "Dynamic evaluation of neural sequence models", equations 4 to 8.
    """

    rate: float = 0.1
    decay: float = 0.001
    segment: int = 20
    clip: float = 1.0
    epsilon: float = 0.001

    def __post_init__(self):
        check_number("dynamic_rate", self.rate, 0, 1000)
        check_number("dynamic_decay", self.decay, 0, 1)
        check_integer("dynamic_segment", self.segment, 1, 16_384)
        check_number("clip", self.clip, 0)
        check_number("epsilon", self.epsilon, 0)

    def log_probabilities(
        self,
        model: Any,
        encoded: Sequence[Sequence[int]],
        cache: ContinuousCache | None = None,
        statistics: Sequence[np.ndarray] | None = None,
    ) -> list[np.ndarray]:
        """The log-probability of each token of texts, and of their ends.

        Args:
            model: A `CausalLM` with a preprocessor and a recurrent decoder.
            encoded: Token ids of the texts, without start and end, in order.
            cache: A `ContinuousCache` to mix in. Defaults to `None`.
            statistics: Root mean squares of gradients, for each trainable variable of the model.
                Defaults to `None`.

        Returns:
            For each text float32 `[tokens + 1]`.

        Raises:
            ValueError: if the model is a Transformer.
        """
        weights = model.trainable_variables
        roots = scales = None
        if statistics is not None:
            roots = [ops.convert_to_tensor(root, "float32") for root in statistics]
            scales = _scales(statistics, self.decay)
        results = []
        with _restored(weights) as before:
            for text in self._texts(model, encoded, cache):
                found = []
                for log_probabilities, gradients in text:
                    found.append(log_probabilities)
                    self._step(weights, before, gradients, roots, scales)
                results.append(np.concatenate(found))
        return results

    def gradient_statistics(self, model: Any, encoded: Sequence[Sequence[int]]) -> list[np.ndarray]:
        """Root mean squares of the gradients of segments, for each trainable variable.

        Args:
            model: A `CausalLM` with a preprocessor and a recurrent decoder.
            encoded: Token ids of texts on which the model was trained.
        """
        sums, count = None, 0
        for text in self._texts(model, encoded, None):
            for _, gradients in text:
                squares = [ops.square(gradient) for gradient in gradients]
                sums = (
                    squares if sums is None else [a + b for a, b in zip(sums, squares, strict=True)]
                )
                count += 1
        return [np.sqrt(ops.convert_to_numpy(one) / count) for one in sums or ()]

    def _texts(self, model, encoded, cache) -> Iterator[Iterator[tuple[np.ndarray, list]]]:
        """For each text its segments: their log-probabilities and gradients."""
        if not model.backbone.carries_state:
            raise ValueError(
                "Dynamic evaluation is for recurrent models, which carry a state from segment to "
                f"segment. Received: decoder={model.backbone.decoder!r}"
            )
        scorer = Scorer(model, cache)

        def function(token_ids, labels, mask, state, cache_state):
            backbone = model.backbone
            hidden, state = backbone.call_with_state(token_ids, state, padding_mask=mask)
            found = label_log_probabilities(model.head(hidden), labels)
            loss = -ops.sum(ops.where(mask, found, 0.0)) / ops.sum(ops.cast(mask, "float32"))
            if cache is not None:
                found, cache_state = cache.mix(found, hidden, labels, cache_state, mask)
            return loss, (found, state, cache_state)

        run = with_gradients(function, model.trainable_variables)
        return (self._segments(model, ids, scorer, run) for ids in encoded)

    def _segments(self, model, ids, scorer, run):
        preprocessor = model.preprocessor
        whole = [preprocessor.start_token_id, *ids, preprocessor.end_token_id]
        state, cache_state = scorer.initial_states(1, self.segment)
        for begin in range(0, len(whole) - 1, self.segment):
            part = whole[begin : begin + self.segment + 1]
            count = len(part) - 1
            part = np.array(part + [0] * (self.segment - count), "int32")[None]
            mask = np.arange(self.segment)[None] < count
            (found, state, cache_state), gradients = run(
                part[:, :-1], part[:, 1:], mask, state, cache_state
            )
            yield ops.convert_to_numpy(found)[0, :count], gradients

    def _step(self, weights, before, gradients, roots, scales):
        """Changes the weights by the gradients of a segment."""
        if roots is None:
            norm = ops.sqrt(sum(ops.sum(ops.square(gradient)) for gradient in gradients))
            rate = self.rate * ops.minimum(1.0, self.clip / ops.maximum(norm, 1e-12))
        for i, (weight, first, gradient) in enumerate(zip(weights, before, gradients, strict=True)):
            if roots is None:
                change, decay = rate * gradient, self.decay
            else:
                change, decay = self.rate * gradient / (roots[i] + self.epsilon), scales[i]
            value = ops.stop_gradient(weight.value)
            weight.assign(value - change + decay * (first - value))


def _scales(roots, decay):
    """The decay of each weight, in proportion to the root mean square of its gradient."""
    mean = np.concatenate([root.ravel() for root in roots]).mean()
    scaled = (np.minimum(decay * root / max(mean, 1e-12), 1.0) for root in roots)
    return [ops.convert_to_tensor(one, "float32") for one in scaled]


@contextmanager
def _restored(weights: Sequence[keras.Variable]):
    """Yields copies of the weights, and assigns them in the end."""
    before = [ops.copy(ops.stop_gradient(weight.value)) for weight in weights]
    try:
        yield before
    finally:
        for weight, value in zip(weights, before, strict=True):
            weight.assign(value)
