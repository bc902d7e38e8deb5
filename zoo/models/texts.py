"""What all tasks that read texts do with them first."""

from collections.abc import Iterable, Sequence

import numpy as np


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


def padded(encoded: Sequence[Sequence[int]], length: int, pad_id: int):
    """Token ids padded on the right, or cut: int32 `[batch, length]`, and where there is one."""
    ids = np.full((len(encoded), length), pad_id, "int32")
    for row, tokens in zip(ids, encoded, strict=True):
        row[: len(tokens)] = tokens[:length]
    lengths = np.array([min(len(tokens), length) for tokens in encoded], "int32")
    return ids, np.arange(length)[None, :] < lengths[:, None]


def teacher_forced(encoded: Sequence[Sequence[int]], length: int, tokenizer):
    """What a decoder is trained on: its inputs, the next tokens and their weights.

    Args:
        encoded: Token ids of each text, with the end token.
        length: int. Length to pad to.
        tokenizer: A `SubwordTokenizer`.

    Returns:
        `decoder_token_ids` and `decoder_padding_mask`; the tokens to predict, int32 `[batch,
        length]`; and 1 where there is one to predict, else 0, float32 `[batch, length]`.
    """
    following, mask = padded(encoded, length, tokenizer.pad_token_id)
    previous = np.roll(following, 1, axis=1)
    previous[:, 0] = tokenizer.start_token_id
    inputs = {
        "decoder_token_ids": np.where(mask, previous, tokenizer.pad_token_id),
        "decoder_padding_mask": mask,
    }
    return inputs, following, mask.astype("float32")


def bucket(size: int, least: int = 1) -> int:
    """The smallest power of two that is no less than both: few shapes, few compilations."""
    return max(least, 1 << max(size - 1, 0).bit_length())
