"""What a sentiment run shows of itself: confusions, samples, attention."""

from typing import TYPE_CHECKING

import numpy as np

from zoo.metrics import confusion

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from zoo.data import Columns
    from zoo.models import TextClassifier
    from zoo.tracking import Run

PICTURES = 1  # of each kind
SCORED_AT_ONCE = 256  # as in `score`, whose compiled shapes serve again


def report(model: "TextClassifier", columns: "Columns", run: "Run", samples: int) -> None:
    """Keeps with the run a confusion matrix, a table of answers, and attention pictures.

    Args:
        model: The trained classifier.
        columns: Texts and labels that it was not trained on.
        run: The run.
        samples: How many rows the table has: its surest mistakes and its greatest doubts, in
            equal parts. With 0 there are neither samples nor attention pictures.
    """
    texts, truth = columns["text"], columns["label"]
    answers = model.infer(texts, batch_size=SCORED_AT_ONCE)
    predicted = [answer.label for answer in answers]
    matrix = confusion(truth, predicted, model.labels)
    run.log_figure(draw_confusion(matrix, model.labels), "figures/confusion.png")
    if not samples:
        return
    by_doubt = sorted(range(len(texts)), key=lambda row: answers[row].probability)
    mistakes = [row for row in reversed(by_doubt) if predicted[row] != truth[row]]
    right = [row for row in by_doubt if predicted[row] == truth[row]]
    rows = mistakes[: samples // 2]
    rows += right[: samples - len(rows)]
    run.log_table(
        {
            "text": [texts[row] for row in rows],
            "predicted": [predicted[row] for row in rows],
            "label": [truth[row] for row in rows],
            "probability": [round(answers[row].probability, 4) for row in rows],
        },
        "samples.json",
    )
    kinds = {"mistake": mistakes[:PICTURES], "doubt": right[:PICTURES], "sure": right[-PICTURES:]}
    for kind, chosen in kinds.items():
        for number, row in enumerate(chosen, 1):
            if model.preprocessor.encode([texts[row]])[0]:  # an empty text has no attention
                figure = model.explain(texts[row]).figure()
                run.log_figure(figure, f"attention/{kind}_{number}.png")


def draw_confusion(matrix: np.ndarray, labels: tuple[str, ...]) -> "Figure":
    """A confusion matrix: true labels down, predicted ones across, shaded by share of the row."""
    from matplotlib.figure import Figure

    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    size = 2 + 0.7 * len(labels)
    figure = Figure(figsize=(size + 0.6, size), layout="constrained")
    axes = figure.subplots()
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    axes.set_xticks(range(len(labels)), labels, rotation=30, ha="right")
    axes.set_yticks(range(len(labels)), labels)
    axes.set(xlabel="predicted", ylabel="label")
    for row, column in np.ndindex(*matrix.shape):
        axes.text(
            column,
            row,
            f"{matrix[row, column]:,}\n{shares[row, column]:.1%}",
            ha="center",
            va="center",
            color="white" if shares[row, column] > 0.5 else "black",
        )
    return figure
