"""Word tokenizer of texts, with the interface of `SubwordTokenizer`."""

from collections import Counter
from collections.abc import Iterable

import keras

from zoo.checks import check_integer
from zoo.tokenizers.words import INVISIBLE, WORDS_FILE, WordTokenizer
from zoo.unicode import compose


@keras.saving.register_keras_serializable("zoo")
class TextWordTokenizer(WordTokenizer):
    """Splits texts into words and punctuation marks, and maps them to ids.

    Created by `train_text_word_tokenizer`. Its `encode` and `pieces` take texts, as those of
    `SubwordTokenizer` do, where those of a `WordTokenizer` take the words of a sentence. Ids 0 and
    1 are padding and unknown.

    Args:
        words: The vocabulary, in the order of the ids. Defaults to `None`, for a vocabulary that is
            loaded from a preset.
        lowercase: bool. Whether words are lower-cased. Defaults to `False`.
        language: The code of the language, which `split` depends on: `"en"` keeps `n't` whole.
            Defaults to `None`.
    """

    def __init__(self, words=None, lowercase=False, language=None, **kwargs):
        for name in ("jamo", "unit"):  # of the base class; a text's characters have no ids
            kwargs.pop(name, None)
        super().__init__(words, (), lowercase, language=language, **kwargs)
        self.file_assets = [WORDS_FILE]

    def encode(  # type: ignore[override]
        self, texts: Iterable[str], sampling: float = 0.0, seed: int | None = None
    ) -> list[list[int]]:
        """Word ids of each text, without padding. There is nothing to sample."""
        return [super(TextWordTokenizer, self).encode(self.split(text)) for text in texts]

    def pieces(self, text: str) -> list[str]:
        """The text of each id of `encode`: the word with the white space before it.

        They join to the text in NFC; white space at its end belongs to the last word, and
        invisible characters, which `split` leaves out, to the word before them.
        """
        text, pieces, start = compose(text), [], 0
        for _, end in self.split_with_ends(text):
            while INVISIBLE.match(text, end):
                end += 1
            pieces.append(text[start:end])
            start = end
        if pieces:
            pieces[-1] += text[start:]
        return pieces

    def tokenize(self, inputs):
        """A text, or a list of texts, to word ids."""
        if isinstance(inputs, str):
            return self.encode([inputs])[0]
        return [self.tokenize(text) for text in inputs]

    def save_assets(self, dir_path):
        self._save_lines(dir_path, WORDS_FILE, "words")

    def load_assets(self, dir_path):
        self.set_vocabulary(self._load_lines(dir_path, WORDS_FILE), ())

    def get_config(self):
        config = super().get_config()
        del config["jamo"], config["unit"]
        return config


def train_text_word_tokenizer(
    texts: Iterable[str],
    vocabulary_size: int,
    lowercase: bool = False,
    language: str | None = None,
) -> TextWordTokenizer:
    """Creates a tokenizer from the words of texts.

    Args:
        texts: Training texts.
        vocabulary_size: int, at least 3. The greatest number of ids; two are special, and the most
            frequent words have one.
        lowercase, language: See `TextWordTokenizer`.

    Returns:
        A `TextWordTokenizer`; the most frequent words have the lowest ids.

    Raises:
        ValueError: if there is no word, or the vocabulary has no room for one.
    """
    check_integer("vocabulary_size", vocabulary_size, 3)
    tokenizer = TextWordTokenizer((), lowercase, language)
    counts = Counter(tokenizer.form(word) for text in texts for word in tokenizer.split(text))
    if not counts:
        raise ValueError("A tokenizer needs at least one word. Received: none")
    words = sorted(counts, key=lambda word: (-counts[word], word))
    tokenizer.set_vocabulary(words[: vocabulary_size - 2], ())
    return tokenizer
