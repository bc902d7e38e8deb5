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
from zoo.layers.characters import CharacterFeatures
from zoo.layers.crf import LinearChainCRF
from zoo.layers.decoder import AttentiveDecoder
from zoo.layers.past_attention import PastAttention
from zoo.layers.pooling import SequencePooling
from zoo.layers.recurrent import RecurrentEncoder
from zoo.layers.transformer import CausalTransformer, TransformerDecoder
from zoo.tags import bio_constraints

__all__ = [
    "Attention",
    "AttentiveDecoder",
    "BahdanauAttention",
    "CausalTransformer",
    "CharacterFeatures",
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
