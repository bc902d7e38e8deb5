"""Comparison of language models in a study: what they remember, and how far gradients reach."""

from collections.abc import Sequence

import numpy as np
from keras import ops
from matplotlib.figure import Figure

from recipes.language_modeling.brackets import (
    COLORS,
    accuracy,
    bracket_outcomes,
    by_distance,
    draw_outcomes,
)
from zoo.data import Columns
from zoo.models import CausalLM
from zoo.models.gradients import jacobian
from zoo.tracking import Run

STEPS = 64  # over which gradients are followed
ROWS = 32  # parts of the text in which they are measured
SHOWN = (1, 8, 16, 32, 64)  # steps in the table
SMALLEST = 1e-12  # of the scale of the figure


def compare(
    models: dict[str, CausalLM], columns: Columns, run: Run, has_brackets: bool
) -> dict[str, list]:
    """Scores the models, and logs how far their gradients reach and what they remember.

    Args:
        models: The model of each variant.
        columns: The dev split.
        run: The summary run of the study.
        has_brackets: Whether the texts are those of the bracket language, by characters.

    Returns:
        Columns of the table: scores; accuracy of closing brackets by distance; the norm of the
        gradient some steps back, relative to that of the last step.
    """
    texts = columns["text"]
    scores = [model.score(columns) for model in models.values()]
    table = {name: [round(score[name], 4) for score in scores] for name in scores[0]}
    if has_brackets:
        outcomes = {name: bracket_outcomes(model, texts) for name, model in models.items()}
        run.log_figure(draw_outcomes(outcomes), "figures/brackets.png")
        table["brackets right"] = [round(accuracy(found), 4) for found in outcomes.values()]
        groups = [by_distance(found) for found in outcomes.values()]
        for label, (_, count) in groups[0].items():
            name = f"brackets right after {label} ({count:,})"
            table[name] = [round(group[label][0], 4) for group in groups]
    recurrent = {name: model for name, model in models.items() if model.backbone.carries_state}
    flows = {name: gradient_flow(model, texts) for name, model in recurrent.items()}
    if flows:
        run.log_figure(draw_flows(flows), "figures/gradient.png")
    for steps in SHOWN:
        table[f"gradient {steps} steps back"] = [
            f"{flows[name][steps]:.1e}" if name in flows else "" for name in models
        ]
    return table


def gradient_flow(model: CausalLM, texts: Sequence[str]) -> np.ndarray:
    """Dependence of the state at a step on the input of each earlier one.

    A random direction of the hidden state is differentiated by the embedded token of each earlier
    step.

    Args:
        model: A recurrent language model.
        texts: Texts, of whose stream the first parts are read.

    Returns:
        Floats `[STEPS + 1]`: the mean norm of the gradient by the number of steps back, relative to
        that of no step.

    References:
        - Bengio et al. 1994, "Learning long-term dependencies with gradient descent is difficult".
    """
    encoded = [token for ids in model.preprocessor.encode(texts) for token in ids]
    length = STEPS + 1
    tokens = np.resize(np.array(encoded, "int32"), (ROWS, length))
    direction = np.random.default_rng(0).normal(size=(ROWS, model.backbone.units))
    direction = (direction / np.linalg.norm(direction, axis=1, keepdims=True)).astype("float32")
    backbone = model.backbone

    def along_direction(embedded):
        hidden, _ = backbone.stack(embedded, training=False)
        if backbone.past_attention is not None:
            hidden = backbone.past_attention(hidden, training=False)[0]
        return ops.reshape(ops.sum(ops.multiply(hidden[:, -1], direction)), (1,))

    embedded = ops.convert_to_numpy(backbone.token_embedding(tokens))
    (gradient,) = jacobian(along_direction, embedded)  # [rows, steps, features]
    norms = np.linalg.norm(gradient, axis=-1).mean(axis=0)[::-1]
    return norms / norms[0]


def draw_flows(flows: dict[str, np.ndarray]) -> Figure:
    """Draws the gradient by the number of steps back, a line for each model, on a log scale."""
    figure = Figure(figsize=(7, 3.4), layout="constrained")
    axes = figure.subplots()
    for (name, flow), color in zip(flows.items(), COLORS, strict=False):
        axes.semilogy(np.maximum(flow, SMALLEST), color=color, label=name)
    axes.set(xlabel="steps back", ylabel="gradient, relative", ylim=(SMALLEST, 20))
    axes.grid(color="#eceef2")
    axes.legend(frameon=False, fontsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    return figure
