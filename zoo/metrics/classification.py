"""Metrics of classification, from scikit-learn."""

from collections.abc import Sequence

import numpy as np

from zoo.extras import need
from zoo.metrics.calibration import expected_calibration_error
from zoo.unicode import compose


def classification_scores(
    truth: Sequence[str], probabilities: np.ndarray, labels: Sequence[str]
) -> dict[str, float]:
    """Scores of predicted probabilities.

    Args:
        truth: The true labels.
        probabilities: Floats `[examples, labels]`.
        labels: The label of each column.

    Returns:
        `accuracy` and `macro_f1` (unweighted mean of the F1 of each label), between 0 and 1;
        `loss`, the mean cross-entropy in nats; and `ece`, the expected calibration error.

    Raises:
        ValueError: if there are no examples, or a true label is not among `labels`.
    """
    need("train", "Measuring", "sklearn")
    from sklearn.metrics import accuracy_score, f1_score, log_loss

    if not len(truth):
        raise ValueError("There is nothing to score: the split has no examples.")
    truth, labels = [compose(label) for label in truth], [compose(label) for label in labels]
    strange = sorted(set(truth) - set(labels))
    if strange:
        raise ValueError(
            f"The data has labels that the model does not know. The model knows {list(labels)}. "
            f"Received: {strange}"
        )
    probabilities = probabilities.astype("float64")
    probabilities /= probabilities.sum(axis=-1, keepdims=True)  # sums may be off by rounding
    index = {label: i for i, label in enumerate(labels)}
    expected = np.array([index[label] for label in truth])
    predicted = probabilities.argmax(axis=-1)
    every = list(range(len(labels)))
    return {
        "accuracy": float(accuracy_score(expected, predicted)),
        "macro_f1": float(
            f1_score(expected, predicted, labels=every, average="macro", zero_division=0)
        ),
        "loss": float(log_loss(expected, probabilities, labels=every)),
        "ece": expected_calibration_error(probabilities.max(axis=-1), predicted == expected),
    }


def confusion(truth: Sequence[str], predicted: Sequence[str], labels: Sequence[str]) -> np.ndarray:
    """Confusion matrix, integers `[labels, labels]`: true labels in rows, predicted in columns."""
    need("train", "Measuring", "sklearn")
    from sklearn.metrics import confusion_matrix

    truth, predicted, labels = (
        [compose(label) for label in part] for part in (truth, predicted, labels)
    )
    return confusion_matrix(truth, predicted, labels=labels)
