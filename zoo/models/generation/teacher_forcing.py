"""Teacher forcing: the true previous tokens as inputs of a decoder."""

from collections.abc import Sequence

import numpy as np

from zoo.models.batching import pad


def teacher_forcing(
    encoded: Sequence[Sequence[int]],
    length: int,
    tokenizer,
    read: Sequence[Sequence[int]] | None = None,
) -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]:
    """Inputs, labels and weights for training a decoder.

    Args:
        encoded: Token ids of each text, with the end token.
        length: int. Length to pad to.
        tokenizer: A tokenizer with tokens for padding and start.
        read: Token ids of the same lengths that the decoder reads in place of `encoded`, as with
            word dropout. Defaults to `None`: `encoded`.

    Returns:
        A tuple: the inputs `decoder_token_ids`, int32 `[batch, length]`, each text shifted right
        by one after the start token, and `decoder_padding_mask`, bool; the labels, int32
        `[batch, length]`; and their weights, float32 `[batch, length]`, 0 in the padding and 1
        elsewhere.
    """
    labels, mask = pad(encoded, length, tokenizer.pad_token_id)
    previous = labels if read is None else pad(read, length, tokenizer.pad_token_id)[0]
    previous = np.roll(previous, 1, axis=1)
    previous[:, 0] = tokenizer.start_token_id
    inputs = {
        "decoder_token_ids": np.where(mask, previous, tokenizer.pad_token_id),
        "decoder_padding_mask": mask,
    }
    return inputs, labels, mask.astype("float32")


def with_end(encoded: Sequence[Sequence[int]], length: int, tokenizer) -> list[list[int]]:
    """Token ids of texts with the end token, truncated to a length.

    A truncated text has no end token: a model that is trained on it does not learn to stop in the
    middle of a sentence.

    Args:
        encoded: Token ids of each text, without the end token.
        length: int. Most tokens, the end token included.
        tokenizer: A tokenizer with an end token.
    """
    return [[*ids, tokenizer.end_token_id][:length] for ids in encoded]


def token_losses(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Cross-entropy of each token: its negative log-probability in nats.

    Args:
        logits: `[..., vocabulary]`.
        labels: Integers `[...]`.

    Returns:
        Float32 `[...]`.
    """
    logits = logits.astype("float32")
    highest = logits.max(axis=-1, keepdims=True)
    normalizer = np.log(np.exp(logits - highest).sum(axis=-1)) + highest[..., 0]
    return normalizer - np.take_along_axis(logits, labels[..., None], axis=-1)[..., 0]
