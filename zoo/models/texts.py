"""What all tasks that read texts do with them first."""

from collections.abc import Iterable


def checked_texts(texts: Iterable[str]) -> list[str]:
    """The texts as a list.

    Raises:
        TypeError: if it is one string, or something in it is none.
    """
    if isinstance(texts, str):
        raise TypeError(
            f"Texts come in a list, also when there is only one. Received: texts={texts!r}"
        )
    texts = list(texts)
    for i, text in enumerate(texts):
        if not isinstance(text, str):
            raise TypeError(f"Texts must be strings. Received: texts[{i}]={text!r}")
    return texts


def required(preprocessor):
    """A task's preprocessor.

    Raises:
        ValueError: if it has none.
    """
    if preprocessor is None:
        raise ValueError(
            "This model has no preprocessor, so it cannot read text. Build it with "
            "`preprocessor=…`, or load it with `zoo.load`."
        )
    return preprocessor


def bucket(size: int, least: int = 1) -> int:
    """The smallest power of two that is no less than both: few shapes, few compilations."""
    return max(least, 1 << max(size - 1, 0).bit_length())
