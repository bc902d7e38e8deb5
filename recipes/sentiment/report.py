"""Report of a sentiment run: confusion matrix, samples, explanations."""

import numpy as np
from matplotlib.figure import Figure

from zoo.data import Columns
from zoo.explain.fonts import name_ticks
from zoo.metrics import confusion
from zoo.models import TextClassifier
from zoo.tracking import Run
from zoo.training.samples import log_explanation

NUM_FIGURES = 1  # of mistakes, of doubts and of sure answers each
BATCH_SIZE = 256  # as in `score`, so that its compiled shapes are reused


def report(model: TextClassifier, columns: Columns, run: Run, samples: int) -> None:
    """Logs a confusion matrix, a table of answers, and explanations.

    Args:
        model: The trained classifier.
        columns: Texts and labels it was not trained on.
        run: The run.
        samples: Number of rows in the table: the mistakes with the highest probability and the
            right answers with the lowest, in equal parts. With 0, neither samples nor explanations
            are logged.
    """
    texts, truth = columns["text"], columns["label"]
    answers = model.infer(texts, batch_size=BATCH_SIZE)
    predicted = [answer.label for answer in answers]
    matrix = confusion(truth, predicted, model.labels)
    run.log_figure(draw_confusion(matrix, model.labels), "figures/confusion.png")
    if not samples:
        return
    by_probability = sorted(range(len(texts)), key=lambda row: answers[row].probability)
    mistakes = [row for row in reversed(by_probability) if predicted[row] != truth[row]]
    right = [row for row in by_probability if predicted[row] == truth[row]]
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
    kinds = {
        "mistake": mistakes[:NUM_FIGURES],
        "doubt": right[:NUM_FIGURES],
        "sure": right[-NUM_FIGURES:],
    }
    for kind, chosen in kinds.items():
        for number, row in enumerate(chosen, 1):
            if model.preprocessor.words(texts[row]):  # an empty text has no explanation
                log_explanation(run, model.explain(texts[row]), f"{kind}_{number}")


def draw_confusion(matrix: np.ndarray, labels: tuple[str, ...]) -> Figure:
    """Draws a confusion matrix: a row for each true label, a column for each predicted one.

    Cells show the count and its share of the row, which is their shade.
    """
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    size = 2 + 0.7 * len(labels)
    figure = Figure(figsize=(size + 0.6, size), layout="constrained")
    axes = figure.subplots()
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    name_ticks(axes, labels, rotation=30)
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
