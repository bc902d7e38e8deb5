"""Comparison of language models in a study: what they remember, and how far gradients reach."""

from collections.abc import Sequence

import keras
import numpy as np
from keras import ops
from matplotlib.figure import Figure

from recipes.language_modeling.brackets import (
    COLORS,
    accuracy,
    bracket_outcomes,
    by_distance,
    draw_groups,
)
from zoo.data import Columns
from zoo.models import CausalLM
from zoo.models.gradients import jacobian
from zoo.tracking import Run

STEPS = 64  # over which gradients are followed
ROWS = 32  # parts of the text in which they are measured
SHOWN = (8, 64)  # steps in the table
SMALLEST = 1e-10  # of the scale of the figure


def compare(
    models: dict[str, CausalLM], columns: Columns, run: Run, has_brackets: bool, seed: int
) -> dict[str, list]:
    """Scores the models, and logs how far their gradients reach and what they remember.

    Args:
        models: The model of each variant.
        columns: The dev split.
        run: The summary run of the study.
        has_brackets: Whether the texts are those of the bracket language, by characters.
        seed: int. Seed of the weights of new models.

    Returns:
        Columns of the table: scores; accuracy of closing brackets by distance; the norm of the
        gradient some steps back, relative to that of the last step, before and after training.
    """
    texts = columns["text"]
    scores = [model.score(columns) for model in models.values()]
    table = {name: [round(score[name], 4) for score in scores] for name in scores[0]}
    groups = {}
    if has_brackets:
        outcomes = {name: bracket_outcomes(model, texts) for name, model in models.items()}
        groups = {name: by_distance(found) for name, found in outcomes.items()}
        table["brackets right"] = [round(accuracy(found), 4) for found in outcomes.values()]
        for label, (_, count) in next(iter(groups.values())).items():
            name = f"brackets right after {label} ({count:,})"
            table[name] = [round(group[label][0], 4) for group in groups.values()]
    recurrent = {name: model for name, model in models.items() if model.backbone.carries_state}
    trained = {name: gradient_flow(model, texts) for name, model in recurrent.items()}
    new = {name: gradient_flow(_new(model, seed), texts) for name, model in recurrent.items()}
    if groups or trained:
        run.log_figure(draw_memory(groups, new, trained), "figures/memory.png")
    for steps in SHOWN:
        for state, flows in (("new", new), ("trained", trained)):
            table[f"gradient {steps} steps back, {state}"] = [
                f"{flows[name][steps]:.1e}" if name in flows else "" for name in models
            ]
    return table


def _new(model: CausalLM, seed: int) -> CausalLM:
    """A model of the same sizes with initial weights."""
    keras.utils.set_random_seed(seed)
    backbone = type(model.backbone).from_config(model.backbone.get_config())
    return CausalLM(backbone, model.preprocessor)


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


def draw_memory(
    groups: dict[str, dict[str, tuple[float, int]]],
    new: dict[str, np.ndarray],
    trained: dict[str, np.ndarray],
) -> Figure:
    """Draws what models remember beside how far their gradients reach.

    Args:
        groups: The accuracy of closing brackets by distance of each model; may be empty.
        new, trained: The gradient by the number of steps back of each recurrent model, with
            initial weights and after training; may be empty.
    """
    figure = Figure(figsize=(10, 3.6), layout="constrained")
    panels = figure.subplots(1, bool(groups) + bool(trained), squeeze=False)[0]
    if groups:
        draw_groups(panels[0], groups)
        panels[0].set(
            xlabel="characters since the bracket was opened", ylabel="closing brackets right"
        )
    if trained:
        axes = panels[-1]
        for name, color in zip(groups or trained, COLORS, strict=False):
            if name in trained:
                axes.semilogy(new[name], ":", color=color)
                axes.semilogy(trained[name], color=color, label=name)
        axes.set(
            xlabel="steps back",
            ylabel="gradient, relative (dotted: before training)",
            ylim=(SMALLEST, 10),
        )
        axes.grid(color="#eceef2")
        axes.spines[["top", "right"]].set_visible(False)
    panels[-1].legend(frameon=False, fontsize=8)
    return figure
