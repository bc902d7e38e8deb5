"""Causal language model task."""

from dataclasses import asdict, dataclass

import keras
import keras_hub

from zoo.layers import Bias
from zoo.models.causal_lm.backbone import CausalLMBackbone
from zoo.models.causal_lm.preprocessor import CausalLMPreprocessor


@dataclass(frozen=True)
class Continuation:
    """How a model continues one prefix.

    Attributes:
        text: The continuation, without the prefix; the two join to the whole text.
        score: Natural logarithm of the probability of its tokens.
        num_tokens: Number of its tokens, the end token included.
        finish: Why it is over: `"end"`, by the end token, or `"length"`.
    """

    text: str
    score: float
    num_tokens: int
    finish: str

    def to_dict(self) -> dict:
        return asdict(self)


@keras.saving.register_keras_serializable("zoo")
class CausalLM(keras_hub.models.CausalLM):
    """Predicts the next token of a text, and by feeding it back, writes.

    Inputs: those of the backbone. Output: the logits of the next token at each step, float32
    `[batch, time, vocabulary]`.

    Args:
        backbone: A `CausalLMBackbone`.
        preprocessor: A `CausalLMPreprocessor`, or `None`.

    References:
        - One matrix for input and output: Press and Wolf 2017.
    """

    backbone_cls = CausalLMBackbone
    preprocessor_cls = CausalLMPreprocessor

    def __init__(self, backbone, preprocessor=None, **kwargs):
        # === Layers ===
        self.backbone = backbone
        self.preprocessor = preprocessor
        dtype = backbone.dtype_policy
        self.projection = self.output_bias = self.output_dense = None
        if not backbone.tie_embeddings:
            self.output_dense = keras.layers.Dense(
                backbone.vocabulary_size, dtype=dtype, name="logits"
            )
        else:
            if backbone.embedding_dim != backbone.units:
                self.projection = keras.layers.Dense(
                    backbone.embedding_dim, use_bias=False, dtype=dtype, name="projection"
                )
            self.output_bias = Bias(dtype="float32", name="logits_bias")

        # === Functional graph ===
        inputs = backbone.input
        super().__init__(inputs=inputs, outputs=self.head(backbone(inputs)), **kwargs)

    def head(self, hidden):
        """The logits of the next token, `[..., vocabulary]`, of hidden states `[..., units]`."""
        if self.output_dense is not None:
            return self.output_dense(hidden)
        if self.projection is not None:
            hidden = self.projection(hidden)
        return self.output_bias(self.backbone.token_embedding(hidden, reverse=True))

    def call_with_state(self, token_ids, state, padding_mask=None, training=None):
        """As `call_with_state` of the backbone, with logits in the place of hidden states."""
        hidden, state = self.backbone.call_with_state(token_ids, state, padding_mask, training)
        return self.head(hidden), state
