"""Preprocessor of taggers that read whole sentences by character language models."""

import keras
import numpy as np

from zoo.models.token_classifier.preprocessor import TokenClassifierPreprocessor
from zoo.tokenizers.characters import PADDING, UNKNOWN, CharacterTokenizer

# Most of a sentence, with its start: the gates of an LSTM of 2,048 units then take 0.5 GB.
MAX_CHARACTERS = 16_384
CALL_CHARACTERS = 8  # for each word of a call, which has a fixed shape


@keras.saving.register_keras_serializable("zoo")
class ContextualTokenClassifierPreprocessor(TokenClassifierPreprocessor):
    """Also maps the characters of a sentence to the ids that character language models read.

    They read the words with single spaces between, after the token that a text begins with, upper
    and lower case as it is.

    Args:
        tokenizer: A `WordTokenizer`.
        text_characters: str. The vocabulary of the language models, in the order of its ids; see
            `CharacterTokenizer`.
        start: str. The token that they read before a text; see `CausalLMPreprocessor`. Defaults to
            `None`: the end token.
        num_models: int. 1 for a forward model, 2 for a forward and a backward one. Defaults to
            `2`.
        character_length, sequence_length: See `TokenClassifierPreprocessor`. A call pads a
            sentence to 8 characters for each of `sequence_length` words and leaves out the words
            beyond; of the longest words it leaves out what is in the middle, if these are too many
            characters.

    Raises:
        ValueError: if a number is out of its range, or a character occurs twice.
    """

    # Of two classes with one backbone, `from_preset` would find either.
    backbone_cls = None  # type: ignore[assignment]

    def __init__(
        self,
        tokenizer,
        text_characters,
        start=None,
        num_models=2,
        character_length=24,
        sequence_length=128,
        **kwargs,
    ):
        super().__init__(tokenizer, character_length, sequence_length, **kwargs)
        if num_models not in (1, 2):
            raise ValueError(f"`num_models` must be 1 or 2. Received: num_models={num_models!r}")
        self.text_characters = text_characters
        self.start = start
        self.num_models = num_models
        self._reader = CharacterTokenizer(text_characters)
        self._space = self._reader.token_to_id(" ")

    @property
    def num_characters(self) -> int:
        """The number of ids of characters that the language models know."""
        return self._reader.vocabulary_size()

    @property
    def start_token_id(self) -> int:
        """The id that the language models read before the first character."""
        return self._reader.token_to_id("</s>" if self.start is None else self.start)

    def encode(self, sentences):
        """The word ids, character ids and ids of whole words of each sentence.

        Raises:
            ValueError: if a sentence has more characters than the language models read.
        """
        sentences = [list(words) for words in sentences]
        encoded = self._encode(sentences)
        for one in encoded:
            if (length := self.length(one)) > MAX_CHARACTERS:
                raise ValueError(
                    f"The language models read at most {MAX_CHARACTERS:,} characters: split the "
                    f"text into sentences. Received: {length:,} characters in {len(one[2]):,} words"
                )
        return encoded

    def _encode(self, sentences):
        known = super().encode(sentences)
        # A word without characters is an unknown one, so that each word has a step of its own.
        read = ([ids or [UNKNOWN] for ids in self._reader.encode(words)] for words in sentences)
        return [(*pair, text) for pair, text in zip(known, read, strict=True)]

    def length(self, encoded):
        """The number of characters of a sentence, with start and spaces; 0 of an empty one."""
        *_, text = encoded
        return sum(map(len, text)) + len(text)

    def masked(self, encoded, place):
        """An encoded sentence with an unknown word, of one unknown character, in one place."""
        *known, text = encoded
        return *super().masked(known, place), [*text[:place], [UNKNOWN], *text[place + 1 :]]

    def collate(self, encoded, length):
        """Pads encoded sentences to one length.

        Args:
            encoded: What `encode` returned.
            length: int. Characters to pad to, with start and spaces; at least those of the
                longest sentence. Words are padded to a quarter or to half of it.
                `0` is taken for `1`: the start alone.

        Returns:
            The inputs of the backbone: those of `TokenClassifierPreprocessor`; `text_ids`, int32
            `[batch, num_models, length]`; and `text_places`, int32 `[batch, num_models, words]`.
        """
        length = max(length, 1)
        longest = max((self.num_words(one) for one in encoded), default=0)
        quarter, half = -(-length // 4), -(-length // 2)  # each word has a character and a space
        return self._collate(encoded, quarter if longest <= quarter else half, length)

    def collate_words(self, encoded, length):
        """The inputs of a backbone without language models, padded to `length` words."""
        return super().collate([known for *known, _ in encoded], length)

    def _collate(self, encoded, num_words, num_characters):
        batch = self.collate_words(encoded, num_words)
        shape = (len(encoded), self.num_models)
        text_ids = np.full((*shape, num_characters), PADDING, "int32")
        places = np.zeros((*shape, num_words), "int32")
        text_ids[:, :, 0] = self.start_token_id
        for row, (*_, text) in enumerate(encoded):
            if not text:
                continue
            ends = np.cumsum([len(word) + 1 for word in text]) - 1  # without the spaces
            ids = [one for word in text for one in (*word, self._space)][:-1]
            text_ids[row, 0, 1 : 1 + len(ids)] = ids
            places[row, 0, : len(text)] = ends
            if self.num_models == 2:
                firsts = ends - [len(word) for word in text]
                text_ids[row, 1, 1 : 1 + len(ids)] = ids[::-1]
                places[row, 1, : len(text)] = len(ids) - firsts
        return batch | {"text_ids": text_ids, "text_places": places}

    def _outputs(self):
        words, models = self.sequence_length, self.num_models
        return super()._outputs() | {
            "text_ids": ("int32", (None, models, CALL_CHARACTERS * words)),
            "text_places": ("int32", (None, models, words)),
        }

    def _pack(self, sentences):
        words = self.sequence_length
        encoded = self._encode([self.words(one)[:words] for one in sentences])
        encoded = [(*known, _fitted(text, CALL_CHARACTERS * words)) for *known, text in encoded]
        return self._collate(encoded, words, CALL_CHARACTERS * words)

    def get_config(self):
        return super().get_config() | {
            "text_characters": self.text_characters,
            "start": self.start,
            "num_models": self.num_models,
        }


def _fitted(text, length):
    """The ids of words, the longest without their middle, so that all fit with start and spaces."""
    room, longest = length - len(text), max(map(len, text), default=0)
    most = min(longest, length)
    while sum(min(len(word), most) for word in text) > room:
        most -= 1
    if most == longest:
        return text
    end = most // 2
    return [w if len(w) <= most else [*w[: most - end], *w[len(w) - end :]] for w in text]
