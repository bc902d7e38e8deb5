"""Reliability diagram: accuracy by probability, before and after calibration."""

from matplotlib.figure import Figure

from zoo.metrics import Calibration
from zoo.metrics.calibration import BINS


def draw_reliability(calibration: Calibration) -> Figure:
    """Draws the accuracy of answers by their probability; on the diagonal both are equal.

    The bars below show how many answers each bin has.

    References:
        - Guo et al. 2017, On calibration of modern neural networks, figure 4.
    """
    figure = Figure(figsize=(7.4, 4.4), layout="constrained")
    sides = {
        "temperature 1": (calibration.before, calibration.ece_before),
        f"temperature {calibration.temperature:.2f}": (calibration.after, calibration.ece_after),
    }
    axes = figure.subplots(2, 2, sharex=True, sharey="row", height_ratios=(3, 1))
    for (above, below), (title, (columns, error)) in zip(axes.T, sides.items(), strict=True):
        places = [(number + 0.5) / BINS for number in columns["bin"]]
        above.plot([0, 1], [0, 1], color="0.6", linewidth=1, linestyle="--")
        above.bar(places, columns["accuracy"], 0.9 / BINS, color="#5b6b8c", label="accuracy")
        above.plot(
            places, columns["probability"], "o", color="#c8553d", markersize=4, label="probability"
        )
        above.set(title=f"{title}: ECE {error:.3f}", ylim=(0, 1.02), xlim=(0, 1))
        below.bar(places, columns["count"], 0.9 / BINS, color="#b8c2d8")
        below.set(xlabel="probability of the answer")
    axes[0, 0].set(ylabel="accuracy")
    axes[1, 0].set(ylabel="answers")
    axes[0, 0].legend(loc="upper left", frameon=False)
    return figure
