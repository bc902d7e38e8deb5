"""The composed form of Unicode text."""

import unicodedata


def compose(text: str) -> str:
    """The text in Unicode's composed form (NFC).

    It is the form in which all vocabularies and labels are stored. Korean as macOS writes it into
    file names, and some keyboards into texts, is decomposed (NFD): it looks the same, and none of
    its characters is equal.

    >>> len("\u1112\u1161\u11ab"), compose("\u1112\u1161\u11ab")
    (3, '한')
    """
    return unicodedata.normalize("NFC", text)
