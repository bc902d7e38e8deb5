"""Answers of a language model."""

from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Continuation:
    """Continuation of one prefix by a model.

    Attributes:
        text: The continuation, without the prefix; the two join to the whole text.
        score: Natural logarithm of the probability of its tokens.
        num_tokens: Number of its tokens, the end token included.
        finish: Why it is over: `"end"`, by the end token, or `"length"`.
    """

    text: str
    score: float
    num_tokens: int
    finish: str

    def to_dict(self) -> dict:
        return asdict(self)
