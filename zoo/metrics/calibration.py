"""Calibration: how well probabilities agree with the share of right answers, and temperature."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from zoo.extras import need

BINS = 15
LIMITS = (0.05, 20.0)  # of a temperature


@dataclass(frozen=True)
class Calibration:
    """Calibration of a classifier by a temperature, measured on the data that it was fitted on.

    Attributes:
        temperature: The logits are divided by it.
        ece_before, ece_after: Expected calibration error with temperature 1, and with this one.
        loss_before, loss_after: Mean cross-entropy in nats, likewise.
        before, after: Columns of `reliability`, likewise.
    """

    temperature: float
    ece_before: float
    ece_after: float
    loss_before: float
    loss_after: float
    before: dict[str, list]
    after: dict[str, list]

    def metrics(self) -> dict[str, float]:
        """Values by name: `calibration/temperature`, `calibration/ece_before`, …."""
        names = ("temperature", "ece_before", "ece_after", "loss_before", "loss_after")
        return {f"calibration/{name}": getattr(self, name) for name in names}


def calibrate(logits: np.ndarray, truth: Sequence[int] | np.ndarray) -> Calibration:
    """Fits the temperature with the lowest cross-entropy, between 0.05 and 20.

    No answer changes, because all logits of an example are divided by the same number.

    Args:
        logits: Floats `[examples, labels]`.
        truth: The id of the true label of each example.

    References:
        - Guo et al. 2017, On calibration of modern neural networks, section 4.2, equation 9.
    """
    need("train", "Calibration", "scipy")
    from scipy.optimize import minimize_scalar

    logits, truth = logits.astype("float64"), np.asarray(truth)
    low, high = np.log(LIMITS)

    def loss(log_temperature):
        log_probabilities = _log_softmax(logits / np.exp(log_temperature))
        return -log_probabilities[np.arange(len(truth)), truth].mean()

    # In the inverse temperature the loss is convex, so it has one minimum in its logarithm too.
    found = minimize_scalar(loss, bounds=(low, high), method="bounded", options={"xatol": 1e-4})
    temperature = round(float(np.exp(found.x)), 4)
    right = logits.argmax(axis=-1) == truth
    before, after = (np.exp(_log_softmax(logits / t)).max(axis=-1) for t in (1.0, temperature))
    return Calibration(
        temperature=temperature,
        ece_before=expected_calibration_error(before, right),
        ece_after=expected_calibration_error(after, right),
        loss_before=float(loss(0.0)),
        loss_after=float(loss(np.log(temperature))),
        before=reliability(before, right),
        after=reliability(after, right),
    )


def reliability(probabilities: np.ndarray, right: np.ndarray, bins: int = BINS) -> dict[str, list]:
    """Answers in bins of equal width of their probability.

    Args:
        probabilities: The probability of each answer, between 0 and 1.
        right: Whether each answer is right.
        bins: int. Number of bins. Defaults to `15`.

    Returns:
        Columns with a row for each bin that has answers: `bin` (its number, from 0), `count`, and
        the mean `probability` and the `accuracy` of its answers.
    """
    probabilities, right = np.asarray(probabilities, "float64"), np.asarray(right, "float64")
    numbers = np.clip(np.ceil(probabilities * bins).astype(int) - 1, 0, bins - 1)
    columns: dict[str, list] = {"bin": [], "count": [], "probability": [], "accuracy": []}
    for number in np.unique(numbers):
        chosen = numbers == number
        columns["bin"].append(int(number))
        columns["count"].append(int(chosen.sum()))
        columns["probability"].append(float(probabilities[chosen].mean()))
        columns["accuracy"].append(float(right[chosen].mean()))
    return columns


def expected_calibration_error(
    probabilities: np.ndarray, right: np.ndarray, bins: int = BINS
) -> float:
    """Mean distance of probability and accuracy over the bins of `reliability`, by their counts.

    References:
        - Guo et al. 2017, equation 3; Naeini et al. 2015.
    """
    columns = reliability(probabilities, right, bins)
    distances = np.abs(np.subtract(columns["probability"], columns["accuracy"]))
    return float(np.average(distances, weights=columns["count"]))


def _log_softmax(logits):
    shifted = logits - logits.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
