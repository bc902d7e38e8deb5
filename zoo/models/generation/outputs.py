"""Generated texts with their scores."""

from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Hypothesis:
    """One way to put it.

    Attributes:
        text: The text.
        score: What the search ranked it by: see `zoo.decoding.beam_search`.
        log_probability: Natural, of its tokens.
    """

    text: str
    score: float
    log_probability: float


@dataclass(frozen=True)
class Generation:
    """What a model wrote of one thing that it read.

    Attributes:
        text: The best hypothesis' text.
        score: Its score.
        hypotheses: The `n_best`, best first.
    """

    text: str
    score: float
    hypotheses: list[Hypothesis]

    @classmethod
    def of(cls, hypotheses: list[Hypothesis]) -> "Generation":
        return cls(hypotheses[0].text, hypotheses[0].score, hypotheses)

    def to_dict(self) -> dict:
        return asdict(self)
