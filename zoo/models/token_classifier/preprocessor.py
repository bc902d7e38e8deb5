"""Sentences to padded ids of words and characters."""

from collections.abc import Iterable, Sequence

import keras
import keras_hub
import numpy as np

from zoo.models.token_classifier.backbone import TokenClassifierBackbone
from zoo.tokenizers import WordTokenizer


@keras.saving.register_keras_serializable("zoo")
class TokenClassifierPreprocessor(keras_hub.models.Preprocessor):
    """Looks words and characters up, and pads them on the right.

    A sentence is a list of words, or a text, which the tokenizer splits.

    Args:
        tokenizer: A `WordTokenizer`.
        character_length: int. Most characters of a word that are read; `0` for a model without
            character features. Defaults to `24`.
    """

    backbone_cls = TokenClassifierBackbone
    tokenizer_cls = WordTokenizer

    def __init__(self, tokenizer, character_length=24, **kwargs):
        super().__init__(**kwargs)
        if character_length < 0:
            raise ValueError(
                "`character_length` must be at least 0. "
                f"Received: character_length={character_length}"
            )
        self.tokenizer = tokenizer
        self.character_length = character_length

    def words(self, sentence: str | Sequence[str]) -> list[str]:
        """The words of a sentence; those of a text are split by the tokenizer."""
        return self.tokenizer.split(sentence) if isinstance(sentence, str) else list(sentence)

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
            length: int. Words to pad to; no sentence may have more.

        Returns:
            The inputs of the backbone: `word_ids`, int32 `[batch, length]`; `padding_mask`,
            bool `[batch, length]`; and `character_ids`, int32 `[batch, length,
            character_length]`, unless that is `0`.
        """
        word_ids = np.zeros((len(encoded), length), "int32")
        characters = np.zeros((len(encoded), length, self.character_length), "int32")
        for row, (ids, spelled) in enumerate(encoded):
            word_ids[row, : len(ids)] = ids
            for place, word in enumerate(spelled):
                characters[row, place, : len(word)] = word
        lengths = np.array([len(ids) for ids, _ in encoded], "int32")
        batch = {
            "word_ids": word_ids,
            "padding_mask": np.arange(length)[None, :] < lengths[:, None],
        }
        return batch | {"character_ids": characters} if self.character_length else batch

    def call(self, x, y=None, sample_weight=None):
        encoded = self.encode([self.words(sentence) for sentence in x])
        longest = max([1, *(len(ids) for ids, _ in encoded)])
        batch = self.collate(encoded, longest)
        return keras.utils.pack_x_y_sample_weight(batch, y, sample_weight)

    def get_config(self):
        return super().get_config() | {"character_length": self.character_length}
