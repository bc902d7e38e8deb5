"""Soft labels: the class probabilities of teachers, and the loss of a student on them."""

from collections.abc import Callable, Mapping, Sequence

import keras
import keras_hub
import numpy as np
from keras import ops

from zoo.layers.crf.inference import IMPOSSIBLE
from zoo.training.display import Display
from zoo.training.distillation.teacher import Answers, Teacher
from zoo.training.losses import without_mask

UNLABELLED = -1  # id of the class of an example without a label
SMALLEST = 1e-30  # probability whose logarithm is taken

Classes = Mapping[str, Sequence[str]]


def soft_labels(
    teachers: Sequence[Teacher],
    inputs: Sequence,
    classes: Classes,
    classes_of: Callable[[keras_hub.models.Task], Classes],
    ask: Callable[[keras_hub.models.Task, Sequence], Answers],
    display: Display,
) -> Answers:
    """Log-probabilities of classes: the logarithm of the mean of the teachers' probabilities.

    They are those of temperature 1. As `log p` is the logits less a constant, `softmax(log p / T)`
    is the distribution of any temperature `T`.

    Args:
        teachers: The teachers.
        inputs: Texts, or lists of words: what the teachers read.
        classes: The names of the student's classes, by output.
        classes_of: Function that returns those of a teacher.
        ask: Function of a model and inputs that returns its probabilities, `[rows, classes]`
            by output.
        display: Shows the progress.

    Returns:
        Float16 `[rows, classes]` by output, in the order of `classes`.

    Raises:
        ValueError: if the classes of a teacher differ from the student's, or its answers are not
            numbers.

    References:
        - Hinton et al. 2015, "Distilling the knowledge in a neural network".
    """

    def answers(model, some):
        found = ask(model, some)
        for name, probabilities in found.items():
            if not np.isfinite(probabilities).all():
                raise ValueError(
                    "The probabilities of a teacher must be numbers: its weights are damaged, or "
                    f"it overflows. Choose another training.teacher. Received: {name} with NaN"
                )
        return {name: _log(probabilities) for name, probabilities in found.items()}

    orders = []
    for teacher in teachers:
        orders.append(_order(teacher, classes_of(teacher.model), classes))
        teacher.probe(inputs, answers)
    found = []
    for teacher, order in zip(teachers, orders, strict=True):
        answered = teacher.answers(inputs, answers, display)
        found.append({name: answered[name][:, order[name]] for name in classes})
        teacher.unload()
    if len(found) == 1:
        return found[0]
    return {
        name: _log(np.mean([np.exp(one[name].astype("float32")) for one in found], axis=0))
        for name in classes
    }


def _log(probabilities: np.ndarray) -> np.ndarray:
    return np.log(np.maximum(probabilities, SMALLEST)).astype("float16")


def _order(teacher: Teacher, found: Classes, expected: Classes) -> dict[str, list[int]]:
    """The places of the expected classes among those of a teacher, by output."""
    order = {}
    for name, names in expected.items():
        known = list(found.get(name, ()))
        if set(known) != set(names):
            raise ValueError(
                f"A teacher must have the classes of the data, in any order: its {name} differ. "
                f"Choose another training.teacher, or train one on these data. Received: "
                f"{teacher.source} with {known[:20]}, the data with {list(names)[:20]}"
            )
        order[name] = [known.index(one) for one in names]
    return order


def pack(ids: np.ndarray, log_probabilities: np.ndarray) -> np.ndarray:
    """Labels and soft labels as one target of a `DistillationLoss`.

    Args:
        ids: Integers `[...]`, `UNLABELLED` where there is no label.
        log_probabilities: Floats `[..., classes]`.

    Returns:
        Float32 `[..., 1 + classes]`.
    """
    ids = np.asarray(ids, "float32")[..., None]
    return np.concatenate([ids, log_probabilities], axis=-1, dtype="float32")


class DistillationLoss(keras.losses.Loss):
    """Loss of a student on soft labels, and on labels where there are some.

    `w T² KL(q_T ‖ p_T) + (1 - w) L`: `q_T` and `p_T` are the distributions of teacher and student
    at temperature `T`, `L` is the loss on the labels. `T²` keeps the gradient of the first term
    independent of `T`. An example without a label has `w = 1`.

    Args:
        hard: Function `(ids, outputs)` that returns `L` of each example, `[batch]`.
        soft: Function `(log_probabilities, outputs, temperature)` that returns the divergence of
            each example, `[batch]`.
        temperature: float. `T`.
        weight: float. `w`.

    Call arguments:
        y_true: `pack(ids, log_probabilities)`, `[batch, ..., 1 + classes]`.
        y_pred: Outputs of the model, `[batch, ..., classes]`.
        sample_weight: Float tensor `[batch]`.

    References:
        - Hinton et al. 2015, "Distilling the knowledge in a neural network", section 2.
    """

    takes_mask = False

    def __init__(self, hard, soft, temperature, weight, name="distillation_loss", **kwargs):
        super().__init__(name=name, **kwargs)
        self.hard, self.soft = hard, soft
        self.temperature, self.weight = temperature, weight

    def __call__(self, y_true, y_pred, sample_weight=None):
        return super().__call__(y_true, without_mask(y_pred), sample_weight)

    def call(self, y_true, y_pred):
        y_pred = ops.cast(y_pred, "float32")
        loss = self.temperature**2 * self.soft(y_true[..., 1:], y_pred, self.temperature)
        if self.weight == 1:
            return loss
        ids = ops.cast(y_true[..., 0], "int32")
        labelled = ops.any(ops.reshape(ids, (ops.shape(ids)[0], -1)) != UNLABELLED, axis=1)
        weight = ops.where(labelled, self.weight, 1.0)
        return weight * loss + (1 - weight) * self.hard(ids, y_pred)


def divergence(log_probabilities, logits, temperature):
    """`KL(q_T ‖ p_T)` of logits from log-probabilities, both `[..., classes]`, in nats."""
    target = ops.log_softmax(log_probabilities / temperature, axis=-1)
    log_p = ops.log_softmax(logits / temperature, axis=-1)
    return ops.sum(ops.exp(target) * (target - log_p), axis=-1)


def sentence_divergence(log_probabilities, potentials, temperature):
    """The same for the tags of sentences, summed over their words: `[batch]`."""
    valid = ops.any(potentials > IMPOSSIBLE / 2, axis=-1)  # [batch, words]
    potentials = ops.where(valid[:, :, None], potentials, 0.0)
    losses = divergence(log_probabilities, potentials, temperature)
    return ops.sum(ops.where(valid, losses, 0.0), axis=1)


def agreement(y_true, y_pred):
    """1 where the class is that of the label or, without one, of the teacher; `[batch]`."""
    ids = ops.cast(y_true[..., 0], "int32")
    taught = ops.cast(ops.argmax(y_true[..., 1:], axis=-1), "int32")
    expected = ops.where(ids == UNLABELLED, taught, ids)
    return ops.cast(ops.cast(ops.argmax(y_pred, axis=-1), "int32") == expected, "float32")
