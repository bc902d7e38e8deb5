"""Lossless subword tokenizer by SentencePiece: decoding the ids of a text gives its NFC form."""

import io
import random
from collections.abc import Iterable
from functools import cached_property

import keras
import keras_hub
import numpy as np
import sentencepiece

from zoo.tokenizers.sampling import Sampler
from zoo.unicode import compose

sentencepiece.set_min_log_level(1)  # warnings, but no notices

PADDING, UNKNOWN, START, END = 0, 1, 2, 3
# The pieces for bytes of characters that have no piece (`byte_fallback`).
_BYTE_PIECES = {f"<0x{byte:02X}>": byte for byte in range(256)}


@keras.saving.register_keras_serializable("zoo")
class SubwordTokenizer(keras_hub.tokenizers.SentencePieceTokenizer):
    """A SentencePiece tokenizer with ids 0 to 3 for padding, unknown, start and end.

    Called on strings it is a KerasHub tokenizer, also in `tf.data` and SavedModels. `encode` is
    the fast path that the zoo's models use. Both read text in Unicode's composed form (NFC).

    Args:
        proto: A SentencePiece model: its path, its bytes, or its bytes in base64.
        **kwargs: See `keras_hub.tokenizers.SentencePieceTokenizer`.

    References:
        - Kudo and Richardson 2018, "SentencePiece".
    """

    pad_token_id, unk_token_id, start_token_id, end_token_id = PADDING, UNKNOWN, START, END

    def __init__(self, proto: str | bytes | None = None, **kwargs):
        super().__init__(proto, **kwargs)
        self.built = True  # no weights

    def with_config_file(self, config_file: str) -> "SubwordTokenizer":
        """A copy whose config is a file of this name in a preset."""
        copy = type(self).from_config(self.get_config() | {"config_file": config_file})
        if self.proto is not None:
            copy.set_proto(self.proto)
        return copy

    def _update_special_token_ids(self):
        super()._update_special_token_ids()
        self.__dict__.pop("_sampler", None)  # of the former pieces

    def _set_proto_tf(self, proto):
        """Leaves the TensorFlow model out: only graphs need it (`_maybe_initialized_tf`)."""
        self._sentence_piece = None

    def _maybe_initialized_tf(self):
        """Creates the TensorFlow model in the graph that is being traced.

        A model shared by several graphs would be lost when `keras.utils.set_random_seed` clears
        TensorFlow's kernel cache.
        """
        super()._set_proto_tf(self.proto)

    def tokenize(self, inputs):
        return super().tokenize(_composed(inputs))

    def encode(
        self, texts: Iterable[str], sampling: float = 0.0, seed: int | None = None
    ) -> list[list[int]]:
        """Token ids of each text, without padding.

        Args:
            texts: The texts.
            sampling: float. For training with subword regularisation: if above 0, a segmentation
                is drawn with this exponent of its probability (α in Kudo 2018, equation 9).
                Defaults to `0.0`, which takes the best segmentation.
            seed: int. Seed of the draws. Defaults to `None`.

        Returns:
            A list of lists of ids.
        """
        texts = [compose(text) for text in texts]
        self._maybe_initialized_spm()
        if not sampling:
            return self._sentence_piece_spm.encode(texts, num_threads=1)
        source = random.Random(seed)
        return [
            [
                token_id
                for piece in self._sampler.draw(_with_spaces(text), sampling, source)
                for token_id in self._ids(piece)
            ]
            for text in texts
        ]

    @cached_property
    def _sampler(self) -> Sampler:
        model = self._sentence_piece_spm
        drawable = (i for i in range(len(model)) if not (model.is_control(i) or model.is_byte(i)))
        return Sampler(
            {
                model.id_to_piece(i): model.get_score(i)
                for i in drawable
                if not (model.is_unknown(i) or model.is_unused(i))
            }
        )

    def _ids(self, piece: str) -> list[int]:
        """The id of a piece, or the ids of the bytes of a character that has no piece."""
        token_id = self._sentence_piece_spm.piece_to_id(piece)
        if token_id != UNKNOWN:
            return [token_id]
        return [
            self._sentence_piece_spm.piece_to_id(f"<0x{byte:02X}>")
            for byte in piece.encode("utf-8")
        ]

    def pieces(self, text: str) -> list[str]:
        """The text of each token id of `encode`.

        The texts join to the text in its composed form (NFC). If a character takes several ids
        because it has no piece, the first text is the character and the others are empty.
        """
        self._maybe_initialized_spm()
        pieces = self._sentence_piece_spm.encode([compose(text)], out_type=str, num_threads=1)[0]
        return self.readable(pieces)

    def unknown_characters(self, text: str) -> list[str]:
        """The characters of a text that no piece has, which are encoded as bytes."""
        characters = [it for it in dict.fromkeys(compose(text)) if not it.isspace()]
        spelled = []
        for character, ids in zip(characters, self.encode(characters), strict=True):
            pieces = map(self.id_to_token, ids)
            if UNKNOWN in ids or any(piece in _BYTE_PIECES for piece in pieces):
                spelled.append(character)
        return spelled

    @staticmethod
    def readable(pieces: Iterable[str]) -> list[str]:
        """The text of each piece of the vocabulary; those of a whole text join to it."""
        readable, spelled = [], bytearray()
        for piece in pieces:
            if piece not in _BYTE_PIECES:
                spelled.clear()  # bytes that are no character
                readable.append(piece.replace("▁", " "))
                continue
            byte = _BYTE_PIECES[piece]
            if byte & 0xC0 != 0x80:
                spelled.clear()  # the byte begins a character
            if not spelled:
                first = len(readable)
            readable.append("")
            spelled.append(byte)
            try:
                readable[first] = spelled.decode("utf-8")
                spelled.clear()
            except UnicodeDecodeError:
                continue
        if readable:  # SentencePiece adds a space before the first word
            readable[0] = readable[0].removeprefix(" ")
        return readable


