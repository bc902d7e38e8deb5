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
    """

    metric: str
    value: float
    threshold: float
    mode: Mode
    passed: bool

    def __str__(self) -> str:
        sign = "≥" if self.mode == "max" else "≤"
        verdict = "passed" if self.passed else "failed"
        return f"{self.metric} {self.value:.4g} {sign} {self.threshold:.4g}: {verdict}"


@dataclass(frozen=True)
class Gate:
    """Threshold that a model must reach to become the champion.

    Args:
        metric: Name of a metric of the model's `score`.
        threshold: The required value.
        mode: `"max"` if greater is better, `"min"` if less is. Defaults to `"max"`.

    Raises:
        ValueError: if `mode` is neither.
    """

    metric: str
    threshold: float
    mode: Mode = "max"

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
        return GateResult(self.metric, value, self.threshold, self.mode, passed)


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
