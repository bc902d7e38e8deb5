"""Grouping of the pieces of a text to its words."""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

END = "</s>"
# Scripts that write no spaces between words: there, each piece is taken as a word.
_UNSPACED = ("CJK", "HIRAGANA", "KATAKANA", "THAI", "LAO", "KHMER", "MYANMAR")


@dataclass(frozen=True)
class Word:
    """A word with the tokens it consists of.

    Attributes:
        text: The tokens, joined.
        tokens: The indices of its tokens, which follow one another.
        core: Those without punctuation at either end; all if there is nothing else.
    """

    text: str
    tokens: tuple[int, ...]
    core: tuple[int, ...]

    def shifted(self, count: int) -> "Word":
        """The word in a text with `count` more tokens before it."""
        tokens, core = (tuple(i + count for i in places) for places in (self.tokens, self.core))
        return Word(self.text, tokens, core)


def group_words(tokens: Sequence[str], pieces: bool = False) -> list[Word]:
    """The words of a text, which its tokens cover in order.

    White space belongs to the word after it, punctuation to the word before it (an opening
    bracket or quotation mark to the word after it), and an empty token, which continues a character
    that took several, to the token before it. The end token `</s>` is a word.

    Args:
        tokens: Pieces that join to a text; one that starts a word includes the space before it.
        pieces: bool. Whether to keep the pieces apart. Defaults to `False`.
    """
    is_ended = tokens[-1:] == [END]
    written = list(tokens[: len(tokens) - is_ended])
    groups = _pieces(written) if pieces else _attached(_spaced(written), written)
    words = []
    for group in groups:
        first, last = 0, len(group)
        while first < last and _is_punctuation(written[group[first]]):
            first += 1
        while first < last and _is_punctuation(written[group[last - 1]]):
            last -= 1
        text = "".join(written[i] for i in group)
        words.append(Word(text, tuple(group), tuple(group[first:last] or group)))
    if is_ended:
        words.append(Word(END, (len(written),), (len(written),)))
    return words


def _pieces(tokens):
    """Each token alone, with the empty tokens after it."""
    groups: list[list[int]] = []
    for i, token in enumerate(tokens):
        if token or not groups:
            groups.append([])
        groups[-1].append(i)
    return groups


def _spaced(tokens):
    """The tokens between white space, with the white space before them."""
    groups: list[list[int]] = []
    for i, token in enumerate(tokens):
        after_space = i > 0 and tokens[i - 1].isspace()
        starts = token[:1].isspace() or _is_unspaced(token[:1])
        if not groups or (starts and not after_space):
            groups.append([])
        groups[-1].append(i)
    return groups


def _attached(groups, tokens):
    """The groups, those of punctuation or white space alone joined to their neighbours."""
    attached: list[list[int]] = []
    opening: list[int] = []
    for group in groups:
        text = "".join(tokens[i] for i in group).strip()
        if _is_opening(text):
            opening += group
        elif attached and not opening and _is_silent(text):
            attached[-1] += group
        else:
            attached.append(opening + group)
            opening = []
    if opening:
        attached.append(opening)
    if len(attached) > 1 and _is_silent("".join(tokens[i] for i in attached[0])):
        attached[:2] = [attached[0] + attached[1]]
    return attached


def _is_unspaced(character):
    return bool(character) and unicodedata.name(character, "").startswith(_UNSPACED)


def _is_opening(text):
    return bool(text) and all(unicodedata.category(c) in ("Ps", "Pi") for c in text)


def _is_punctuation(text):
    return bool(text.strip()) and _is_silent(text)


def _is_silent(text):
    """True if a text is punctuation and white space alone, and no emoticon such as `:)`."""
    text = text.strip()
    if len(text) > 1 and text[0] in ":;":
        return False
    return all(c.isspace() or unicodedata.category(c).startswith("P") for c in text)
