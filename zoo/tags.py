"""Tagging schemes: BIO, BIOES, IO and bare tags; their spans, constraints and repair."""

import re
from collections.abc import Iterable, Sequence
from itertools import chain, pairwise


def bio_constraints(tags: Sequence[str], scheme: str = "BIO") -> list[list[int]]:
    """What may follow what in a scheme of span tags, for `LinearChainCRF`.

    A tag is `O`, or a letter, a hyphen and the type of the span: `B-PER`.

    - `"BIO"`: a span is `B` and any number of `I` (also known as IOB2).
    - `"BIOES"`: a span is `S`, or `B`, any number of `I`, and `E`.

    Args:
        tags: The names of the tags, in the order of their ids.
        scheme: `"BIO"` or `"BIOES"`. Defaults to `"BIO"`.

    Returns:
        Rows of 0 and 1, `[tags + 1, tags + 1]`: at `[i, j]` whether `tags[j]` may follow
        `tags[i]`; in the last row, whether it may come first; in the last column, last.

    Raises:
        ValueError: if the scheme is unknown, or a tag does not belong to it.

    Example:

    >>> bio_constraints(["O", "B-PER", "I-PER"])
    [[1, 1, 0, 1], [1, 1, 1, 1], [1, 1, 1, 1], [1, 1, 0, 0]]
    """
    if scheme not in ("BIO", "BIOES"):
        raise ValueError(f"`scheme` must be 'BIO' or 'BIOES'. Received: scheme={scheme!r}")
    parts = []
    for tag in tags:
        letter, _, kind = tag.partition("-")
        if tag != "O" and (letter not in set(scheme) - {"O"} or not kind):
            forms = ", ".join(f"{letter}-TYPE" for letter in scheme.replace("O", ""))
            raise ValueError(f"A tag of {scheme} is O or one of {forms}. Received: {tag!r}")
        parts.append((letter, kind))
    boundary = ("O", "")  # what comes before the first and after the last tag is outside
    parts.append(boundary)
    ends = "OES" if scheme == "BIOES" else "OBI"  # after these a span may be over

    def follows(before, after):
        if after[0] in "IE":
            return before[0] in "BI" and before[1] == after[1]
        return before[0] in ends

    rows = [[int(follows(before, after)) for after in parts] for before in parts]
    rows[-1][-1] = 0  # unused: a sequence without tags
    return rows


Sentences = Sequence[Sequence[str]]


# A tag is a prefix and, after a hyphen, a type, or a prefix alone.
SCHEMES = {"bio": re.compile(r"O|[BI](-.+)?"), "bioes": re.compile(r"O|[BIES](-.+)?")}


def spans(tags: Sequence[str]) -> list[tuple[str, int, int]]:
    """The spans that the tags of one sentence mark, ill-formed ones repaired as by seqeval.

    Args:
        tags: In BIO or BIOES.

    Returns:
        For each span its type, its first word and the word after its last, so that it is
        `words[start:end]`. The type is `"_"` if the tags have none.
    """
    from seqeval.metrics.sequence_labeling import get_entities

    return [(kind, start, last + 1) for kind, start, last in get_entities(list(tags))]


def tagging_scheme(tags: Iterable[str]) -> str | None:
    """How tags mark spans: `"bio"`, `"bioes"`, or `None` if they are tags by themselves.

    Args:
        tags: All the tags of the training data, such as `dataset.labels`.
    """
    tags = set(tags)
    if tags <= {"O"}:
        return None
    return next((name for name, form in SCHEMES.items() if all(map(form.fullmatch, tags))), None)


def ill_formed(sentences: Sentences, scheme: str) -> int:
    """How many transitions from one tag to the next, or at either end, a scheme forbids.

    In both schemes `I-X` must continue a span of X. In BIOES so must `E-X`, and what `B-X` or
    `I-X` left open must be continued.

    Args:
        sentences: The tags of each sentence.
        scheme: `"bio"` or `"bioes"`.

    Raises:
        ValueError: if there is no such scheme, or a tag is not of it.
    """
    if scheme not in SCHEMES:
        raise ValueError(
            f"scheme must be one of {', '.join(SCHEMES)}, or None. Received: scheme={scheme!r}"
        )
    for tag in sorted({tag for tags in sentences for tag in tags}):
        if not SCHEMES[scheme].fullmatch(tag):
            prefixes = {"bio": "B or I", "bioes": "B, I, E or S"}[scheme]
            raise ValueError(
                f"A tag of the scheme {scheme!r} is O, or {prefixes} with a hyphen and a type "
                f"after it; for other tags the scheme is None. Received: {tag!r}"
            )
    forbidden = _forbidden_in_bio if scheme == "bio" else _forbidden_in_bioes
    return sum(forbidden(*pair) for tags in sentences for pair in pairwise(chain("O", tags, "O")))


def repaired(tags: Sequence[str], scheme: str) -> list[str]:
    """The tags of a sentence with the same spans, well-formed.

    Args:
        tags: In BIO, BIOES, IO or IOB1, ill-formed or not.
        scheme: `"bio"` or `"bioes"`, of the result.
    """
    result = ["O"] * len(tags)
    for kind, start, end in spans(tags):
        marks = ["B", *"I" * (end - start - 1)]
        if scheme == "bioes":
            marks[-1] = "S" if end == start + 1 else "E"
        result[start:end] = marks if kind == "_" else [f"{mark}-{kind}" for mark in marks]
    return result


def _forbidden_in_bio(before: str, after: str) -> bool:
    return after[0] == "I" and (before[0] == "O" or before[1:] != after[1:])


def _forbidden_in_bioes(before: str, after: str) -> bool:
    is_open, continues = before[0] in "BI", after[0] in "IE"
    return is_open != continues or (is_open and before[1:] != after[1:])