def _composed(texts):
    """The inputs of `tokenize` in NFC: a string, a list, an array or a tensor of `tf.data`."""
    if isinstance(texts, str | bytes):
        return compose(texts.decode("utf-8") if isinstance(texts, bytes) else texts)
    if isinstance(texts, list | tuple):
        return [_composed(text) for text in texts]
    if isinstance(texts, np.ndarray):
        return _composed(texts.tolist())
    if hasattr(texts, "dtype"):
        import tensorflow_text  # heavy, and only tensors need it

        return tensorflow_text.normalize_utf8(texts, "NFC")
    return texts


def _with_spaces(text: str) -> str:
    """A text as SentencePiece represents it: `▁` for spaces, and one before the first word."""
    return "▁" + text.replace(" ", "▁") if text else ""


def train_subword_tokenizer(
    texts: Iterable[str], vocabulary_size: int, algorithm: str = "unigram"
) -> SubwordTokenizer:
    """Trains a lossless subword tokenizer, which encodes unknown characters as bytes.

    Args:
        texts: Training texts.
        vocabulary_size: int. The greatest number of pieces, 260 of which are special tokens and
            bytes. There are fewer if the texts do not give as many.
        algorithm: `"unigram"` or `"bpe"`. Defaults to `"unigram"`.

    Returns:
        A `SubwordTokenizer`.

    Raises:
        ValueError: if there is no text, or SentencePiece cannot learn such a vocabulary, for
            example because it is too small for the characters.

    References:
        - Kudo 2018, "Subword Regularization"; byte-pair encoding: Sennrich et al. 2016.
    """
    model = io.BytesIO()
    lines = [line for text in texts for line in compose(text).splitlines() if line.strip()]
    if not lines:
        raise ValueError("A tokenizer needs at least one text that is not empty. Received: none")
    try:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(lines),
            model_writer=model,
            vocab_size=vocabulary_size,
            model_type=algorithm,
            normalization_rule_name="identity",
            remove_extra_whitespaces=False,
            byte_fallback=True,
            character_coverage=0.9995,  # rarer characters are encoded as bytes
            pad_id=PADDING,
            unk_id=UNKNOWN,
            bos_id=START,
            eos_id=END,
            hard_vocab_limit=False,
            max_sentence_length=1 << 16,
            num_threads=1,  # the same pieces on every machine
            minloglevel=2,
        )
    except RuntimeError as error:
        raise ValueError(
            "SentencePiece could not learn a vocabulary of this size from these texts; try "
            f"another `vocabulary_size`. Received: vocabulary_size={vocabulary_size}, "
            f"{len(lines)} lines ({error})"
        ) from error
    return SubwordTokenizer(proto=model.getvalue())
