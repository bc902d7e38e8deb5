"""A matrix of weights or effects, as it is drawn."""

from collections.abc import Sequence
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Matrix:
    """Values of pairs of target and source tokens.

    Attributes:
        name: What they are, such as `"attention"`.
        values: `[target, source]`.
        signed: Whether they speak for or against the answer.
        marks: The (row, column) of cells with a frame: the answer changes without the source.
        limit: The end of the scale of colours. Defaults to `None`: the greatest value.
    """

    name: str
    values: Sequence[Sequence[float]]
    signed: bool = False
    marks: frozenset[tuple[int, int]] = frozenset()
    limit: float | None = None

    @property
    def greatest(self) -> float:
        """The end of the scale of colours."""
        if self.limit is not None:
            return self.limit
        return max((abs(value) for row in self.values for value in row), default=0.0)

    def cropped(self, size: int) -> "Matrix":
        """The first `size` rows and columns."""
        values = [row[:size] for row in self.values[:size]]
        marks = frozenset(mark for mark in self.marks if max(mark) < size)
        return replace(self, values=values, marks=marks)
