"""Preprocessor from texts to padded token ids."""

import bisect
import itertools
from collections.abc import Iterable

import keras
import keras_hub
import numpy as np

from zoo.explain.words import Word, group_words
from zoo.models.batching import pad
from zoo.models.pipelines import in_python
from zoo.models.pretrained import TokenizerAdapter
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
        return [self.truncated(ids) for ids in encoded] if truncate else encoded

    def truncated(self, ids: list[int]) -> list[int]:
        """The token ids of a text, at most `sequence_length` of them."""
        return ids[: self.sequence_length]

    def words(self, text: str, pieces: bool = False) -> list[Word]:
        """The words of a text with the places of their tokens in `encode`; see `group_words`."""
        return group_words(self.pieces(text), pieces)

    def pieces(self, text: str) -> list[str]:
        """The text of each token of `encode`, in NFC and its original case."""
        text = compose(text)
        encoded = text.lower() if self.lowercase else text
        pieces = self.tokenizer.pieces(encoded)[: self.sequence_length]
        # A few characters are longer in lower case, such as "İ".
        lengths = [len(c.lower()) for c in text] if self.lowercase else [1] * len(text)
        borders = list(itertools.accumulate(lengths, initial=0))
        ends = itertools.accumulate(map(len, pieces), initial=0)
        places = [bisect.bisect_left(borders, end) for end in ends]
        return [text[start:end] for start, end in itertools.pairwise(places)]

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


@keras.saving.register_keras_serializable("zoo")
class EncoderTextClassifierPreprocessor(TextClassifierPreprocessor):
    """Tokenizes texts as a KerasHub encoder reads them, with its start and end tokens.

    Args:
        tokenizer: The `keras_hub.tokenizers.Tokenizer` of the encoder.
        sequence_length: int. Most tokens of a text, with start and end; longer ones are
            truncated. Defaults to `128`.
    """

    # Of two classes with one backbone, `from_preset` would find either.
    backbone_cls = None  # type: ignore[assignment]
    tokenizer_cls = keras_hub.tokenizers.Tokenizer

    def __init__(self, tokenizer, sequence_length=128, **kwargs):
        super().__init__(tokenizer, sequence_length=sequence_length, **kwargs)
        self._adapter = TokenizerAdapter(tokenizer)

    def build(self, input_shape):
        self.packer = keras_hub.layers.StartEndPacker(
            sequence_length=self.sequence_length,
            start_value=self.tokenizer.start_token_id,
            end_value=self.tokenizer.end_token_id,
            pad_value=self.tokenizer.pad_token_id,
        )
        self.built = True

    def encode(self, texts, sampling=0.0, seed=None, truncate=True):
        """Token ids of each text, from start to end. KerasHub's tokenizers do not sample."""
        if sampling:
            raise ValueError(
                "The tokenizer of a KerasHub encoder has one segmentation of a text: leave "
                f"sampling 0. Received: sampling={sampling}"
            )
        start, end = self.tokenizer.start_token_id, self.tokenizer.end_token_id
        encoded = [[start, *ids, end] for ids in self._adapter.encode(texts)]
        return [self.truncated(ids) for ids in encoded] if truncate else encoded

    def truncated(self, ids):
        """The token ids of a text, at most `sequence_length` of them, the last the end token."""
        longest = self.sequence_length
        return ids if len(ids) <= longest else [*ids[: longest - 1], ids[-1]]

    def pieces(self, text):
        """The text of each token of `encode` but start and end."""
        return self._adapter.pieces(text)[: self.sequence_length - 2]

    def words(self, text, pieces=False):
        """The words of a text; no word has the start or the end token."""
        return [word.shifted(1) for word in super().words(text, pieces)]

    def collate(self, encoded, length):
        """As of `TextClassifierPreprocessor`; pads to `sequence_length` at most."""
        return super().collate(encoded, min(length, self.sequence_length))

    def get_config(self):
        config = super().get_config()
        del config["lowercase"]
        return config


def _lower(texts):
    """Lower-cases the inputs of `call`: a string, a list, an array or a `tf.data` tensor."""
    if isinstance(texts, str):
        return texts.lower()
    if isinstance(texts, (list, tuple)):
        return [text.lower() for text in texts]
    import tensorflow as tf  # heavy, and only `tf.data` and arrays need it

    return tf.strings.lower(texts, encoding="utf-8")
