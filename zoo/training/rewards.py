"""Learning from the scores of texts that a model draws itself (self-critical training)."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from keras import ops

from zoo.training.losses import TokenCrossentropy
from zoo.training.recipe import TrainingExamples

# What `Recipe.draw` adds to the columns: for each row its texts, each a dictionary with the text
# and its score by the name of the reward.
DRAWN = "drawn"


class PolicyGradient(TokenCrossentropy):
    """The cross-entropy of drawn tokens, in nats, times the advantage of their text: its mean.

    Its gradient is an estimate of that of minus the expected score: a text with an advantage above
    0 becomes more probable, one with an advantage below 0 less.

    Args:
        temperature: float. The temperature at which the texts were drawn. Defaults to `1.0`.

    Call arguments:
        y_true: Integer tensor `[batch, time]`, the tokens.
        y_pred: Logits `[batch, time, vocabulary]`.
        sample_weight: Float tensor `[batch, time]`: the advantage of the text, 0 at padding.

    References:
        - Williams 1992, "Simple statistical gradient-following algorithms for connectionist
          reinforcement learning"; Rennie et al. 2017, "Self-critical sequence training for image
          captioning", equation 7.
    """

    def __init__(self, temperature=1.0, name="policy_gradient", **kwargs):
        kwargs.setdefault("reduction", "sum_over_batch_size")  # weights may sum to 0
        super().__init__(name=name, **kwargs)
        self.temperature = temperature

    def call(self, y_true, y_pred):
        return super().call(y_true, ops.cast(y_pred, "float32") / self.temperature)

    def get_config(self):
        return super().get_config() | {"temperature": self.temperature}


def mean_scores(drawn: Sequence[Sequence[dict]], rewards: Sequence[str]) -> dict[str, float]:
    """The mean score of all drawn texts, by the name of the reward."""
    texts = [text for row in drawn for text in row]
    return {name: float(np.mean([text[name] for text in texts])) for name in rewards}


def advantages(drawn: Sequence[Sequence[dict]], rewards: Sequence[str]) -> list[float]:
    """The advantage of each drawn text over the others of its row.

    It is the score less the mean score of the others, so that a row that is easy counts no more
    than one that is hard. Each reward is divided by the standard deviation of these differences,
    so that several have the same weight, whatever their units.

    Args:
        drawn: The column `DRAWN`.
        rewards: The names of the scores to use, of which the mean advantage is returned.

    Returns:
        The advantages, row after row; 0 of a single text.

    References:
        - Kool et al. 2019, "Buy 4 REINFORCE samples, get a baseline for free!", equation 8.
    """
    total = np.zeros(sum(map(len, drawn)))
    for name in rewards:
        scores = [np.array([text[name] for text in row], "float64") for row in drawn]
        found = np.concatenate([_over_others(row) for row in scores])
        rounding = 1e-9 * np.abs(np.concatenate(scores)).max(initial=1.0)
        if (deviation := found.std()) > rounding:  # else all are alike: nothing to learn
            total += found / deviation / len(rewards)
    return total.tolist()


def learned_from(
    examples: TrainingExamples, weights: Sequence[float], scores: Mapping[str, float]
) -> TrainingExamples:
    """The examples of drawn texts, weighted as `PolicyGradient` takes them.

    Args:
        examples: An example for each drawn text, as one of a reference is made.
        weights: The advantage of each.
        scores: Scores of the texts, to log.
    """
    factors = np.array(weights, "float32")

    def collate(rows, length):
        inputs, targets, mask = examples.collate(rows, length)
        return inputs, targets, mask * factors[rows][:, None]

    return replace(examples, collate=collate, scores=scores)


def _over_others(scores):
    """Each score less the mean of the others; 0 of a single one."""
    if len(scores) < 2:
        return np.zeros(len(scores))
    return scores - (scores.sum() - scores) / (len(scores) - 1)
