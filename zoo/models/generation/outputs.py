"""Generated texts with their scores."""

from dataclasses import asdict, dataclass
from typing import Self


@dataclass(frozen=True)
class Hypothesis:
    """One of the texts that a beam search returns for an input.

    Attributes:
        text: The text.
        score: The score that hypotheses are ranked by: see `zoo.decoding.Hypotheses`.
        log_probability: Natural logarithm of the probability of its tokens.
    """

    text: str
    score: float
    log_probability: float


@dataclass(frozen=True)
class Generation:
    """The text generated for one input.

    Attributes:
        text: The text of the best hypothesis.
        score: The score of the best hypothesis.
        hypotheses: The `n_best` hypotheses, best first.
    """

    text: str
    score: float
    hypotheses: list[Hypothesis]

    @classmethod
    def of(cls, hypotheses: list[Hypothesis]) -> Self:
        """Makes one of hypotheses, best first."""
        return cls(hypotheses[0].text, hypotheses[0].score, hypotheses)

    def to_dict(self) -> dict:
        return asdict(self)
