"""Report of a tagging run: scores by tag, confusions, CRF transitions, samples, explanations."""

import numpy as np
from keras import ops
from matplotlib import colormaps
from matplotlib.figure import Figure

from zoo.data import Columns
from zoo.explain.fonts import name_ticks
from zoo.explain.html.spans import page, to_html
from zoo.metrics import per_tag_table, tag_confusion, unknown_tags
from zoo.models import TokenClassifier
from zoo.tags import spans
from zoo.tracking import Run
from zoo.training.samples import log_explanations

NUM_FIGURES = 5
MAX_TAGS = 40  # of a model whose transitions are drawn


def report(model: TokenClassifier, columns: Columns, run: Run, samples: int) -> None:
    """Logs scores by tag, a confusion matrix, CRF transitions, samples and explanations.

    Args:
        model: The trained tagger.
        columns: Sentences and tags it was not trained on.
        run: The run.
        samples: Number of rows in the table of sentences, those with the most mistakes first.
            With 0, neither samples nor explanations are logged.
    """
    sentences, truth = columns["tokens"], columns["tags"]
    answers = model.infer(sentences)
    predicted = [answer.tags for answer in answers]
    table = per_tag_table(truth, predicted)
    run.log_table({name: [row[name] for row in table] for name in table[0]}, "tags.json")
    run.log_figure(draw_confusion(*tag_confusion(truth, predicted)), "figures/confusion.png")
    if unknown := unknown_tags([model.tags], truth):
        listed = ", ".join(f"{tag} ({count:,})" for tag, count in unknown.items())
        run.log_tags({"unknown_tags": listed})
    if model.head == "crf" and len(model.tags) <= MAX_TAGS:
        run.log_figure(draw_transitions(model), "figures/transitions.png")
    if not samples:
        return
    mistakes = [
        sum(one != other for one, other in zip(*pair, strict=True))
        for pair in zip(truth, predicted, strict=True)
    ]
    rows = sorted(range(len(truth)), key=mistakes.__getitem__, reverse=True)[:samples]
    run.log_table(
        {
            "sentence": [model.separator.join(sentences[row]) for row in rows],
            "predicted": [" ".join(predicted[row]) for row in rows],
            "tags": [" ".join(truth[row]) for row in rows],
            "mistakes": [mistakes[row] for row in rows],
        },
        "samples.json",
    )
    if model.scheme is not None:
        run.log_text(draw_spans(model.separator, sentences, truth, answers, rows), "samples.html")
    log_explanations(run, model, [words for words in sentences if words][:NUM_FIGURES])


def draw_spans(separator, sentences, truth, answers, rows) -> str:
    """A page of sentences with their spans in colours, as predicted and as annotated."""

    def versions(row):
        predicted = [(span.type, span.start, span.end) for span in answers[row].spans]
        name = f"predicted, {answers[row].intent}" if answers[row].intent else "predicted"
        yield name, to_html(sentences[row], predicted, separator)
        yield "annotated", to_html(sentences[row], spans(truth[row]), separator)

    return page("Sentences with the most mistakes", map(versions, rows))


def draw_confusion(matrix: np.ndarray, tags: list[str]) -> Figure:
    """Draws a confusion matrix: a row for each true tag, a column for each predicted one.

    Mistakes are shaded by their share of the row; the diagonal is not.
    """
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    mistakes = np.where(np.eye(len(tags), dtype=bool), 0, shares)
    figure = _draw(mistakes, tags, "Reds", xlabel="predicted", ylabel="tag")
    for row, column in zip(*np.nonzero(matrix), strict=True):
        is_dark = mistakes[row, column] > 0.6 * mistakes.max()
        figure.axes[0].text(
            column,
            row,
            str(matrix[row, column]),
            ha="center",
            va="center",
            fontsize=6,
            color="white" if is_dark else "black",
        )
    return figure


def draw_transitions(model: TokenClassifier) -> Figure:
    """Draws the transition scores of the CRF; transitions that are not allowed are grey."""
    scores = ops.convert_to_numpy(model.crf.transitions).astype("float64")
    if model.crf.allowed_transitions is not None:
        allowed = np.array(model.crf.allowed_transitions, "bool")[:-1, :-1]
        scores = np.where(allowed, scores, np.nan)
    return _draw(scores, model.tags, "PuOr_r", xlabel="to", ylabel="from", symmetric=True)


def _draw(values, tags, cmap, *, xlabel, ylabel, symmetric=False) -> Figure:
    """Heat map of `values` `[tags, tags]`, shaded from 0, or symmetrically around 0."""
    size = 2 + 0.32 * len(tags)
    figure = Figure(figsize=(size + 0.8, size), layout="constrained")
    axes = figure.subplots()
    limit = max(np.nanmax(np.abs(values)), 1e-9)
    cmap = colormaps[cmap].with_extremes(bad="#dddddd")
    heat = axes.imshow(values, cmap=cmap, vmin=-limit if symmetric else 0, vmax=limit)
    name_ticks(axes, tags, rotation=60, fontsize=8)
    axes.set(xlabel=xlabel, ylabel=ylabel)
    figure.colorbar(heat, shrink=0.7)
    return figure
