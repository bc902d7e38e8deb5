"""Attention: how a query weighs the values it is given, one family of scores a file."""

from zoo.layers.attention.additive import BahdanauAttention, LuongConcatAttention
from zoo.layers.attention.base import Attention
from zoo.layers.attention.local import LuongLocalAttention
from zoo.layers.attention.multi_head import MultiHeadAttention
from zoo.layers.attention.multiplicative import (
    LuongDotAttention,
    LuongGeneralAttention,
    ScaledDotProductAttention,
)
from zoo.layers.attention.registry import make_attention

__all__ = [
    "Attention",
    "BahdanauAttention",
    "LuongConcatAttention",
    "LuongDotAttention",
    "LuongGeneralAttention",
    "LuongLocalAttention",
    "MultiHeadAttention",
    "ScaledDotProductAttention",
    "make_attention",
]
