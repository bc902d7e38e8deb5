"""Tagging schemes BIO, BIOES and IO: parsing, transitions, constraints, spans and repair.

A tag of a scheme is `O`, outside of all spans, or a prefix with a hyphen and the type of the span:
`B-PER`. Where there is only one type of span the prefix may stand alone: `B`. Tags of no scheme,
such as parts of speech, have the scheme `None`.

`standard_tags` renames the tags of other notations: BILOU, BMES, BMEWO, `PER-B`, `b-per`.
"""

import re
import warnings
from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import pairwise

Sentences = Sequence[Sequence[str]]

# The prefixes of each scheme; of two that fit the tags of a dataset, `tagging_scheme` takes the
# first.
SCHEMES = {"io": "IO", "bio": "BIO", "bioes": "BIOES"}
UNTYPED = "_"  # the type of a span whose tags are prefixes alone, as in seqeval
_OUTSIDE = ("O", UNTYPED)
# The prefix of BIOES for each letter of other schemes: L and U of BILOU, M of BMES, W of BMEWO.
_PREFIXES = {"B": "B", "I": "I", "E": "E", "S": "S", "L": "E", "U": "S", "M": "I", "W": "S"}
_PREFIXED = re.compile(r"(?P<prefix>[A-Za-z])[-_](?P<kind>.+)")
_SUFFIXED = re.compile(r"(?P<kind>.+)[-_](?P<prefix>[A-Za-z])")


def parse_tag(tag: str) -> tuple[str, str] | None:
    """The prefix (`B`, `I`, `E`, `S` or `O`) and the type of a tag.

    Args:
        tag: The tag.

    Returns:
        The prefix and the type, which is `"_"` if the tag has none; `None` if the tag has another
        form.
    """
    prefix, hyphen, kind = tag.partition("-")
    if prefix not in {*"BIES"} or bool(hyphen) != bool(kind):
        return _OUTSIDE if tag == "O" else None
    return prefix, kind or UNTYPED


def is_allowed(before: tuple[str, str], after: tuple[str, str], scheme: str) -> bool:
    """True if a scheme allows one tag to follow another.

    - `"bio"` (also known as IOB2): `I-X` must follow `B-X` or `I-X`.
    - `"bioes"`: `I-X` and `E-X` must follow `B-X` or `I-X`, and nothing else may follow those.
    - `"io"`: every transition is allowed.

    The start and the end of a sentence count as `O`.

    Args:
        before: A tag, parsed by `parse_tag`.
        after: The tag after it, likewise.
        scheme: One of `SCHEMES`.
    """
    if scheme == "io" or _continues(before, after):
        return True
    is_open = scheme == "bioes" and before[0] in "BI"
    return after[0] in "BSO" and not is_open


def bio_constraints(tags: Sequence[str], scheme: str = "BIO") -> list[list[int]]:
    """The transitions that a tagging scheme allows, for `LinearChainCRF`.

    Args:
        tags: The names of the tags, in the order of their ids.
        scheme: `"BIO"`, `"BIOES"` or `"IO"`, in upper or lower case. Defaults to `"BIO"`.

    Returns:
        Rows of 0 and 1, `[tags + 1, tags + 1]`: at `[i, j]` whether `tags[j]` may follow
        `tags[i]`; in the last row, whether it may come first; in the last column, last.

    Raises:
        ValueError: if the scheme is unknown, or a tag does not belong to it.

    Example:

    >>> bio_constraints(["O", "B-PER", "I-PER"])
    [[1, 1, 0, 1], [1, 1, 1, 1], [1, 1, 1, 1], [1, 1, 0, 0]]
    """
    name = scheme.lower() if isinstance(scheme, str) else scheme
    if name not in SCHEMES:
        raise ValueError(
            f"`scheme` must be one of {', '.join(SCHEMES.values())}. Received: scheme={scheme!r}"
        )
    parsed = [*(_parsed(tag, name) for tag in tags), _OUTSIDE]
    rows = [[int(is_allowed(before, after, name)) for after in parsed] for before in parsed]
    rows[-1][-1] = 0  # unused: a sequence without tags
    return rows


def tagging_scheme(tags: Iterable[str]) -> str | None:
    """The scheme that the tags of a dataset belong to.

    Args:
        tags: All the tags of the training data, such as `dataset.labels`.

    Returns:
        `"io"` if the prefixes are `I` and `O`, `"bio"` if `B` is among them, `"bioes"` if `E` or
        `S` is; `None` if a tag belongs to no scheme or all are `O`.
    """
    names = set(tags)
    parsed = {parse_tag(tag) for tag in names}
    if None in parsed or parsed <= {_OUTSIDE}:
        if _resemble_spans(names):
            warnings.warn(
                "These tags look like those of spans, but belong to no known scheme, so each is "
                "learned by itself and no spans are scored. Known are BIO, BIOES and IO, as "
                "`B-PER`; `zoo.tags.standard_tags` renames BILOU, BMES, BMEWO, `PER-B` and "
                f"`b-per`. Received: {', '.join(sorted(names)[:10])}",
                stacklevel=2,
            )
        return None
    prefixes = {tag[0] for tag in parsed if tag is not None}
    return next(name for name, known in SCHEMES.items() if prefixes <= {*known})


