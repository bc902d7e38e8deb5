"""The mathematics of the zoo, one idea a file. Depends on `keras` alone."""

from zoo.layers.attention import (
    Attention,
    BahdanauAttention,
    LuongGeneralAttention,
    ScaledDotProductAttention,
)
from zoo.layers.pooling import SequencePooling
from zoo.layers.recurrent import RecurrentEncoder

__all__ = [
    "Attention",
    "BahdanauAttention",
    "LuongGeneralAttention",
    "RecurrentEncoder",
    "ScaledDotProductAttention",
    "SequencePooling",
]
