"""Preprocessor from sentences to padded ids of words and characters."""

from collections.abc import Iterable, Sequence

import keras
import keras_hub
import numpy as np

from zoo.checks import check_integer
from zoo.choices import PIECES, check_choice
from zoo.models.batching import pad
from zoo.models.pipelines import in_python, split_words
from zoo.models.pretrained import TokenizerAdapter
from zoo.models.token_classifier.backbone import TokenClassifierBackbone
from zoo.tokenizers import WordTokenizer
from zoo.tokenizers.words import UNKNOWN, split_text
from zoo.unicode import compose


@keras.saving.register_keras_serializable("zoo")
class TokenClassifierTokenizer(WordTokenizer):
    """The tokenizer of `TokenClassifierBackbone`, by which `from_preset` of tokenizers finds it."""

    backbone_cls = TokenClassifierBackbone


@keras.saving.register_keras_serializable("zoo")
class TokenClassifierPreprocessor(keras_hub.models.Preprocessor):
    """Maps words and characters to ids, and pads them on the right.

    A sentence is a list of words, or a text, which the tokenizer splits. Called on sentences it
    pads to `sequence_length`, as a KerasHub preprocessor does, in `tf.data` too. For bucketed
    batches `encode` and `collate` do the same in two steps.

    Args:
        tokenizer: A `WordTokenizer`.
        character_length: int. Most characters of a word, see
            `WordTokenizer.encode_characters`; `0` for a model without character features.
            Defaults to `24`.
        sequence_length: int. Words of a sentence that a call pads or truncates to. `infer`
            truncates nothing. Defaults to `128`.

    Raises:
        ValueError: if `character_length` is not an integer of at least 0, or `sequence_length`
            not one of at least 1.
    """

    backbone_cls = TokenClassifierBackbone
    tokenizer_cls = WordTokenizer

    def __init__(self, tokenizer, character_length=24, sequence_length=128, **kwargs):
        super().__init__(**kwargs)
        check_integer("character_length", character_length, minimum=0)
        check_integer("sequence_length", sequence_length, minimum=1)
        self.tokenizer = tokenizer
        self.character_length = character_length
        self.sequence_length = sequence_length

    def build(self, input_shape):
        self.built = True  # no weights

    def words(self, sentence: str | Sequence[str]) -> list[str]:
        """The words of a sentence, or its characters; a text is split by the tokenizer.

        Raises:
            ValueError: if a list has words, and the tokenizer has a vocabulary of characters.
        """
        words = split_words(sentence)
        if words is None:
            return self.tokenizer.split(sentence)
        if self.tokenizer.unit == "characters":
            for word in words:
                if len(compose(word)) != 1:
                    raise ValueError(
                        "This model tags characters: give it a text, or a list of its characters. "
                        f"Received: {word!r} in a list"
                    )
        return words

    def encode(self, sentences: Iterable[Sequence[str]]) -> list[tuple[list[int], list[list[int]]]]:
        """The word ids of each sentence, and the character ids of each of its words."""
        length = self.character_length
        return [
            (
                self.tokenizer.encode(words),
                self.tokenizer.encode_characters(words, length) if length else [],
            )
            for words in sentences
        ]

    def fits(self, sentences: Sequence[Sequence[str]]) -> list[bool]:
        """For each sentence, true if `encode` takes it: all but those too long for an encoder."""
        return [True] * len(sentences)

    def collate(self, encoded, length: int) -> dict[str, np.ndarray]:
        """Pads encoded sentences to one length.

        Args:
            encoded: What `encode` returned.
            length: int. Words to pad to; at least those of the longest sentence.

        Returns:
            The inputs of the backbone: `word_ids`, int32 `[batch, length]`; `padding_mask`,
            bool `[batch, length]`; and, unless `character_length` is 0, `character_ids`, int32
            `[batch, length, character_length]`.
        """
        word_ids, padding_mask = pad([ids for ids, _ in encoded], length, pad_id=0)
        batch = {"word_ids": word_ids, "padding_mask": padding_mask}
        if self.character_length:
            character_ids = np.zeros((len(encoded), length, self.character_length), "int32")
            for row, (_, words) in enumerate(encoded):
                for position, ids in enumerate(words):
                    character_ids[row, position, : len(ids)] = ids
            batch["character_ids"] = character_ids
        return batch

    def length(self, encoded) -> int:
        """The number of steps of an encoded sentence, 0 of an empty one."""
        return self.num_words(encoded)

    def num_words(self, encoded) -> int:
        """The number of words of an encoded sentence."""
        return len(encoded[0])

    def masked(self, encoded, place: int):
        """An encoded sentence with an unknown word, of one unknown character, in one place."""
        ids, spelled = encoded
        ids = [*ids[:place], UNKNOWN, *ids[place + 1 :]]
        if spelled:
            spelled = [*spelled[:place], [UNKNOWN], *spelled[place + 1 :]]
        return ids, spelled

    def by_word(self, values: np.ndarray, encoded) -> np.ndarray:
        """The sums of the values of the embedded inputs of each word: `[..., words]`."""
        return values[..., : self.num_words(encoded)]

    def call(self, x, y=None, sample_weight=None):
        batch = in_python(self._pack, [x], self._outputs())
        return keras.utils.pack_x_y_sample_weight(batch, y, sample_weight)

    def _outputs(self) -> dict[str, tuple[str, tuple]]:
        """The dtype and the shape of each array of a call."""
        length, spelled = self.sequence_length, self.character_length
        outputs: dict[str, tuple[str, tuple]] = {
            "word_ids": ("int32", (None, length)),
            "padding_mask": ("bool", (None, length)),
        }
        if spelled:
            outputs["character_ids"] = ("int32", (None, length, spelled))
        return outputs

    def _pack(self, sentences):
        length = self.sequence_length
        encoded = self.encode([self.words(sentence)[:length] for sentence in sentences])
        return self.collate(encoded, length)

    def get_config(self):
        return super().get_config() | {
            "character_length": self.character_length,
            "sequence_length": self.sequence_length,
        }


