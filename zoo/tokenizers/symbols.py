"""Tokenizer of symbols that are separated by spaces, such as the phones of a word."""

from collections import Counter
from collections.abc import Iterable

import keras
import numpy as np

from zoo.tokenizers.characters import (
    SPECIAL,
    UNKNOWN,
    UNKNOWN_TEXT,
    CharacterTokenizer,
    most_frequent,
)
from zoo.unicode import compose


@keras.saving.register_keras_serializable("zoo")
class SymbolTokenizer(CharacterTokenizer):
    """Maps each symbol of a text to an id, such as each phone of `K EH1 R AH0 S`.

    Created by `train_symbol_tokenizer`. The ids are as in `CharacterTokenizer`. Decoding the ids of
    a text of known symbols gives them in NFC, with one space between two.

    Args:
        characters: The symbols, in the order of the ids, which begin with 4. Defaults to `None`,
            for a vocabulary that is loaded from a preset.

    Raises:
        ValueError: if there is none, or one occurs twice, has white space or is not in NFC.
    """

    vocabulary_file = "symbols.json"
    separator = " "

    @staticmethod
    def _check_entry(entry: str) -> None:
        is_symbol = isinstance(entry, str) and entry.split() == [entry] and entry not in SPECIAL
        if not is_symbol or compose(entry) != entry:
            raise ValueError(
                "Each entry of a vocabulary of symbols must be a string without white space, in "
                f"Unicode's composed form (NFC), and none of {', '.join(SPECIAL)}. "
                f"Received: {entry!r}"
            )

    @staticmethod
    def split(text: str) -> list[str]:
        """The symbols of a text in NFC."""
        return compose(text).split()

    @staticmethod
    def pieces(text: str) -> list[str]:
        """The symbol of each id of `encode`, with a space before it, but the first."""
        return SymbolTokenizer.readable(compose(text).split())

    @staticmethod
    def readable(pieces: Iterable[str]) -> list[str]:
        """The text of each token, with a space before it: see `CharacterTokenizer.readable`."""
        texts = CharacterTokenizer.readable(pieces)
        first = next((i for i, text in enumerate(texts) if text), None)
        return [f" {text}" if text and i != first else text for i, text in enumerate(texts)]

    def _tokenize_tensor(self, texts):
        import tensorflow as tf  # heavy, and only tensors need it
        import tensorflow_text

        symbols = sorted(self._ids)
        ids = np.array([UNKNOWN, *(self._ids[symbol] for symbol in symbols)], "int32")

        def find(found):
            equal = tf.equal(found[:, None], tf.constant(["", *symbols]))
            return tf.gather(ids, tf.argmax(equal, axis=1))  # 0 if none is equal

        composed = tensorflow_text.normalize_utf8(texts, "NFC")
        return tf.ragged.map_flat_values(find, tf.strings.split(composed))


def train_symbol_tokenizer(texts: Iterable[str], vocabulary_size: int = 8000) -> SymbolTokenizer:
    """Creates a tokenizer from the symbols of texts.

    Args:
        texts: Training texts: symbols with white space between them.
        vocabulary_size: int. The greatest number of ids, 4 of which are special tokens. If there
            are more symbols, the rarest are left out. Defaults to `8000`.

    Returns:
        A `SymbolTokenizer`, whose symbols are sorted.

    Raises:
        ValueError: if there is no symbol, or no room for one.
    """
    counts = Counter(symbol for text in texts for symbol in SymbolTokenizer.split(text))
    for reserved in (*SPECIAL, UNKNOWN_TEXT):
        counts.pop(reserved, None)
    return SymbolTokenizer(most_frequent(counts, vocabulary_size))
