"""Keras layers for sequences: attention, recurrence, decoders, CRF. Needs `keras` alone."""

from zoo.layers.attention import (
    Attention,
    BahdanauAttention,
    LuongConcatAttention,
    LuongDotAttention,
    LuongGeneralAttention,
    LuongLocalAttention,
    MultiHeadAttention,
    ScaledDotProductAttention,
)
from zoo.layers.bias import Bias
from zoo.layers.characters import CharacterFeatures
from zoo.layers.crf import LinearChainCRF
from zoo.layers.decoder import AttentiveDecoder
from zoo.layers.past_attention import PastAttention
from zoo.layers.pooling import SequencePooling
from zoo.layers.recurrent import RecurrentEncoder
from zoo.layers.regularization import ActivationRegularization, EmbeddingDropout
from zoo.layers.transformer import CausalTransformer, TransformerDecoder
from zoo.tags import bio_constraints

__all__ = [
    "ActivationRegularization",
    "Attention",
    "AttentiveDecoder",
    "BahdanauAttention",
    "Bias",
    "CausalTransformer",
    "CharacterFeatures",
    "EmbeddingDropout",
    "LinearChainCRF",
    "LuongConcatAttention",
    "LuongDotAttention",
    "LuongGeneralAttention",
    "LuongLocalAttention",
    "MultiHeadAttention",
    "PastAttention",
    "RecurrentEncoder",
    "ScaledDotProductAttention",
    "SequencePooling",
    "TransformerDecoder",
    "bio_constraints",
]
