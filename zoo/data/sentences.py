"""Splits texts into sentences."""

import re

from sentencex import segment

# Line breaks, as characters and as mark-up, end a sentence whatever stands before them.
_BREAKS = re.compile(r"(?:<br\s*/?>|[\r\n])+", re.IGNORECASE)


def split_sentences(text: str, language: str = "en") -> list[str]:
    """The sentences of a text, without spaces around them.

    Args:
        text: A text; `<br />` and line breaks end sentences too.
        language: Code of its language, by whose abbreviations a dot does not end a sentence.
    """
    lines = (line for line in _BREAKS.split(text) if line.strip())
    return [
        sentence.strip()
        for line in lines
        for sentence in segment(language, line)
        if sentence.strip()
    ]
