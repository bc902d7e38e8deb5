"""Pictures of a sweep: the curves of its trials, each setting against the metric, what mattered."""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from zoo.training.search_space import Choices, Dimension

BEST, OTHERS, GIVEN_UP = "#c8553d", "#5b6b8c", "#b8c2d8"
PANEL_INCHES = 3.2


def draw_curves(
    curves: Mapping[int, Sequence[tuple[int, float]]], best_first: Sequence[int], metric: str
) -> Figure:
    """Draws the metric after each epoch: the best trial, the others, and those that were pruned.

    Args:
        curves: Epochs and values by the number of the trial, from 0.
        best_first: The trials that were trained to their end, the best first.
        metric: Name of the metric.
    """
    figure = Figure(figsize=(7.4, 4.2), layout="constrained")
    axes = figure.subplots()
    labelled = set()
    for number, points in sorted(curves.items(), key=lambda it: it[0] in best_first):
        if not points:
            continue
        kind, colour = "pruned or failed", GIVEN_UP
        if number in best_first:
            kind, colour = "trained to the end", OTHERS
        if number == best_first[0]:
            kind, colour = f"trial {number + 1}, the best", BEST
        is_best = number == best_first[0]
        label = None if kind in labelled else kind
        labelled.add(kind)
        epochs, values = zip(*points, strict=True)
        axes.plot(
            epochs,
            values,
            "o-",
            color=colour,
            label=label,
            markersize=3,
            linewidth=2 if is_best else 1.2,
            zorder=3 if is_best else 2,
        )
        axes.annotate(
            str(number + 1),
            (epochs[-1], values[-1]),
            (5, 0),
            textcoords="offset points",
            color=colour,
            fontsize=8,
            va="center",
        )
    axes.set(xlabel="epoch", ylabel=metric)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(frameon=False)
    return figure


def draw_settings(space: Sequence[Dimension], done: Sequence[Any], metric: str) -> Figure:
    """Draws the metric of each trial that was trained to its end against each of its settings.

    Args:
        space: The search space.
        done: These trials of Optuna, the best first.
        metric: Name of the metric.
    """
    figure = Figure(figsize=(PANEL_INCHES * max(len(space), 2), 3.6), layout="constrained")
    panels = figure.subplots(1, len(space), sharey=True, squeeze=False)[0]
    for axes, dimension in zip(panels, space, strict=True):
        values = [trial.params[dimension.key] for trial in done]
        if isinstance(dimension, Choices):
            axes.set_xticks(range(len(dimension.values)), dimension.values)
            axes.set_xlim(-0.5, len(dimension.values) - 0.5)
            values = [dimension.values.index(value) for value in values]
        else:
            middle = (dimension.low + dimension.high) / 2
            if dimension.is_log:
                axes.set_xscale("log")
                middle = (dimension.low * dimension.high) ** 0.5
            axes.set_xlim(dimension.low, dimension.high)
            ticks = (dimension.low, middle, dimension.high)
            axes.set_xticks(ticks, [f"{tick:.2g}" for tick in ticks])
            axes.set_xticks((), minor=True)
        scores = [trial.value for trial in done]
        axes.plot(values[1:], scores[1:], "o", color=OTHERS, markersize=5, clip_on=False)
        axes.plot(values[:1], scores[:1], "o", color=BEST, markersize=7, clip_on=False)
        axes.set_xlabel(dimension.key)
        axes.grid(axis="y", color="0.92")
    panels[0].set_ylabel(metric)
    return figure


def draw_importance(shares: Mapping[str, float], metric: str) -> Figure:
    """Draws how much of the differences in the metric each setting explains.

    Args:
        shares: Shares by setting, which add up to 1.
        metric: Name of the metric.

    References:
        - Hutter et al. 2014, An efficient approach for assessing hyperparameter importance.
    """
    figure = Figure(figsize=(7.4, 0.8 + 0.45 * len(shares)), layout="constrained")
    axes = figure.subplots()
    names = list(shares)[::-1]
    bars = axes.barh(names, [shares[name] for name in names], color=OTHERS)
    axes.bar_label(bars, fmt="{:.0%}", padding=3)
    axes.set(xlabel=f"share of the differences in {metric}", xlim=(0, 1.12))
    axes.xaxis.set_major_formatter("{x:.0%}")
    return figure
