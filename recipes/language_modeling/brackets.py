"""Accuracy of a language model on closing brackets, by distance and by depth."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from keras import ops
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from zoo.data.generated_brackets import KINDS, Bracket, closing_brackets
from zoo.models import CausalLM

EDGES = (1, 2, 4, 8, 16, 32, 64, 120)  # of the distances that are counted together
COLORS = ("#274b8f", "#e07b12", "#7a8194", "#3a8f5c", "#8f274b", "#b59f00")


class Outcome(NamedTuple):
    """A closing bracket, and whether the model knows which kind it is."""

    bracket: Bracket
    is_right: bool


def bracket_outcomes(model: CausalLM, texts: Sequence[str]) -> list[Outcome]:
    """Outcomes at each closing bracket: true where the right one is the most probable.

    Only the closing brackets are compared, so that a guess is right in one of four cases.

    Args:
        model: A language model of characters.
        texts: Balanced texts.
    """
    tokenizer = model.preprocessor.tokenizer
    closing = tokenizer.encode(["".join(kind[1] for kind in KINDS)])[0]
    encoded = model.preprocessor.encode(texts)
    inputs = np.full((len(texts), max(map(len, encoded))), tokenizer.pad_token_id, "int32")
    for row, ids in zip(inputs, encoded, strict=True):
        row[: len(ids)] = [model.preprocessor.start_token_id, *ids[:-1]]
    logits, _ = model.call_with_state(inputs, model.backbone.initial_state(len(texts)))
    logits = ops.convert_to_numpy(logits)[:, :, closing]  # [texts, time, kinds]
    chosen = np.array(closing)[logits.argmax(axis=-1)]
    return [
        Outcome(bracket, chosen[row, bracket.position] == encoded[row][bracket.position])
        for row, text in enumerate(texts)
        for bracket in closing_brackets(text)
    ]


def accuracy(outcomes: Iterable[Outcome]) -> float:
    """The share of the closing brackets that the model knows."""
    return float(np.mean([outcome.is_right for outcome in outcomes]))


def by_distance(outcomes: Sequence[Outcome]) -> dict[str, tuple[float, int]]:
    """Accuracy and number of brackets by the distance to the opening bracket."""
    groups = {}
    for low, high in zip(EDGES, (*EDGES[1:], None), strict=True):
        label = f"{low}" if high == low + 1 else f"{low}–{high - 1}" if high else f"{low}+"
        found = [
            it
            for it in outcomes
            if it.bracket.distance >= low and (high is None or it.bracket.distance < high)
        ]
        if found:
            groups[label] = (accuracy(found), len(found))
    return groups


def by_depth(outcomes: Sequence[Outcome]) -> dict[str, tuple[float, int]]:
    """Accuracy and number of brackets by the number of open ones."""
    groups = {}
    for depth in sorted({outcome.bracket.depth for outcome in outcomes}):
        found = [outcome for outcome in outcomes if outcome.bracket.depth == depth]
        groups[str(depth)] = (accuracy(found), len(found))
    return groups


def draw_outcomes(outcomes: Sequence[Outcome]) -> Figure:
    """Draws the accuracy of closing brackets of a model against distance and depth.

    Args:
        outcomes: The outcomes of the model.
    """
    figure = Figure(figsize=(9, 3.2), layout="constrained")
    panels = figure.subplots(1, 2, sharey=True, width_ratios=[2, 1])
    for axes, groups in zip(panels, (by_distance(outcomes), by_depth(outcomes)), strict=True):
        draw_groups(axes, {"model": groups})
        for label, (share, count) in groups.items():
            axes.annotate(
                f"{share:.0%}\n({count:,})",
                (label, share),
                (0, 6),
                textcoords="offset points",
                ha="center",
                fontsize=7,
            )
    panels[0].set(
        xlabel="characters since the bracket was opened",
        ylabel="closing brackets right",
        ylim=(0, 1.2),
    )
    panels[1].set(xlabel="brackets that are open")
    return figure


def draw_groups(axes: Axes, groups: dict[str, dict[str, tuple[float, int]]]) -> None:
    """Draws the accuracy of groups of closing brackets, a line for each model, and that of a guess.

    Args:
        axes: Where to draw.
        groups: For each model the groups, as `by_distance` returns them.
    """
    for (name, found), color in zip(groups.items(), COLORS, strict=False):
        shares = [share for share, _ in found.values()]
        axes.plot(list(found), shares, "o-", ms=4, color=color, label=name)
    guess = 1 / len(KINDS)
    axes.axhline(guess, color="#7a8194", linestyle=":")
    axes.text(0, guess - 0.02, "a guess", fontsize=8, color="#7a8194", va="top")
    axes.set(ylim=(0, 1.05), yticks=[0, 0.25, 0.5, 0.75, 1])
    axes.spines[["top", "right"]].set_visible(False)
    axes.margins(x=0.08)
