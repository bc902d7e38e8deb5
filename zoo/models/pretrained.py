"""KerasHub encoders, such as BERT, as the encoder of a backbone of the zoo."""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Any

import keras
import keras_hub
from keras import ops

from zoo.unicode import compose

INPUTS = ("token_ids", "padding_mask", "segment_ids")


class PretrainedEncoder:
    """A KerasHub encoder in two steps: embedded tokens, then hidden states.

    It is no Keras layer: the two functional models that it calls, `embed_tokens` and
    `encode_tokens`, are layers of the backbone. They hold the encoder's own layers, so that its
    weights are trained; a pooler, which no task of the zoo reads, is left out.

    Args:
        encoder: A `keras_hub.models.Backbone` that reads `token_ids` and `padding_mask`.

    Attributes:
        name: The name of its class.
        config: The encoder, serialized.
        layer_names: The names of its layers within `encode_tokens`, the lowest first.
        max_sequence_length: Most tokens that it has positions for, or `None`.

    Raises:
        ValueError: if the encoder reads other inputs, or generates text.
    """

    def __init__(self, encoder: keras_hub.models.Backbone):
        check_encoder_class(type(encoder))
        names = set(encoder.input) if isinstance(encoder.input, dict) else set()
        if not {"token_ids", "padding_mask"} <= names <= set(INPUTS):
            raise ValueError(
                "An encoder must read token_ids and padding_mask, and nothing else but "
                "segment_ids: use a text encoder, such as BERT, RoBERTa or DistilBERT. Received: "
                f"{type(encoder).__name__} with the inputs {sorted(names)}"
            )
        self.name = type(encoder).__name__
        self.config = keras.saving.serialize_keras_object(encoder)
        self.layer_names = [layer.name for layer in _transformer_layers(encoder)]
        self.max_sequence_length: int | None = getattr(encoder, "max_sequence_length", None)
        inputs, states = dict(encoder.input), encoder.output
        if isinstance(states, dict):
            states = states["sequence_output"]
        token_ids = inputs.pop("token_ids")
        embedded = next(layer.output for layer in encoder.layers if layer.input is token_ids)
        self._others = sorted(inputs)
        self._embed = keras.Model(token_ids, embedded, name="embed_tokens")
        others = [inputs[name] for name in self._others]
        self._encode = keras.Model([embedded, *others], states, name="encode_tokens")

    def embed(self, token_ids: Any) -> Any:
        """The embedded tokens `[batch, time, units]`, before positions and segments."""
        return self._embed(token_ids)

    def encode(self, embedded: Any, padding_mask: Any) -> Any:
        """The hidden states `[batch, time, units]`; all tokens are of the first segment."""
        mask = ops.cast(padding_mask, "int32")
        others = {"padding_mask": mask, "segment_ids": ops.zeros_like(mask)}
        return self._encode([embedded, *(others[name] for name in self._others)])


def with_encoder(config: dict) -> dict:
    """The config of a backbone, with its serialized KerasHub encoder, if it has one, built.

    The encoder gets the dtype of the backbone.
    """
    encoder = config.get("encoder")
    if not isinstance(encoder, dict):
        return config
    return config | {"encoder": deserialize(encoder, config.get("dtype"))}


def deserialize(backbone: dict, dtype: Any = None) -> keras_hub.models.Backbone:
    """A serialized backbone, built; with a dtype or dtype policy of its own if one is given."""
    inner = backbone["config"] | ({"dtype": dtype} if dtype else {})
    return keras.saving.deserialize_keras_object(backbone | {"config": inner})


def check_encoder_class(backbone_class: type) -> None:
    """Refuses the backbone of a model that generates text: its states see the left context only.

    Raises:
        ValueError: if KerasHub has a generating task for this class.
    """
    tasks = (keras_hub.models.CausalLM, keras_hub.models.Seq2SeqLM)
    for task in keras.saving.get_custom_objects().values():
        is_task = isinstance(task, type) and issubclass(task, tasks)
        if is_task and task.backbone_cls is backbone_class:
            raise ValueError(
                "A backbone must be an encoder that sees both directions, such as BERT, RoBERTa, "
                "DistilBERT or ELECTRA, and not a generative model. Received: "
                f"{backbone_class.__name__}, the backbone of {task.__name__}"
            )


