"""Attention layers by the names that configs use."""

from zoo.choices import ATTENTIONS, check_choice


def make_attention(name, /, units, num_heads=4, **options):
    """Makes the attention layer that a config names.

    Args:
        name: A name in `zoo.choices.ATTENTIONS`; `zoo.choices.register_attention` adds one.
        units: int. Size of the space in which query and key are compared, for layers that
            have such a size.
        num_heads: int. Number of heads, for layers with heads. Defaults to `4`.
        **options: Arguments of the layer, such as `dropout`.

    Returns:
        An `Attention`.

    Raises:
        ValueError: if the name is unknown, or `units` is not divisible by the heads of a layer
            with heads.
    """
    check_choice("name", name, ATTENTIONS)
    return ATTENTIONS[name].make(units, num_heads, **options)
