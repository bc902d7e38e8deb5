"""The attention mechanisms by the names a config may use."""

from zoo.layers.attention.additive import BahdanauAttention, LuongConcatAttention
from zoo.layers.attention.local import LuongLocalAttention
from zoo.layers.attention.multi_head import _multi_head
from zoo.layers.attention.multiplicative import (
    LuongDotAttention,
    LuongGeneralAttention,
    ScaledDotProductAttention,
)

# The mechanisms by their names in a config: how each is made of a size and a number of heads.
ATTENTIONS = {
    "bahdanau": lambda units, num_heads, **options: BahdanauAttention(units, **options),
    "luong_dot": lambda units, num_heads, **options: LuongDotAttention(**options),
    "luong_general": lambda units, num_heads, **options: LuongGeneralAttention(**options),
    "luong_concat": lambda units, num_heads, **options: LuongConcatAttention(units, **options),
    "luong_local": lambda units, num_heads, **options: LuongLocalAttention(units=units, **options),
    "scaled_dot": lambda units, num_heads, **options: ScaledDotProductAttention(**options),
    "multi_head": _multi_head,
}


def make_attention(name, /, units, num_heads=4, **options):
    """The mechanism that a config names.

    Args:
        name: A key of `ATTENTIONS`. Whoever adds a mechanism to that dictionary can name it.
        units: int. Size of the space in which query and key meet, where a mechanism has one.
        num_heads: int. Heads of `"multi_head"`. Defaults to `4`.
        **options: `dropout`, and others of the mechanism's own.

    Returns:
        An `Attention`.

    Raises:
        ValueError: if the name is unknown, or `units` does not divide into the heads.
    """
    if name not in ATTENTIONS:
        raise ValueError(f"`name` must be one of {list(ATTENTIONS)}. Received: name={name!r}")
    return ATTENTIONS[name](units, num_heads, **options)
