"""Word dropout: tokens of the training examples replaced by the unknown token."""

from collections.abc import Collection, Sequence

import numpy as np

from zoo.tokenizers.words import UNKNOWN


def drop_words(
    encoded: Sequence[Sequence[int]],
    share: float,
    rng: np.random.Generator,
    kept: Collection[int] = (),
) -> list[list[int]]:
    """Replaces each token by the unknown token with a probability, independently.

    Args:
        encoded: Token ids of each text.
        share: float. The probability. With 0 nothing is replaced.
        rng: The random generator.
        kept: Token ids that are never replaced, such as that of the end token. Defaults to none.

    Returns:
        Token ids of each text, of the same lengths.

    References:
        - Words as the unit of dropout: Gal and Ghahramani 2016, section 4.2; on both sides of a
          translation: Sennrich et al. 2016, "Edinburgh neural machine translation systems".
    """
    if not share:
        return [list(ids) for ids in encoded]
    lengths = [len(ids) for ids in encoded]
    tokens = np.fromiter((token for ids in encoded for token in ids), "int64", sum(lengths))
    dropped = (rng.random(len(tokens)) < share) & ~np.isin(tokens, list(kept))
    tokens = np.where(dropped, UNKNOWN, tokens).tolist()
    ends = np.cumsum(lengths).tolist()
    return [tokens[end - length : end] for end, length in zip(ends, lengths, strict=True)]
