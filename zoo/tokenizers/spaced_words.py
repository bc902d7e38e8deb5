"""Tokenizer of texts whose words are separated by spaces, for word-level language models."""

import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import keras
import keras_hub
import numpy as np
import regex

from zoo.unicode import compose

PADDING, UNKNOWN, END = 0, 1, 2
SPECIAL = ("<pad>", "<unk>", "<eos>")  # <unk> and <eos> as in WikiText and the Penn Treebank
WORDS_FILE = "words.json"

# A line break or a word, with the white space before it.
_PIECE = regex.compile(r"[^\S\n]*(\n|\S+)")


@keras.saving.register_keras_serializable("zoo")
class SpacedWordTokenizer(keras_hub.tokenizers.Tokenizer):
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

    def __init__(self, words: Iterable[str] | None = None, **kwargs):
        super().__init__(**kwargs)
        self.built = True  # no weights
        self.file_assets = [WORDS_FILE]
        self._words: tuple[str, ...] | None = None
        self._ids: dict[str, int] = {}
        if words is not None:
            self.set_vocabulary(words)

    def set_vocabulary(self, words: Iterable[str]) -> None:
        """Sets the words, in the order of their ids; see the class."""
        words = tuple(words)
        for word in words:
            is_word = isinstance(word, str) and [word] == word.split() and compose(word) == word
            if not is_word or word in SPECIAL:
                raise ValueError(
                    "Each word must be a string in NFC without white space, and no special token. "
                    f"Received: {word!r}"
                )
        if not words or len(set(words)) < len(words):
            twice = [word for word, count in Counter(words).items() if count > 1]
            raise ValueError(
                "A vocabulary needs at least one word, and all different ones. "
                f"Received: {len(words)} words" + (f", {twice[0]!r} twice" if twice else "")
            )
        self._words = words
        self._ids = {word: i for i, word in enumerate((*SPECIAL, *words))}

    @property
    def special_tokens(self):
        return list(SPECIAL)

    @property
    def special_token_ids(self):
        return [PADDING, UNKNOWN, END]

    def vocabulary_size(self) -> int:
        """The number of ids, including those of the special tokens."""
        return len(SPECIAL) + len(self._known())

    def get_vocabulary(self) -> list[str]:
        """The token of each id; the first three are `<pad>`, `<unk>` and `<eos>`."""
        return [*SPECIAL, *self._known()]

    def encode(
        self, texts: Iterable[str], sampling: float = 0.0, seed: int | None = None
    ) -> list[list[int]]:
        """Ids of each text, without padding. There is nothing to sample."""
        self._known()
        return [[self._ids.get(word, UNKNOWN) for word in self.split(text)] for text in texts]

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
        self._known()
        return [one for one in dict.fromkeys(self.split(text)) if one not in self._ids]

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

    def id_to_token(self, id: int) -> str:
        """The token of an id."""
        known = self._known()
        if not 0 <= id < len(SPECIAL) + len(known):
            raise ValueError(
                f"An id must be below the size of the vocabulary, {self.vocabulary_size()}. "
                f"Received: id={id}"
            )
        return SPECIAL[id] if id < len(SPECIAL) else known[id - len(SPECIAL)]

    def token_to_id(self, token: str) -> int:
        """The id of a token; 1 if it is unknown."""
        self._known()
        return self._ids.get(SPECIAL[END] if token == "\n" else compose(token), UNKNOWN)

    def save_assets(self, dir_path):
        text = json.dumps(self._known(), ensure_ascii=False)
        Path(dir_path, WORDS_FILE).write_text(text + "\n", "utf-8", newline="\n")

    def load_assets(self, dir_path):
        self.set_vocabulary(json.loads(Path(dir_path, WORDS_FILE).read_text("utf-8")))

    def _known(self) -> tuple[str, ...]:
        if self._words is None:
            raise ValueError(
                "This tokenizer has no vocabulary: create it with `train_spaced_word_tokenizer`, "
                "or load its preset. Received: words=None"
            )
        return self._words


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
