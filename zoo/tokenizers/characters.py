"""Character tokenizer, with the interface of `SubwordTokenizer`."""

from collections import Counter
from collections.abc import Iterable

import keras
import numpy as np

from zoo.tokenizers.vocabulary import PADDING, UNKNOWN, VocabularyTokenizer
from zoo.unicode import compose

START, END = 2, 3
SPECIAL = ("<pad>", "<unk>", "<s>", "</s>")  # the names of SentencePiece
UNKNOWN_TEXT = "\ufffd"  # Unicode's replacement character


@keras.saving.register_keras_serializable("zoo")
class CharacterTokenizer(VocabularyTokenizer):
    """Maps each character of a text to an id; white space and line breaks are characters too.

    Created by `train_character_tokenizer`. Ids 0 to 3 are padding, unknown, start and end, as in
    `SubwordTokenizer`. Text is normalised to Unicode's composed form (NFC), and nothing else is
    changed: decoding the ids of a text of known characters gives its NFC form.

    Args:
        characters: The vocabulary, in the order of the ids, which begin with 4. Defaults to `None`,
            for a vocabulary that is loaded from a preset.

    Raises:
        ValueError: if there is none, or one occurs twice or is not a single character in NFC.
    """

    pad_token_id, unk_token_id, start_token_id, end_token_id = PADDING, UNKNOWN, START, END
    special, vocabulary_file = SPECIAL, "characters.json"
    separator = ""  # between the entries of a text

    def __init__(self, characters: Iterable[str] | None = None, **kwargs):
        super().__init__(characters, **kwargs)

    @staticmethod
    def _check_entry(entry: str) -> None:
        if not isinstance(entry, str) or len(entry) != 1 or compose(entry) != entry:
            raise ValueError(
                "Each entry of a vocabulary of characters must be one character in Unicode's "
                f"composed form (NFC). Received: {entry!r}"
            )

    @staticmethod
    def split(text: str) -> list[str]:
        """The characters of a text in NFC."""
        return list(compose(text))

    @staticmethod
    def pieces(text: str) -> list[str]:
        """The text of each id of `encode`; they join to the text in NFC."""
        return list(compose(text))

    def unknown_characters(self, text: str) -> list[str]:
        """The characters of a text that are not in the vocabulary, each once."""
        return self._unknown(text)

    @staticmethod
    def readable(pieces: Iterable[str]) -> list[str]:
        """The text of each token of the vocabulary: `"\ufffd"` if unknown, `""` if special."""
        texts = dict.fromkeys(SPECIAL, "") | {SPECIAL[UNKNOWN]: UNKNOWN_TEXT}
        return [texts.get(piece, piece) for piece in pieces]

    def tokenize(self, inputs):
        """A text, or a list, an array or a TensorFlow tensor of texts, to ids."""
        if isinstance(inputs, str):
            return self.encode([inputs])[0]
        if isinstance(inputs, list | tuple | np.ndarray):
            return [self.tokenize(text) for text in inputs]
        return self._tokenize_tensor(inputs)

    def _tokenize_tensor(self, texts):
        """Ids of a tensor of texts, ragged if it has several; also in graphs and `tf.data`."""
        import tensorflow as tf  # heavy, and only tensors need it
        import tensorflow_text

        characters = sorted(self._ids)
        codes = np.array([ord(one) for one in characters], "int32")
        ids = np.array([self._ids[one] for one in characters], "int32")

        def find(found):
            place = tf.minimum(tf.searchsorted(codes, found), len(codes) - 1)
            return tf.where(tf.gather(codes, place) == found, tf.gather(ids, place), UNKNOWN)

        composed = tensorflow_text.normalize_utf8(texts, "NFC")
        return tf.ragged.map_flat_values(find, tf.strings.unicode_decode(composed, "UTF-8"))

    def detokenize(self, inputs):
        """The text of ids, or the texts of a list, an array or a TensorFlow tensor of ids."""
        if not isinstance(inputs, list | tuple | np.ndarray):
            return self._detokenize_tensor(inputs)
        if len(inputs) and hasattr(inputs[0], "__len__"):
            return [self.detokenize(ids) for ids in inputs]
        return "".join(self.readable(self.id_to_token(int(token_id)) for token_id in inputs))

    def _detokenize_tensor(self, ids):
        import tensorflow as tf  # heavy, and only tensors need it

        texts = tf.constant([self.detokenize([i]) for i in range(self.vocabulary_size())])
        return tf.strings.reduce_join(tf.gather(texts, ids), axis=-1, separator=self.separator)

    def token_to_id(self, token: str) -> int:
        """The id of a token; 1 if it is unknown."""
        self._known()
        return SPECIAL.index(token) if token in SPECIAL else self._ids.get(token, UNKNOWN)

    def with_config_file(self, config_file: str) -> "CharacterTokenizer":
        """A copy whose config is a file of this name in a preset."""
        copy = type(self).from_config(self.get_config() | {"config_file": config_file})
        if self._entries is not None:
            copy.set_vocabulary(self._entries)
        return copy


def train_character_tokenizer(
    texts: Iterable[str], vocabulary_size: int = 8000
) -> CharacterTokenizer:
    """Creates a tokenizer from the characters of texts.

    Args:
        texts: Training texts.
        vocabulary_size: int. The greatest number of ids, 4 of which are special tokens. If there
            are more characters, the rarest are left out. Defaults to `8000`.

    Returns:
        A `CharacterTokenizer`, whose characters are in the order of their code points.

    Raises:
        ValueError: if there is no character, or no room for one.
    """
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(compose(text))
    return CharacterTokenizer(most_frequent(counts, vocabulary_size))


def most_frequent(counts: Counter[str], vocabulary_size: int) -> list[str]:
    """The most frequent entries for a vocabulary with the special tokens, in their sort order."""
    size = vocabulary_size - len(SPECIAL)
    if not counts or size < 1:
        raise ValueError(
            "A tokenizer needs at least one text that is not empty, and a vocabulary of 5 or more "
            f"ids. Received: {len(counts)} different characters or symbols, "
            f"vocabulary_size={vocabulary_size}"
        )
    return sorted(sorted(counts, key=lambda entry: (-counts[entry], entry))[:size])
