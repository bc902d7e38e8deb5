"""Settings of a trained model that are chosen on dev, before it is stored."""

from collections.abc import Callable, Collection, Mapping, Sequence

from zoo.training.display import Display


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
