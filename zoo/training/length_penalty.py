"""The length penalty of a model that writes, chosen on dev."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from zoo.tasks import task_of
from zoo.training.display import Display


def tune_length_penalty(
    model: Any,
    penalties: Sequence[float],
    score: Callable[[float], Mapping[str, float]],
    lower_is_better: Collection[str],
    display: Display,
) -> dict[str, float]:
    """Sets the length penalty of a model to that with the best score.

    The score is that by which models of its task are compared, such as BLEU. A model of short texts
    for which long ones would be right, as after training with label smoothing, needs a larger one.

    Args:
        model: A task that writes by beam search.
        penalties: The values to try; of those with equal scores the first is taken.
        score: Function of a length penalty that returns the scores of the dev split.
        lower_is_better: The names of scores of which the lowest is the best.
        display: Shows the progress.

    Returns:
        The scores and the choice as metrics: `length_penalty/bleu_at_1.3` and `length_penalty`.
    """
    found: dict[float, float] = {}
    name, task = "", task_of(type(model))
    assert task is not None
    for penalty in penalties:
        scores = score(penalty)
        name = next(it for it in task.headline if it in scores)
        found[penalty] = scores[name]
        display.say(f"length penalty {penalty:g}: {name} {found[penalty]:.4g} on dev")
    best = (min if name in lower_is_better else max)(found, key=lambda penalty: found[penalty])
    model.length_penalty = float(best)
    display.say(f"length penalty {best:g} is kept in the model")
    return {
        **{f"length_penalty/{name}_at_{penalty:g}": value for penalty, value in found.items()},
        "length_penalty": float(best),
    }
