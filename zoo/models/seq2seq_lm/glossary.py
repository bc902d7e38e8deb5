"""Glossaries: the target terms that a text must contain, by its source."""

import unicodedata
from collections.abc import Callable, Sequence

import regex  # its \w includes the vowel signs of all scripts

# Scripts whose words have no spaces between them, or endings, as Korean has.
_UNBOUNDED = ("CJK", "HANGUL", "HIRAGANA", "KATAKANA", "THAI", "LAO", "KHMER", "MYANMAR")


class Glossary:
    """Finds the terms of a glossary in sources.

    A source term is found as whole words, whatever its capitals; where it begins or ends with a
    letter of a script without spaces, or of Korean, within a word too. Of terms that overlap the
    first counts, and of those that begin together the longest.

    Args:
        pairs: Pairs of a source and a target term.
        encode: Takes a target term and returns its tokens.
    """

    def __init__(self, pairs: Sequence[tuple[str, str]], encode: Callable[[str], list[int]]):
        self.pairs = sorted(pairs, key=lambda pair: len(pair[0]), reverse=True)
        self.token_ids = [encode(target) for _, target in self.pairs]
        terms = (_pattern(source) for source, _ in self.pairs)
        self._pattern = regex.compile("|".join(f"({term})" for term in terms), regex.IGNORECASE)

    def terms(self, text: str) -> dict[str, list[int]]:
        """The target terms that a source asks for, each once, with their tokens."""
        found = (match.lastindex - 1 for match in self._pattern.finditer(text) if match.lastindex)
        return {self.pairs[i][1]: self.token_ids[i] for i in found}


def _pattern(term: str) -> str:
    before = "" if _is_unbounded(term[0]) else r"(?<!\w)"
    after = "" if _is_unbounded(term[-1]) else r"(?!\w)"
    return before + r"\s+".join(map(regex.escape, term.split())) + after


def _is_unbounded(character: str) -> bool:
    return unicodedata.name(character, "").startswith(_UNBOUNDED)