def _transformer_layers(encoder):
    return keras.tree.flatten(list(getattr(encoder, "transformer_layers", ())))


class TokenizerAdapter:
    """The tokenizer of a KerasHub encoder, with what the zoo's preprocessors ask of a tokenizer.

    Args:
        tokenizer: A `keras_hub.tokenizers.Tokenizer`, such as a `BertTokenizer`.
    """

    def __init__(self, tokenizer: keras_hub.tokenizers.Tokenizer):
        self.tokenizer = tokenizer

    def encode(self, texts: Iterable[str]) -> list[list[int]]:
        """The token ids of each text, in NFC, without start and end."""
        texts = [compose(text) for text in texts]
        if not texts:
            return []
        # `tokenize` and not the call, which would turn the texts into tensors of TensorFlow.
        return [[int(one) for one in ids] for ids in self.tokenizer.tokenize(texts)]

    def encode_sentences(self, sentences: Iterable[Sequence[str]]) -> list[list[list[int]]]:
        """The token ids of each word of each sentence; of a word without any, the mask token.

        All words but the first follow a space, which a byte-level tokenizer reads.
        """
        spaced = [
            [f" {word}" if i else word for i, word in enumerate(words)] for words in sentences
        ]
        distinct = list(dict.fromkeys(word for words in spaced for word in words))
        ids = dict(zip(distinct, self.encode(distinct), strict=True))
        return [[ids[word] or [self.mask] for word in words] for words in spaced]

    @property
    def mask(self) -> int:
        """The id of the mask token."""
        return int(self.tokenizer.mask_token_id)

    def pieces(self, text: str) -> list[str]:
        """The text of each token of `encode`; they join to the text, in NFC.

        Where the tokens of a word cannot be found in it (unknown, or of single bytes), the first
        of them has the whole word and the others are empty.
        """
        text = compose(text)
        chunks = re.findall(r"\s*\S+", text)
        (whole,) = self.encode([text])
        encoded = self.encode(
            [f" {chunk.lstrip()}" if i else chunk for i, chunk in enumerate(chunks)]
        )
        if sum(encoded, []) != whole or not all(encoded):
            return [text, *[""] * (len(whole) - 1)] if whole else []
        pieces = [
            piece
            for chunk, ids in zip(chunks, encoded, strict=True)
            for piece in self._pieces_of(chunk, ids)
        ]
        if pieces:
            pieces[-1] += text[sum(map(len, chunks)) :]  # white space at the end
        return pieces

    def _pieces_of(self, chunk: str, ids: list[int]) -> list[str]:
        """The part of a chunk, white space and a word, that each of its tokens stands for."""
        pieces, start = [], 0
        for token_id in ids:
            written = _plain(_MARKS.sub("", self.tokenizer.id_to_token(token_id)))
            end = start
            while end < len(chunk) and len(_plain(chunk[start:end])) < len(written):
                end += 1
            while end < len(chunk) and unicodedata.combining(chunk[end]):
                end += 1
            if not written or _plain(chunk[start:end]) != written:
                return [chunk, *[""] * (len(ids) - 1)]
            pieces.append(chunk[start:end])
            start = end
        if start < len(chunk):
            return [chunk, *[""] * (len(ids) - 1)]
        return pieces


# What a token has before its text: a continuation in WordPiece, a space in the others.
_MARKS = re.compile("^(##|Ġ|▁)")


def _plain(text: str) -> str:
    """Text without white space, case and accents, by which tokens are found in it."""
    decomposed = unicodedata.normalize("NFD", text.casefold())
    return "".join(c for c in decomposed if not unicodedata.combining(c) and not c.isspace())
