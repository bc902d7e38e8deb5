"""Answers of a text classifier."""

from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Classification:
    """The label of one text.

    Attributes:
        label: The most probable label.
        probability: Its probability.
        probabilities: The probability of each label.
    """

    label: str
    probability: float
    probabilities: dict[str, float]

    def to_dict(self) -> dict:
        return asdict(self)
