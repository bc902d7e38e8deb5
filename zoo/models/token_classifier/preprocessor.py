"""Preprocessor from sentences to padded ids of words and characters."""

from collections.abc import Iterable, Sequence

import keras
import keras_hub
import numpy as np

from zoo.checks import check_integer
from zoo.models.batching import pad
from zoo.models.pipelines import in_python, split_words
from zoo.models.token_classifier.backbone import TokenClassifierBackbone
from zoo.tokenizers import WordTokenizer


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
        """The words of a sentence; a text is split by the tokenizer."""
        words = split_words(sentence)
        return self.tokenizer.split(sentence) if words is None else words

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

    def call(self, x, y=None, sample_weight=None):
        length, spelled = self.sequence_length, self.character_length
        outputs: dict[str, tuple[str, tuple]] = {
            "word_ids": ("int32", (None, length)),
            "padding_mask": ("bool", (None, length)),
        }
        if spelled:
            outputs["character_ids"] = ("int32", (None, length, spelled))
        batch = in_python(self._pack, [x], outputs)
        return keras.utils.pack_x_y_sample_weight(batch, y, sample_weight)

    def _pack(self, sentences):
        length = self.sequence_length
        encoded = self.encode([self.words(sentence)[:length] for sentence in sentences])
        return self.collate(encoded, length)

    def get_config(self):
        return super().get_config() | {
            "character_length": self.character_length,
            "sequence_length": self.sequence_length,
        }
