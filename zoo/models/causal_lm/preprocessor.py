"""Preprocessor from texts to token ids and the ids that follow them."""

from collections.abc import Iterable, Sequence

import keras
import keras_hub
import numpy as np

from zoo.models.batching import pad
from zoo.models.causal_lm.backbone import CausalLMBackbone
from zoo.models.pipelines import in_python


@keras.saving.register_keras_serializable("zoo")
class CausalLMPreprocessor(keras_hub.models.CausalLMPreprocessor):
    """Tokenizes texts; the label of each token is the next one.

    A text is read after the start token and is followed by the end token. One token is both,
    unless `start` names another: between texts it says that one ended and another begins. Called
    on strings it pads and truncates to `sequence_length`, as a KerasHub preprocessor does, in
    `tf.data` too.

    Args:
        tokenizer: A `SubwordTokenizer`, a `CharacterTokenizer` or a `SpacedWordTokenizer`.
        sequence_length: int. Tokens of a segment: of truncated back-propagation in training, and
            of a text in `fit`. Defaults to `128`.
        start: str. The token before the first of a text, such as a line break for a model of the
            characters of one long text. Defaults to `None`: the end token.
        backward: bool. Whether texts are read from their last token to the first, as an encoder
            needs it for its backward direction. Defaults to `False`.

    Raises:
        ValueError: if the tokenizer does not know the start token.
    """

    backbone_cls = CausalLMBackbone
    tokenizer_cls = keras_hub.tokenizers.Tokenizer

    def __init__(self, tokenizer, sequence_length=128, start=None, backward=False, **kwargs):
        super().__init__(tokenizer, sequence_length=sequence_length, **kwargs)
        self.start = start
        self.backward = backward

    def build(self, input_shape):
        self.packer = keras_hub.layers.StartEndPacker(
            start_value=self.start_token_id,
            end_value=self.end_token_id,
            pad_value=self.tokenizer.pad_token_id,
            sequence_length=self.sequence_length,
            return_padding_mask=True,
        )
        self.built = True

    @property
    def start_token_id(self) -> int:
        """The token before the first of a text."""
        if self.start is None:
            return self.end_token_id
        token_id = self.tokenizer.token_to_id(self.start)
        if token_id == self.tokenizer.unk_token_id:
            raise ValueError(
                "`start` must be a token of the tokenizer, or None for the end token. "
                f"Received: start={self.start!r}"
            )
        return token_id

    @property
    def end_token_id(self) -> int:
        """The token after the last of a text."""
        return self.tokenizer.end_token_id

    def call(self, x, y=None, sample_weight=None, sequence_length=None):
        length = sequence_length or self.sequence_length
        if isinstance(x, str):
            inputs, labels, weights = self.call([x], sequence_length=length)
            return {name: array[0] for name, array in inputs.items()}, labels[0], weights[0]

        def encode(texts):
            inputs, labels, weights = self.collate(self.encode(texts), length)
            return inputs | {"labels": labels, "weights": weights}

        shape = (None, length)
        found = in_python(
            encode,
            [x],
            {
                "token_ids": ("int32", shape),
                "padding_mask": ("bool", shape),
                "labels": ("int32", shape),
                "weights": ("float32", shape),
            },
        )
        labels, weights = found.pop("labels"), found.pop("weights")
        return keras.utils.pack_x_y_sample_weight(found, labels, weights)

    def generate_preprocess(self, x, sequence_length=None):
        """The inputs of `generate`, as in KerasHub.

        Raises:
            ValueError: if texts are read from their end.
        """
        self.check_forward(x)
        return super().generate_preprocess(x, sequence_length=sequence_length)

    def check_forward(self, prefixes):
        """Raises a `ValueError` if texts are read from their end, so that no prefix goes on."""
        if self.backward:
            raise ValueError(
                "A backward language model reads texts from their end and continues no prefix: it "
                "starts the backward direction of an encoder, with training.init_from, and `score` "
                f"measures it. Received: {prefixes!r:.200}"
            )

    def encode(self, texts: Iterable[str]) -> list[list[int]]:
        """Token ids of each text in the order of reading, without start and end."""
        step = -1 if self.backward else 1
        return [list(ids)[::step] for ids in self.tokenizer.encode(texts)]

    def collate(
        self, encoded: Sequence[Sequence[int]], length: int
    ) -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]:
        """Inputs, labels and weights of encoded texts, padded or truncated to one length.

        Args:
            encoded: Lists of token ids, without start and end.
            length: int. Length to pad to.

        Returns:
            A tuple: `token_ids`, int32 `[batch, length]`, each text after the start token, and
            `padding_mask`, bool; the labels, int32 `[batch, length]`, each text before the end
            token; and their weights, float32 `[batch, length]`, 0 in the padding.
        """
        start, end, padding = self.start_token_id, self.end_token_id, self.tokenizer.pad_token_id
        token_ids, mask = pad([[start, *ids] for ids in encoded], length, padding)
        labels, _ = pad([[*ids, end] for ids in encoded], length, padding)
        return {"token_ids": token_ids, "padding_mask": mask}, labels, mask.astype("float32")

    def get_config(self):
        return super().get_config() | {"start": self.start, "backward": self.backward}