@keras.saving.register_keras_serializable("zoo")
class EncoderTokenClassifierPreprocessor(TokenClassifierPreprocessor):
    """Splits the words of a sentence into the subwords that a KerasHub encoder reads.

    Args:
        tokenizer: The `keras_hub.tokenizers.Tokenizer` of the encoder.
        pieces: The state of a word of several subwords: `"first"`, that of the first (Devlin et
            al. 2019, section 5.3), or `"mean"`. Defaults to `"first"`.
        language: The code of the language by whose rules a text is split into words; see
            `WordTokenizer`. Defaults to `None`.
        sequence_length: int. Most subwords of a sentence, with start and end: the positions of
            the encoder. A call pads and truncates to it; `encode` refuses longer sentences.
            Defaults to `512`.

    Raises:
        ValueError: if `pieces` is unknown, or `sequence_length` not an integer of at least 3.
    """

    # Of two classes with one backbone, `from_preset` would find either.
    backbone_cls = None  # type: ignore[assignment]
    tokenizer_cls = keras_hub.tokenizers.Tokenizer

    def __init__(self, tokenizer, pieces="first", language=None, sequence_length=512, **kwargs):
        check_choice("pieces", pieces, PIECES)
        check_integer("sequence_length", sequence_length, minimum=3)
        super().__init__(tokenizer, 0, sequence_length, **kwargs)
        self.pieces = pieces
        self.language = language
        self._adapter = TokenizerAdapter(tokenizer)

    def words(self, sentence):
        """The words of a sentence; a text is split by the rules of the language."""
        words = split_words(sentence)
        return split_text(sentence, self.language) if words is None else words

    def encode(self, sentences):
        """The token ids of each word of each sentence.

        Raises:
            ValueError: if a sentence has more tokens than the encoder has positions.
        """
        encoded = self._adapter.encode_sentences(sentences)
        for words in encoded:
            if self.length(words) > self.sequence_length:
                raise ValueError(
                    f"The encoder reads at most {self.sequence_length} subwords, with start and "
                    f"end: split the sentence. Received: {self.length(words)} subwords of "
                    f"{len(words)} words"
                )
        return encoded

    def fits(self, sentences):
        encoded = self._adapter.encode_sentences(sentences)
        return [self.length(words) <= self.sequence_length for words in encoded]

    def length(self, encoded):
        """The number of tokens of a sentence, with start and end; 0 of an empty one."""
        return sum(map(len, encoded)) + 2 if encoded else 0

    def num_words(self, encoded):
        """The number of words of an encoded sentence."""
        return len(encoded)

    def masked(self, encoded, place):
        """An encoded sentence with the mask token in place of a word."""
        return [*encoded[:place], [self._adapter.mask], *encoded[place + 1 :]]

    def by_word(self, values, encoded):
        """The sums of the values of the tokens of each word: `[..., words]`."""
        ends = np.cumsum([1, *map(len, encoded)])  # after the start token
        return np.add.reduceat(values[..., : ends[-1]], ends[:-1], axis=-1)

    def collate(self, encoded, length):
        """Pads encoded sentences to one length.

        Args:
            encoded: What `encode` returned.
            length: int. Tokens, and words, to pad to; at least the tokens of the longest
                sentence. Not more than `sequence_length` is needed.

        Returns:
            The inputs of the backbone: `token_ids`, int32 `[batch, length]`; `token_mask`, bool
            `[batch, length]`; `padding_mask`, of the words, bool `[batch, length]`; and
            `alignment`, float32 `[batch, length, length]`.
        """
        length = min(length, self.sequence_length)
        start, end = self.tokenizer.start_token_id, self.tokenizer.end_token_id
        flat = [[start, *sum(words, []), end] for words in encoded]
        token_ids, token_mask = pad(flat, length, self.tokenizer.pad_token_id)
        alignment = np.zeros((len(encoded), length, length), "float32")
        for row, words in zip(alignment, encoded, strict=True):
            place = 1
            for word, ids in enumerate(words):
                count = len(ids) if self.pieces == "mean" else 1
                row[word, place : place + count] = 1 / count
                place += len(ids)
        return {
            "token_ids": token_ids,
            "token_mask": token_mask,
            "padding_mask": alignment.any(axis=2),
            "alignment": alignment,
        }

    def _outputs(self):
        length = self.sequence_length
        return {
            "token_ids": ("int32", (None, length)),
            "token_mask": ("bool", (None, length)),
            "padding_mask": ("bool", (None, length)),
            "alignment": ("float32", (None, length, length)),
        }

    def _pack(self, sentences):
        encoded = self._adapter.encode_sentences([self.words(one) for one in sentences])
        for words in encoded:
            while self.length(words) > self.sequence_length:
                words.pop()
        return self.collate(encoded, self.sequence_length)

    def get_config(self):
        config = super().get_config() | {"pieces": self.pieces, "language": self.language}
        del config["character_length"]
        return config
