"""Preprocessor from source and target texts to padded token ids."""

from collections.abc import Iterable, Sequence

import keras
import keras_hub
import numpy as np
from keras_hub.src.utils.tensor_utils import preprocessing_function

from zoo.models.batching import pad
from zoo.models.generation.teacher_forcing import teacher_forcing, with_end
from zoo.models.seq2seq_lm.backbone import Seq2SeqLMBackbone
from zoo.tokenizers import SubwordTokenizer

TOKENIZER_FILE, SOURCE_TOKENIZER_FILE = "tokenizer.json", "source_tokenizer.json"


@keras.saving.register_keras_serializable("zoo")
class Seq2SeqLMTokenizer(SubwordTokenizer):
    """The tokenizer of `Seq2SeqLMBackbone`, by which `from_preset` of tokenizers finds it."""

    backbone_cls = Seq2SeqLMBackbone


@keras.saving.register_keras_serializable("zoo")
class Seq2SeqLMPreprocessor(keras_hub.models.Seq2SeqLMPreprocessor):
    """Tokenizes pairs of texts, appends end tokens and pads on the right.

    Called on `{"encoder_text": ..., "decoder_text": ...}` it pads to its two lengths, as a
    KerasHub preprocessor does, in `tf.data` too. For bucketed batches `encode_source`,
    `encode_target` and `collate` do the same in two steps.

    Args:
        tokenizer: A `SubwordTokenizer`, a `CharacterTokenizer` or a `SymbolTokenizer` of the
            target, or of source and target.
        encoder_sequence_length: int. Most tokens of a source, the end token included; longer
            ones are truncated. Defaults to `128`.
        decoder_sequence_length: int. Most tokens of a target. Defaults to `128`.
        source_tokenizer: A tokenizer of the source, likewise. Defaults to `None`: `tokenizer`.
        lowercase: bool. Whether sources are lower-cased. Defaults to `False`.
    """

    backbone_cls = Seq2SeqLMBackbone
    tokenizer_cls = SubwordTokenizer

    def __init__(
        self,
        tokenizer,
        encoder_sequence_length=128,
        decoder_sequence_length=128,
        source_tokenizer=None,
        lowercase=False,
        **kwargs,
    ):
        if source_tokenizer is not None:
            if source_tokenizer.config_file != SOURCE_TOKENIZER_FILE:
                source_tokenizer = source_tokenizer.with_config_file(SOURCE_TOKENIZER_FILE)
            if tokenizer.config_file != TOKENIZER_FILE:
                tokenizer = tokenizer.with_config_file(TOKENIZER_FILE)
        super().__init__(tokenizer, encoder_sequence_length, decoder_sequence_length, **kwargs)
        self.source_tokenizer = source_tokenizer or tokenizer
        self.lowercase = lowercase

    @property
    def has_two_tokenizers(self) -> bool:
        """True if the source has a tokenizer of its own."""
        return self.source_tokenizer is not self.tokenizer

    def source_vocabulary_size(self) -> int | None:
        """Vocabulary size of the source's own tokenizer, or `None` where it has none."""
        return self.source_tokenizer.vocabulary_size() if self.has_two_tokenizers else None

    def build(self, input_shape):
        super().build(input_shape)
        self.encoder_packer.start_value = None  # sources have no start token

    def call(self, x, y=None, sample_weight=None, *, encoder_sequence_length=None, **options):
        packed, y, sample_weight = super().call(
            x, y, sample_weight, encoder_sequence_length=encoder_sequence_length, **options
        )
        if self.has_two_tokenizers or self.lowercase:
            packed |= self._pack_source(x["encoder_text"], length=encoder_sequence_length)
        return packed, y, sample_weight

    def generate_preprocess(self, x, *, encoder_sequence_length=None, **options):
        packed = super().generate_preprocess(
            x, encoder_sequence_length=encoder_sequence_length, **options
        )
        if self.has_two_tokenizers or self.lowercase:
            texts = x["encoder_text"] if isinstance(x, dict) else x
            packed |= self._pack_source(texts, length=encoder_sequence_length)
        return packed

    @preprocessing_function
    def _pack_source(self, texts, *, length=None):
        """Packs sources with their own tokenizer; KerasHub's preprocessor has only one."""
        if self.lowercase:
            import tensorflow as tf  # heavy, and only tensors need it

            texts = tf.strings.lower(texts, encoding="utf-8")
        token_ids, mask = self.encoder_packer(self.source_tokenizer(texts), sequence_length=length)
        return {"encoder_token_ids": token_ids, "encoder_padding_mask": mask}

    def source_text(self, text: str) -> str:
        """A source as its tokenizer reads it: in lower case if all sources are."""
        return text.lower() if self.lowercase else text

    def encode_source(
        self, texts: Iterable[str], sampling: float = 0.0, seed: int | None = None
    ) -> list[list[int]]:
        """Truncated token ids of each source, with the end token. See `SubwordTokenizer.encode`."""
        encoded = self.source_tokenizer.encode(map(self.source_text, texts), sampling, seed)
        end = [self.tokenizer.end_token_id]
        return [ids[: self.encoder_sequence_length - 1] + end for ids in encoded]

    def encode_target(
        self, texts: Iterable[str], sampling: float = 0.0, seed: int | None = None
    ) -> list[list[int]]:
        """Token ids of each target, with the end token unless it is truncated."""
        encoded = self.tokenizer.encode(texts, sampling, seed)
        return with_end(encoded, self.decoder_sequence_length, self.tokenizer)

    def fits(self, sources: Sequence[str], targets: Sequence[str]) -> list[bool]:
        """True if each pair of texts is short enough to be read without truncation."""
        read = self.source_tokenizer.encode(map(self.source_text, sources))
        return [
            len(source) < self.encoder_sequence_length
            and len(target) < self.decoder_sequence_length
            for source, target in zip(read, self.tokenizer.encode(targets), strict=True)
        ]

    def collate_source(self, encoded: Sequence[list[int]], length: int) -> dict[str, np.ndarray]:
        """Pads encoded sources.

        Returns:
            `encoder_token_ids`, int32 `[batch, length]`, and `encoder_padding_mask`, bool
            `[batch, length]`.
        """
        ids, mask = pad(encoded, length, self.tokenizer.pad_token_id)
        return {"encoder_token_ids": ids, "encoder_padding_mask": mask}

    def collate(
        self,
        sources: Sequence[list[int]],
        targets: Sequence[list[int]],
        length: int,
        target_length: int | None = None,
        read: Sequence[list[int]] | None = None,
    ) -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]:
        """A batch for training with teacher forcing.

        Args:
            sources: What `encode_source` returned.
            targets: What `encode_target` returned.
            length: int. Length to pad the sources to.
            target_length: int. Length to pad the targets to. Defaults to `length`.
            read: Targets that the decoder reads as previous tokens: see `teacher_forcing`.
                Defaults to `None`: `targets`.

        Returns:
            A tuple: the inputs of the model; the labels, int32 `[batch, target_length]`; and
            their weights, float32 `[batch, target_length]`, 0 in the padding and 1 elsewhere.
        """
        inputs, labels, weights = teacher_forcing(
            targets, target_length or length, self.tokenizer, read
        )
        return self.collate_source(sources, length) | inputs, labels, weights

    def get_config(self):
        config = super().get_config() | {  # the base class omits them
            "encoder_sequence_length": self.encoder_sequence_length,
            "decoder_sequence_length": self.decoder_sequence_length,
            "lowercase": self.lowercase,
        }
        if self.has_two_tokenizers:
            config["source_tokenizer"] = keras.layers.serialize(self.source_tokenizer)
        return config

    @classmethod
    def from_config(cls, config):
        if isinstance(config.get("source_tokenizer"), dict):
            source_tokenizer = keras.layers.deserialize(config["source_tokenizer"])
            config = config | {"source_tokenizer": source_tokenizer}
        return super().from_config(config)
