"""Answers of a speech recognition model."""

from dataclasses import asdict, dataclass

from zoo.models.generation import Hypothesis


@dataclass(frozen=True)
class Word:
    """A word of a transcript.

    Attributes:
        text: The word.
        start: Where it begins, in seconds.
        end: Where it ends, in seconds.
    """

    text: str
    start: float
    end: float


@dataclass(frozen=True)
class Transcription:
    """The transcript of one recording.

    Attributes:
        text: The text of the best hypothesis.
        score: The score of the best hypothesis.
        words: Its words, with their times. With a CTC head from the most probable alignment of
            its characters; else from the attention weights of its characters: the frames that hold
            the middle 80 % of them.
        hypotheses: The `n_best` hypotheses, best first.
    """

    text: str
    score: float
    words: list[Word]
    hypotheses: list[Hypothesis]

    def to_dict(self) -> dict:
        return asdict(self)
