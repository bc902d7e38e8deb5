"""Effects of parts of an input on an answer: what they are called, and what they change."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

METHODS = ("attention", "occlusion", "gradient")
MAX_FLIPS = 6  # words that are listed

ATTENTION_NOTE = (
    "Attention shows where the model looked, which alone is no explanation of its answer "
    "(Jain and Wallace 2019)."
)
POINTER_NOTE = "The attention is the answer: a word refers to the one that it attends to most."


@dataclass(frozen=True)
class Flip:
    """An answer that is another one without a word.

    Attributes:
        source: The index of the word that is left out.
        without: The word.
        answer: The answer without it.
        target: The index of the part of the answer that changes; `None` if there is one answer.
    """

    source: int
    without: str
    answer: str
    target: int | None = None


def effect_note(method: str, measured: str, part: str = "word") -> str:
    """A sentence that says what the two colours show.

    Args:
        method: `"occlusion"` or `"gradient"`.
        measured: What occlusion measures, as in `Effect: what the answer loses …`.
        part: What has the effect. Defaults to `"word"`.
    """
    colours = "Blue speaks for the answer, red against it."
    if method == "gradient":
        estimate = f"a linear estimate of what a {part} adds to the log-odds of the answer"
        return f"Effect: gradient × input, {estimate}. {colours}"
    return f"Effect: {measured}. {colours}"


def flip_notes(flips: Iterable[Flip], subjects: Sequence[str] | None = None) -> list[str]:
    """Sentences that say what changes: `Without “not” the answer is positive.`.

    Args:
        flips: The flips.
        subjects: What changes, by `Flip.target`, such as `“jazz”`. Defaults to `None`:
            `the answer`.
    """
    words: dict[tuple[str, str], list[str]] = {}
    for flip in flips:
        subject = "the answer" if subjects is None else subjects[flip.target or 0]
        words.setdefault((subject, flip.answer), []).append(f"“{flip.without.strip()}”")
    notes = []
    for (subject, answer), without in words.items():
        some = ", ".join(without[:MAX_FLIPS]) + ", …" * (len(without) > MAX_FLIPS)
        some = "one of " * (len(without) > 1) + some
        change = f" {subject} is" if subjects is None else f", {subject} turns into"
        notes.append(f"Without {some}{change} {answer}.")
    rest = len(notes) - MAX_FLIPS
    return notes[:MAX_FLIPS] + [f"{rest} more answers change likewise."] * (rest > 0)


def check_effects(effects: Sequence[float], names: Sequence[str], part: str = "token") -> None:
    """Checks that there is one finite effect for each part.

    Raises:
        ValueError: if not.
    """
    if len(effects) != len(names):
        raise ValueError(
            f"Each {part} needs one effect. Received: {len(names)} {part}s, {len(effects)} effects"
        )
    for name, effect in zip(names, effects, strict=True):
        if not math.isfinite(effect):
            raise ValueError(f"Effects must be finite. Received: effect={effect} of {name!r}")
