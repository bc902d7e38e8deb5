"""Answers of a tagger: tags, spans and intent of a sentence."""

from dataclasses import asdict, dataclass

import numpy as np


@dataclass(frozen=True)
class Span:
    """A span of words that the tags mark.

    Attributes:
        type: The tag without its prefix `B-`, `I-`, …; `"_"` if the tags are prefixes alone.
        start: The index of the first word.
        end: The index after the last word.
        text: The words, with spaces between, or the characters.
    """

    type: str
    start: int
    end: int
    text: str


@dataclass(frozen=True)
class Tagging:
    """The tags of one sentence.

    Attributes:
        tokens: The words, or the characters.
        tags: The tag of each.
        confidences: The probability of each tag; the marginal probability in a CRF.
        spans: The spans that the tags mark; empty without a scheme.
        intent: The intent of the sentence; `None` without intents.
        hypotheses: The `n_best` sequences of tags with their probabilities; `None` if `n_best`
            is 1.
        separator: The text between two tokens; `to_dict` leaves a space out.
        referents: The word that each word refers to, or `None`; `None` for all if the model does
            not point at words.
    """

    tokens: list[str]
    tags: list[str]
    confidences: list[float]
    spans: list[Span]
    intent: str | None = None
    hypotheses: list[tuple[list[str], float]] | None = None
    separator: str = " "
    referents: list[str | None] | None = None

    def to_dict(self) -> dict:
        answer = asdict(self)
        if answer["separator"] == " ":
            del answer["separator"]
        for name in ("intent", "hypotheses", "referents"):
            if answer[name] is None:
                del answer[name]
        return answer


@dataclass(frozen=True)
class Answer:
    """The tags of one sentence, as arrays.

    Attributes:
        ids: The best tags, `[words]`.
        marginals: `[words, tags]`.
        intents: Probabilities, `[intents]`, or `None`.
    """

    ids: np.ndarray
    marginals: np.ndarray
    intents: np.ndarray | None

    @classmethod
    def of(cls, outputs, row, count):
        """The answer in one row of a batch, for a sentence of `count` words."""
        intents = None
        if "intent" in outputs:
            logits = outputs["intent"][row].astype("float32")
            intents = np.exp(logits - logits.max())
            intents /= intents.sum()
        marginals = outputs["marginals"][row, :count].astype("float32")
        return cls(outputs["best"][row, :count], marginals, intents)

    @property
    def intent(self) -> int | None:
        """The most probable intent; `None` without words or intents."""
        has_intent = self.intents is not None and len(self.ids)
        return int(np.argmax(self.intents)) if has_intent else None  # type: ignore[arg-type]

    def probabilities(self, whole):
        """Those of the intent, if there is one, and of the tags of `whole`."""
        found = self.marginals[np.arange(len(whole.ids)), whole.ids]
        if self.intents is None:
            return found
        return np.concatenate([self.intents[whole.intents.argmax()][None], found])
