"""Quality gates: the score that a model must reach on the dev split to be registered."""

import math
from dataclasses import dataclass
from typing import Literal

from zoo.suggestions import did_you_mean

Mode = Literal["max", "min"]


@dataclass(frozen=True)
class GateResult:
    """Result of a gate.

    Attributes:
        metric: Name of the metric.
        value: Its value on the dev split.
        threshold: The required value.
        mode: `"max"` if greater is better, `"min"` if less is.
        passed: Whether the value reaches the threshold. NaN never passes.
        rival: The model whose value the threshold is. Defaults to `None`: a fixed number.
    """

    metric: str
    value: float
    threshold: float
    mode: Mode
    passed: bool
    rival: str | None = None

    def __str__(self) -> str:
        signs = {"max": "≥", "min": "≤"} if self.rival is None else {"max": ">", "min": "<"}
        of = "" if self.rival is None else f" of {self.rival}"
        verdict = "passed" if self.passed else "failed"
        return (
            f"{self.metric} {self.value:.4g} {signs[self.mode]} {self.threshold:.4g}{of}: {verdict}"
        )


@dataclass(frozen=True)
class Gate:
    """Threshold that a model must reach to become the champion.

    Args:
        metric: Name of a metric of the model's `score`.
        threshold: The required value.
        mode: `"max"` if greater is better, `"min"` if less is. Defaults to `"max"`.
        rival: A model whose value the threshold is, which must be surpassed, not only reached.
            Defaults to `None`: the threshold is a fixed number.

    Raises:
        ValueError: if `mode` is neither.
    """

    metric: str
    threshold: float
    mode: Mode = "max"
    rival: str | None = None

    def __post_init__(self):
        if self.mode not in ("max", "min"):
            raise ValueError(
                f"The mode of a gate is 'max' (greater is better) or 'min'. Received: {self.mode!r}"
            )

    def check(self, metrics: dict[str, float]) -> GateResult:
        """Compares measured metrics with the threshold.

        Args:
            metrics: The metrics of the dev split.

        Raises:
            ValueError: if the gate's metric is not among them.
        """
        if self.metric not in metrics:
            raise ValueError(
                f"The gate's metric was not measured. Measured metrics: {sorted(metrics)}."
                f"{did_you_mean(self.metric, metrics)} Received: metric={self.metric!r}"
            )
        value = float(metrics[self.metric])
        passed = not_worse(value, self.threshold, self.mode)
        if self.rival is not None and value == self.threshold:
            passed = False
        return GateResult(self.metric, value, self.threshold, self.mode, passed, self.rival)


def not_worse(value: float, other: float, mode: str) -> bool:
    """True if a value is as good as another or better; NaN never is.

    Args:
        value: The value.
        other: The value to compare with.
        mode: `"max"` if greater is better, `"min"` if less is.
    """
    if math.isnan(value):
        return False
    return value >= other if mode == "max" else value <= other
