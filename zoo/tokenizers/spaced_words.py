"""Tokenizer of texts whose words are separated by spaces, for word-level language models."""

from collections import Counter
from collections.abc import Iterable

import keras
import numpy as np
import regex

from zoo.tokenizers.vocabulary import PADDING, UNKNOWN, VocabularyTokenizer
from zoo.unicode import compose

END = 2
SPECIAL = ("<pad>", "<unk>", "<eos>")  # <unk> and <eos> as in WikiText and the Penn Treebank

# A line break or a word, with the white space before it.
_PIECE = regex.compile(r"[^\S\n]*(\n|\S+)")


@keras.saving.register_keras_serializable("zoo")
class SpacedWordTokenizer(VocabularyTokenizer):
    """Maps the words of a text to ids, as they stand between spaces; a line break is `<eos>`.

    It splits nothing else: it is for texts that are tokenized already, such as WikiText, whose
    official perplexity counts exactly these tokens. `<unk>` in a text is the unknown word. Created
    by `train_spaced_word_tokenizer`. Text is normalised to Unicode's composed form (NFC).

    Args:
        words: The vocabulary, in the order of the ids, which begin with 3. Defaults to `None`, for
            a vocabulary that is loaded from a preset.

    Raises:
        ValueError: if there is none, or one occurs twice, has white space or is a special token.
    """

    pad_token_id, unk_token_id, end_token_id = PADDING, UNKNOWN, END

    special, vocabulary_file = SPECIAL, "words.json"

    def __init__(self, words: Iterable[str] | None = None, **kwargs):
        super().__init__(words, **kwargs)

    def set_vocabulary(self, entries: Iterable[str]) -> None:
        """Sets the words, in the order of their ids; see the class."""
        super().set_vocabulary(entries)
        self._ids |= {token: i for i, token in enumerate(SPECIAL)}  # a text may have them

    @staticmethod
    def _check_entry(entry: str) -> None:
        is_word = isinstance(entry, str) and [entry] == entry.split() and compose(entry) == entry
        if not is_word or entry in SPECIAL:
            raise ValueError(
                "Each word must be a string in NFC without white space, and no special token. "
                f"Received: {entry!r}"
            )

    @staticmethod
    def split(text: str) -> list[str]:
        """The words of a text, and `<eos>` for each line break."""
        return compose(text).replace("\n", f" {SPECIAL[END]} ").split()

    @staticmethod
    def pieces(text: str) -> list[str]:
        """The text of each id of `encode`, with the space before it; they join to the text in NFC.

        White space at the end belongs to the last.
        """
        text = compose(text)
        found = [match[0] for match in _PIECE.finditer(text)]
        if found:
            found[-1] += text[sum(map(len, found)) :]
        return found

    def unknown_words(self, text: str) -> list[str]:
        """The words of a text that are not in the vocabulary, each once, but `<unk>` itself."""
        return self._unknown(text)

    @staticmethod
    def readable(pieces: Iterable[str]) -> list[str]:
        """The text of each token of the vocabulary: with a space before it inside of a line."""
        readable: list[str] = []
        for piece in pieces:
            text = {SPECIAL[PADDING]: "", SPECIAL[END]: "\n"}.get(piece, piece)
            begins_line = not readable or readable[-1] == "\n"
            readable.append(text if begins_line or text in ("", "\n") else f" {text}")
        return readable

    def tokenize(self, inputs):
        """A text, or a list or an array of texts, to ids."""
        if isinstance(inputs, str):
            return self.encode([inputs])[0]
        return [self.tokenize(text) for text in inputs]

    def detokenize(self, inputs):
        """The text of ids, or the texts of a list or an array of ids."""
        if len(inputs) and hasattr(inputs[0], "__len__"):
            return [self.detokenize(ids) for ids in inputs]
        return "".join(self.readable(map(self.id_to_token, np.asarray(inputs, int).tolist())))

    def token_to_id(self, token: str) -> int:
        """The id of a token; 1 if it is unknown."""
        self._known()
        return self._ids.get(SPECIAL[END] if token == "\n" else compose(token), UNKNOWN)


def train_spaced_word_tokenizer(
    texts: Iterable[str], vocabulary_size: int | None = None
) -> SpacedWordTokenizer:
    """Creates a tokenizer from the words of texts.

    Args:
        texts: Training texts.
        vocabulary_size: int. The greatest number of ids, 3 of which are special tokens; the most
            frequent words have one. Defaults to `None`: all words have one.

    Returns:
        A `SpacedWordTokenizer`; the most frequent words have the lowest ids.

    Raises:
        ValueError: if there is no word, or no room for one.
    """
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(SpacedWordTokenizer.split(text))
    for token in SPECIAL:
        counts.pop(token, None)
    words = sorted(counts, key=lambda word: (-counts[word], word))
    if vocabulary_size is not None:
        words = words[: max(vocabulary_size - len(SPECIAL), 0)]
    if not words:
        raise ValueError(
            "A tokenizer needs at least one word, and a vocabulary of 4 or more ids. "
            f"Received: {len(counts)} words, vocabulary_size={vocabulary_size}"
        )
    return SpacedWordTokenizer(words)
