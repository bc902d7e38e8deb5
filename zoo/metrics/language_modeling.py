"""Metrics of language models: perplexity and bits per character."""

import math

MAX_NATS = 700.0  # beyond it, `exp` overflows
LONG_WORDS = 20  # characters: where words are longer on average, white space is between no words


def language_modeling_scores(
    nats: float,
    tokens: int,
    characters: int,
    words: int | None = None,
    nats_without_state: float | None = None,
    nats_with_cache: float | None = None,
) -> dict[str, float]:
    """Scores of the probabilities that a language model gives to texts.

    The end of each text is predicted too, so it is one of its tokens and counts as a character and
    as a word: it stands where a line break would.

    Args:
        nats: float. Sum of -log p over the tokens, with natural logarithms. The state of a
            recurrent model is carried through a text.
        tokens: int. The number of tokens, ends included.
        characters: int. The number of characters, ends included.
        words: int. The number of words between white space, ends included. Defaults to `None`.
        nats_without_state: float. The same sum if the state is set to zeros at the start of each
            window, as if every window were a text of its own. Defaults to `None`.
        nats_with_cache: float. The same sum with a continuous cache. Defaults to `None`.

    Returns:
        `loss`, in nats a token; `perplexity`, its exponential, which only models with the same
        tokens share; `bits_per_character`, which all models of a text share; with `words`
        `word_perplexity`, the perplexity that a model of words would have with these `nats`, unless
        words have more than 20 characters on average, as where a language has no spaces; with
        `nats_without_state` `perplexity_without_state`, and with `nats_with_cache`
        `perplexity_with_cache` and `bits_per_character_with_cache`.

    Raises:
        ValueError: if there are no tokens.

    References:
        - Jelinek et al. 1977, "Perplexity: a measure of the difficulty of speech recognition".
        - `word_perplexity` of subwords: Mielke 2019, "Can you compare perplexity across different
          segmentations?"
    """
    if tokens < 1 or characters < 1 or (words is not None and words < 1):
        raise ValueError(
            "There is nothing to score: the texts have no tokens. "
            f"Received: tokens={tokens}, characters={characters}, words={words}"
        )
    scores = {
        "loss": nats / tokens,
        "perplexity": _exponential(nats / tokens),
        "bits_per_character": nats / characters / math.log(2),
    }
    if words is not None and has_words(characters, words):
        scores["word_perplexity"] = _exponential(nats / words)
    if nats_without_state is not None:
        scores["perplexity_without_state"] = _exponential(nats_without_state / tokens)
    if nats_with_cache is not None:
        scores["perplexity_with_cache"] = _exponential(nats_with_cache / tokens)
        scores["bits_per_character_with_cache"] = nats_with_cache / characters / math.log(2)
    return scores


def has_words(characters: int, words: int) -> bool:
    """False for texts without white space between words, whose `word_perplexity` says nothing."""
    return characters <= LONG_WORDS * words


def _exponential(nats: float) -> float:
    return math.exp(min(nats, MAX_NATS))
