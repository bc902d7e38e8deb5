"""Samples of a run: the rows to show, and their explanations."""

from collections.abc import Iterable, Sequence
from typing import Any

import keras_hub

from zoo.explain.drawable import Drawable
from zoo.tracking import Run


def worst_and_best(scores: Sequence[float], samples: int) -> list[int]:
    """Rows with the lowest and the highest scores, in equal parts, the lowest first.

    Args:
        scores: The score of each row.
        samples: Maximum number of rows; of an odd number the lowest get one more.
    """
    by_score = sorted(range(len(scores)), key=scores.__getitem__)
    samples = min(samples, len(by_score))
    best = samples // 2
    return by_score[: samples - best] + by_score[len(by_score) - best :]


def log_explanation(run: Run, explanation: Drawable, name: str) -> None:
    """Logs an explanation as a picture, `attention/NAME.png`, and as a page with numbers, `.html`.

    Args:
        run: The run.
        explanation: What `model.explain` returns.
        name: Name of the files.
    """
    run.log_figure(explanation.figure(), f"attention/{name}.png")
    run.log_text(explanation.to_html(), f"attention/{name}.html")


def log_explanations(run: Run, model: keras_hub.models.Task, inputs: Iterable[Any]) -> None:
    """Logs the explanation of each input as `01` and so on; see `log_explanation`.

    Args:
        run: The run.
        model: A model that explains its answers.
        inputs: Inputs of `model.explain`.
    """
    for number, one in enumerate(inputs, 1):
        log_explanation(run, model.explain(one), f"{number:02}")
