"""Settings of a trained model that are chosen on dev, before it is stored."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import keras_hub

from zoo.data import Columns
from zoo.tasks import task_of
from zoo.training.display import Display
from zoo.training.recipe import Recipe


def best_on_dev(
    name: str,
    values: Sequence[float],
    score: Callable[[float], Mapping[str, float]],
    metrics: Sequence[str],
    lower_is_better: Collection[str],
    display: Display,
) -> tuple[float, dict[str, float]]:
    """The value of a setting with the best score.

    Args:
        name: The setting, such as `"length_penalty"`.
        values: The values to try; of those with equal scores the first is taken.
        score: Function of a value that returns the scores of the dev split.
        metrics: The score to compare, or several, of which the first that was measured counts.
        lower_is_better: The names of scores of which the lowest is the best.
        display: Shows the progress.

    Returns:
        The value; and the scores and the value as metrics: `length_penalty/bleu_at_1.3` and
        `length_penalty`.
    """
    found: dict[float, float] = {}
    shown, metric = name.replace("_", " "), ""
    for value in values:
        scores = score(value)
        metric = next(it for it in metrics if it in scores)
        found[value] = scores[metric]
        display.say(f"{shown} {value:g}: {metric} {found[value]:.4g} on dev")
    best = float((min if metric in lower_is_better else max)(found, key=lambda value: found[value]))
    display.say(f"{shown} {best:g} is kept in the model")
    scored = {f"{name}/{metric}_at_{value:g}": score for value, score in found.items()}
    return best, {**scored, name: best}


class WriterRecipe(Recipe):
    """Recipe of a model that writes by beam search, with `WriterEvaluation`."""

    def tune(
        self, model: keras_hub.models.Task, columns: Columns, display: Display
    ) -> dict[str, float]:
        """Sets the length penalty to the best of `evaluation.length_penalties`.

        By the score by which models of the task are compared, such as BLEU. Where dev has longer
        texts than others, the best on dev may be worse on these.
        """
        evaluation: Any = self.config.evaluation
        penalties, task = evaluation.length_penalties, task_of(type(model))
        if not penalties or task is None:
            return {}
        model.length_penalty, found = best_on_dev(
            "length_penalty",
            penalties,
            lambda penalty: self.search_scores(model, columns, length_penalty=penalty),
            task.headline,
            evaluation.lower_is_better,
            display,
        )
        return found

    def search_scores(
        self, model: keras_hub.models.Task, columns: Columns, **search: Any
    ) -> dict[str, float]:
        """Scores a search with options on the dev split. Defaults to `model.score`."""
        return model.score(columns, **search)
