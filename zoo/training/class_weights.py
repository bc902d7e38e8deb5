"""Weights of classes in the loss."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator
from pydantic_core import PydanticCustomError

from zoo.conflicts import Conflict

BALANCED = "balanced"


def _check(value: Any) -> Any:
    if value is None or value == BALANCED:
        return value
    if isinstance(value, dict) and value:
        weights = value.values()
        if all(
            isinstance(it, int | float) and not isinstance(it, bool) and it > 0 for it in weights
        ):
            if any(isinstance(label, bool) for label in value):
                raise PydanticCustomError(
                    "class_weights",
                    "must quote labels such as true, false, yes and no, which YAML reads as "
                    "booleans: {'true': 2.0}",
                )
            return {str(label): float(weight) for label, weight in value.items()}
    raise PydanticCustomError(
        "class_weights",
        "must be balanced, null, or weights above 0 by label, such as {negative: 2.0}",
    )


# `balanced`, or weights by label; a label that is left out has the weight 1.
ClassWeights = Annotated[Literal["balanced"] | dict[str, float] | None, BeforeValidator(_check)]


def class_weights(
    setting: str | dict[str, float] | None, labels: Sequence[str], truth: Iterable[str]
) -> dict[str, float]:
    """The weight of each label.

    Args:
        setting: `"balanced"`: `examples / (labels * examples of the label)`, over the labels that
            occur, so that all weigh the same together and an example weighs 1 on average; or
            weights by label, with 1 for those left out; or `None`.
        labels: The labels of the model.
        truth: The label of each training example.

    Returns:
        Weights by label; `{}` for `None`.
    """
    if setting is None:
        return {}
    if isinstance(setting, dict):
        return {label: setting.get(label, 1.0) for label in labels}
    counts = Counter(truth)
    total, known = sum(counts.values()), len(counts)
    return {label: total / (known * counts[label]) if counts[label] else 1.0 for label in labels}


def unknown_labels(setting: str | dict[str, float] | None, labels: Iterable[str]) -> list[str]:
    """The labels of the weights that are not among the labels, in order."""
    return (
        [name for name in setting if name not in set(labels)] if isinstance(setting, dict) else []
    )


def weight_conflicts(training: Any) -> Iterator[Conflict]:
    """Yields the conflict of class weights with a teacher, whose loss has no label to weight.

    Args:
        training: A section with `class_weights` and `teacher`.
    """
    if training.class_weights and training.teacher:
        yield Conflict(
            "class_weights are of the loss on the labels, which a teacher's replaces: leave one "
            "of them out",
            training__class_weights=training.class_weights,
            training__teacher=training.teacher,
        )
