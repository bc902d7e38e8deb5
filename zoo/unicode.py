"""The composed form of Unicode text."""

import unicodedata


def compose(text: str) -> str:
    """The text in Unicode's composed form (NFC).

    It is the form in which all vocabularies and labels are stored. Korean as macOS writes it into
    file names, and some keyboards into texts, is decomposed (NFD): it looks the same, and none of
    its characters is equal.

    Raises:
        ValueError: if the text has half of a surrogate pair, which is no character.

    >>> len("\u1112\u1161\u11ab"), compose("\u1112\u1161\u11ab")
    (3, '한')
    """
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError(
            "A text must be valid Unicode, without half of a surrogate pair: decode it as UTF-8. "
            f"Received: {text[error.start]!a} at character {error.start + 1}"
        ) from error
    return unicodedata.normalize("NFC", text)
