"""Checks of what decoding needs for attention."""

from keras import ops


def checked_mask(source_mask, coverage_penalty, return_attention):
    """The source mask as a boolean tensor; an error if it is missing and needed."""
    if source_mask is None and (coverage_penalty or return_attention):
        raise ValueError(
            "Attention needs `source_mask`, a boolean tensor [batch, source], false where the "
            "source is padding. Received: source_mask=None, "
            f"coverage_penalty={coverage_penalty}, return_attention={return_attention}"
        )
    return source_mask if source_mask is None else ops.cast(source_mask, "bool")


def checked_attention(attention):
    """The attention weights of a step in float32; an error if the model has none."""
    if attention is None:
        raise ValueError(
            "`coverage_penalty` and `return_attention` need a model with attention: set them to "
            "0 and False, or have `step` return the attention weights [rows, source] as its "
            "third value. Received: attention=None"
        )
    return ops.cast(attention, "float32")
