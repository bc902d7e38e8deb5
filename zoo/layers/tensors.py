"""Helpers on tensors that several layers share."""

import keras
from keras import ops


def last_valid(sequence, mask, initial):
    """The step at which each right-padded row ends, `[batch, units]`; `initial` if it has none.

    Args:
        sequence: Float tensor `[batch, time, units]`.
        mask: Boolean tensor `[batch, time]`.
        initial: Float tensor `[batch, units]`.
    """
    lengths = ops.sum(ops.cast(mask, "int32"), axis=1)[:, None]  # [batch, 1]
    last = ops.take_along_axis(sequence, ops.maximum(lengths - 1, 0)[:, :, None], axis=1)
    return ops.where(lengths > 0, last[:, 0], initial)


def known_values(tensor):
    """The values of a tensor as a NumPy array, or `None` while a graph is being traced."""
    backend = keras.config.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        known = tf.executing_eagerly()
    elif backend == "jax":
        import jax

        known = not isinstance(tensor, jax.core.Tracer)
    else:
        import torch

        known = device(tensor) != "meta" and not torch.compiler.is_compiling()
    return ops.convert_to_numpy(tensor) if known else None


def device(tensor):
    """The type of device a torch tensor is on; `None` on other backends."""
    return getattr(getattr(tensor, "device", None), "type", None)