def standard_tags(tags: Iterable[str]) -> dict[str, str]:
    """The names in BIO, BIOES or IO of tags in another notation.

    - BILOU: `L-X` is `E-X`, `U-X` is `S-X`. BMES: `M-X` is `I-X`. BMEWO: also `W-X` is `S-X`.
    - Suffixes: `X-B` is `B-X`. Underscores: `B_X` is `B-X`.
    - Lower case: `b-X` is `B-X`, and `o` is `O`.

    Args:
        tags: All the tags of the data.

    Returns:
        The new name of each tag that has another; empty if the tags are in BIO, BIOES or IO
        already, or mark no spans.

    Example:

    >>> standard_tags(["O", "B-PER", "L-PER", "U-LOC"])
    {'L-PER': 'E-PER', 'U-LOC': 'S-LOC'}
    """
    names = sorted(set(tags))
    if all(parse_tag(name) for name in names):
        return {}
    for form in (_PREFIXED, _SUFFIXED):
        renamed = {name: _standard(name, form) for name in names}
        found = set(renamed.values())
        if None in found or len(found) < len(names) or not ("O" in found or _begins(found)):
            continue
        return {old: new for old, new in renamed.items() if new is not None and new != old}
    return {}


def spans(tags: Sequence[str]) -> list[tuple[str, int, int]]:
    """The spans that the tags of one sentence mark, in any scheme.

    Ill-formed tags are read as conlleval and seqeval do: an `I-X` or `E-X` that continues no span
    of type X begins one.

    Args:
        tags: The tags.

    Returns:
        For each span its type, its first word and the word after its last, so that it is
        `words[start:end]`. The type is `"_"` if the tags have none.

    Raises:
        ValueError: if a tag is of no scheme.
    """
    found: list[tuple[str, int, int]] = []
    before = _OUTSIDE
    for i, tag in enumerate(tags):
        after = _parsed(tag, "bioes")
        if _continues(before, after):
            found[-1] = (*found[-1][:2], i + 1)
        elif after != _OUTSIDE:
            found.append((after[1], i, i + 1))
        before = after
    return found


def count_ill_formed(sentences: Sentences, scheme: str) -> int:
    """The number of transitions that a scheme forbids, those at either end included.

    Args:
        sentences: The tags of each sentence.
        scheme: `"bio"`, `"bioes"` or `"io"`.

    Raises:
        ValueError: if the scheme is unknown, or a tag does not belong to it.
    """
    if scheme not in SCHEMES:
        raise ValueError(
            f"scheme must be one of {', '.join(SCHEMES)}, or None. Received: scheme={scheme!r}"
        )
    parsed = {tag: _parsed(tag, scheme) for tags in sentences for tag in tags}
    return sum(
        not is_allowed(before, after, scheme)
        for tags in sentences
        for before, after in pairwise([_OUTSIDE, *(parsed[tag] for tag in tags), _OUTSIDE])
    )


def repair(tags: Sequence[str], scheme: str) -> list[str]:
    """The tags of a sentence, rewritten so that they are well-formed and mark the same spans.

    Args:
        tags: Tags in any scheme, ill-formed or not; also in IOB1, where `B` marks only a span that
            touches another of its type.
        scheme: The scheme of the result, `"bio"` or `"bioes"`.

    Raises:
        ValueError: if a tag is of no scheme.
    """
    result = ["O"] * len(tags)
    for kind, start, end in spans(tags):
        prefixes = ["B", *"I" * (end - start - 1)]
        if scheme == "bioes":
            prefixes[-1] = "S" if end == start + 1 else "E"
        suffix = "" if kind == UNTYPED else f"-{kind}"
        result[start:end] = [prefix + suffix for prefix in prefixes]
    return result


def _standard(tag: str, form: re.Pattern[str]) -> str | None:
    """The name of a tag in BIOES, if it is one letter or has the form."""
    if tag in ("O", "o"):
        return "O"
    if tag.upper() in _PREFIXES:
        return _PREFIXES[tag.upper()]
    match = form.fullmatch(tag)
    prefix = _PREFIXES.get(match["prefix"].upper()) if match else None
    return f"{prefix}-{match['kind']}" if match and prefix else None


def _begins(tags: Iterable[str | None]) -> bool:
    """True if a tag begins a span of more than one word."""
    return any(tag is not None and tag.startswith("B") for tag in tags)


def _resemble_spans(tags: Iterable[str]) -> bool:
    """True if most tags consist of a type and a letter before or after it, several for a type."""
    tags = [tag for tag in tags if tag.upper() != "O"]
    for form in (_PREFIXED, _SUFFIXED):
        letters: defaultdict[str, set[str]] = defaultdict(set)
        for match in filter(None, map(form.fullmatch, tags)):
            letters[match["kind"]].add(match["prefix"])
        if 2 * sum(len(found) for found in letters.values() if len(found) > 1) > len(tags):
            return True
    return False


def _continues(before: tuple[str, str], after: tuple[str, str]) -> bool:
    """True if the second tag belongs to the span of the first."""
    return before[0] in "BI" and after[0] in "IE" and before[1] == after[1]


def _parsed(tag: str, scheme: str) -> tuple[str, str]:
    parsed = parse_tag(tag)
    if parsed is None or parsed[0] not in SCHEMES[scheme]:
        *others, last = list(SCHEMES[scheme].replace("O", ""))
        prefixes = f"{', '.join(others)} or {last}" if others else last
        raise ValueError(
            f"A tag of the scheme {scheme!r} is O, or {prefixes}, alone or with a hyphen and a "
            f"type after it; for other tags the scheme is None. Received: {tag!r}"
        )
    return parsed
