"""What a tagging run shows of itself: each tag, confusions, samples, transitions, attention."""

from typing import TYPE_CHECKING

import numpy as np
from keras import ops

from zoo.metrics import per_tag_table, tag_confusion, unknown_tags

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from zoo.data import Columns
    from zoo.models import TokenClassifier
    from zoo.tracking import Run

PICTURES = 5
MAX_TAGS = 40  # of which transitions are drawn


def report(model: "TokenClassifier", columns: "Columns", run: "Run", samples: int) -> None:
    """Keeps with the run a table and a picture of the tags, transitions, samples and attention.

    Args:
        model: The trained tagger.
        columns: Sentences and tags that it was not trained on.
        run: The run.
        samples: How many rows the table of sentences has, those with the most mistakes first.
            With 0 there are neither samples nor attention pictures.
    """
    sentences, truth = columns["tokens"], columns["tags"]
    answers = model.infer(sentences)
    predicted = [answer.tags for answer in answers]
    table = per_tag_table(truth, predicted)
    run.log_table({name: [row[name] for row in table] for name in table[0]}, "tags.json")
    run.log_figure(draw_confusion(*tag_confusion(truth, predicted)), "figures/confusion.png")
    if unknown := unknown_tags([model.tags], truth):
        told = ", ".join(f"{tag} ({count:,})" for tag, count in unknown.items())
        run.log_tags({"unknown_tags": told})
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
            "sentence": [" ".join(sentences[row]) for row in rows],
            "predicted": [" ".join(predicted[row]) for row in rows],
            "tags": [" ".join(truth[row]) for row in rows],
            "mistakes": [mistakes[row] for row in rows],
        },
        "samples.json",
    )
    if model.backbone.attention == "none":
        return
    pictured = [row for row, words in enumerate(sentences) if words][:PICTURES]
    for number, row in enumerate(pictured, 1):
        run.log_figure(model.explain(sentences[row]).figure(), f"attention/{number:02}.png")


def draw_confusion(matrix: np.ndarray, tags: list[str]) -> "Figure":
    """True tags down, predicted ones across, shaded by share of the row; the diagonal left out."""
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    mistakes = np.where(np.eye(len(tags), dtype=bool), 0, shares)
    texts = np.where(matrix > 0, matrix.astype(str), "")
    return _draw(mistakes, tags, tags, texts, "Reds", ("predicted", "tag"))


def draw_transitions(model: "TokenClassifier") -> "Figure":
    """What the CRF adds where a tag follows another; grey where it may not."""
    weights = ops.convert_to_numpy(model.crf.transitions).astype("float64")
    if model.crf.allowed_transitions is not None:
        allowed = np.array(model.crf.allowed_transitions, "bool")[:-1, :-1]
        weights = np.where(allowed, weights, np.nan)
    tags = list(model.tags)
    texts = np.full(weights.shape, "")
    return _draw(weights, tags, tags, texts, "PuOr_r", ("to", "from"), symmetric=True)


def _draw(values, rows, columns, texts, colours, axes_labels, symmetric=False) -> "Figure":
    from matplotlib import colormaps
    from matplotlib.figure import Figure

    size = 2 + 0.32 * len(rows)
    figure = Figure(figsize=(size + 0.8, size), layout="constrained")
    axes = figure.subplots()
    highest = max(np.nanmax(np.abs(values)), 1e-9)
    shades = colormaps[colours].with_extremes(bad="#dddddd")
    image = axes.imshow(values, cmap=shades, vmin=-highest if symmetric else 0, vmax=highest)
    axes.set_xticks(range(len(columns)), columns, rotation=60, ha="right", fontsize=8)
    axes.set_yticks(range(len(rows)), rows, fontsize=8)
    axes.set(xlabel=axes_labels[0], ylabel=axes_labels[1])
    for place in np.ndindex(*values.shape):
        if texts[place]:
            axes.text(*place[::-1], texts[place], ha="center", va="center", fontsize=6)
    figure.colorbar(image, shrink=0.7)
    return figure
