"""Preprocessor from texts to padded token ids."""

import itertools
from collections.abc import Iterable

import keras
import keras_hub
import numpy as np

from zoo.models.batching import pad
from zoo.models.pipelines import in_python
from zoo.models.text_classifier.backbone import TextClassifierBackbone
from zoo.tokenizers import SubwordTokenizer, TextWordTokenizer
from zoo.unicode import compose


@keras.saving.register_keras_serializable("zoo")
class TextClassifierTokenizer(SubwordTokenizer):
    """The tokenizer of `TextClassifierBackbone`, by which `from_preset` of tokenizers finds it."""

    backbone_cls = TextClassifierBackbone


@keras.saving.register_keras_serializable("zoo")
class TextClassifierPreprocessor(keras_hub.models.TextClassifierPreprocessor):
    """Tokenizes texts, truncates them and pads them on the right.

    Called on strings it pads to `sequence_length`, as a KerasHub preprocessor does, in
    `tf.data` too. For bucketed batches `encode` and `collate` do the same in two steps.

    Args:
        tokenizer: A `SubwordTokenizer` or a `TextWordTokenizer`.
        sequence_length: int. Most tokens of a text; longer ones are truncated. Defaults to
            `128`.
        lowercase: bool. Whether texts are lower-cased first. Defaults to `False`.
    """

    backbone_cls = TextClassifierBackbone
    tokenizer_cls = SubwordTokenizer

    def __init__(self, tokenizer, sequence_length=128, lowercase=False, **kwargs):
        kwargs.pop("truncate", None)  # an argument of the base class for pairs of segments
        super().__init__(tokenizer, sequence_length=sequence_length, **kwargs)
        self.lowercase = lowercase

    def build(self, input_shape):
        self.packer = keras_hub.layers.StartEndPacker(
            sequence_length=self.sequence_length, pad_value=self.tokenizer.pad_token_id
        )
        self.built = True

    def call(self, x, y=None, sample_weight=None):
        if self.lowercase:
            x = _lower(x)
        if isinstance(self.tokenizer, TextWordTokenizer):
            x = self._pack_words(x)
        else:
            token_ids = self.packer(self.tokenizer(x))
            x = {"token_ids": token_ids, "padding_mask": token_ids != self.tokenizer.pad_token_id}
        return keras.utils.pack_x_y_sample_weight(x, y, sample_weight)

    def _pack_words(self, texts):
        """The inputs of the backbone for a text, a list of texts, or a `tf.data` tensor."""
        if isinstance(texts, str):
            return {name: array[0] for name, array in self._pack_words([texts]).items()}
        length = self.sequence_length
        shape = (None, length)
        return in_python(
            lambda texts: self.collate(self.tokenizer.encode(texts), length),
            [texts],
            {"token_ids": ("int32", shape), "padding_mask": ("bool", shape)},
        )

    def encode(
        self,
        texts: Iterable[str],
        sampling: float = 0.0,
        seed: int | None = None,
        truncate: bool = True,
    ) -> list[list[int]]:
        """Token ids of each text, by default truncated. See `SubwordTokenizer.encode`."""
        if self.lowercase:
            texts = [text.lower() for text in texts]
        encoded = self.tokenizer.encode(texts, sampling, seed)
        return [ids[: self.sequence_length] for ids in encoded] if truncate else encoded

    def pieces(self, text: str) -> list[str]:
        """The text of each token of `encode`, in NFC and its original case."""
        text = compose(text)
        encoded = text.lower() if self.lowercase else text
        pieces = self.tokenizer.pieces(encoded)[: self.sequence_length]
        if len(encoded) != len(text):  # a few characters are longer in lower case, such as "İ"
            return pieces
        ends = list(itertools.accumulate(map(len, pieces)))
        return [text[end - len(piece) : end] for piece, end in zip(pieces, ends, strict=True)]

    def collate(self, encoded: list[list[int]], length: int) -> dict[str, np.ndarray]:
        """Pads encoded texts to one length, truncating longer ones.

        Args:
            encoded: Lists of token ids.
            length: int. Length to pad to.

        Returns:
            A dictionary: `token_ids`, int32 `[batch, length]`, and `padding_mask`, bool
            `[batch, length]`.
        """
        token_ids, padding_mask = pad(encoded, length, self.tokenizer.pad_token_id)
        return {"token_ids": token_ids, "padding_mask": padding_mask}

    def get_config(self):
        return super().get_config() | {"lowercase": self.lowercase}


def _lower(texts):
    """Lower-cases the inputs of `call`: a string, a list, an array or a `tf.data` tensor."""
    if isinstance(texts, str):
        return texts.lower()
    if isinstance(texts, (list, tuple)):
        return [text.lower() for text in texts]
    import tensorflow as tf  # heavy, and only `tf.data` and arrays need it

    return tf.strings.lower(texts, encoding="utf-8")
