"""Functions of tensors that several layers share."""

import keras
from keras import ops


def last_valid(sequence, mask, initial):
    """The last valid step of each right-padded row, `[batch, units]`; `initial` if it has none.

    Args:
        sequence: Float tensor `[batch, time, units]`.
        mask: Boolean tensor `[batch, time]`.
        initial: Float tensor `[batch, units]`.
    """
    lengths = count_valid(mask)[:, None]  # [batch, 1]
    last = ops.take_along_axis(sequence, ops.maximum(lengths - 1, 0)[:, :, None], axis=1)
    return ops.where(lengths > 0, last[:, 0], initial)


def as_float(tensors, dtype):
    """A nest of tensors, of which those of integers or booleans are cast to a floating dtype.

    Keras casts floating inputs of a layer alone. Without this, what a layer casts to the dtype of
    its inputs, such as weights, would be rounded to integers.
    """

    def cast(tensor):
        if tensor is None or keras.backend.is_float_dtype(
            keras.backend.standardize_dtype(tensor.dtype)
        ):
            return tensor
        return ops.cast(tensor, dtype)

    return keras.tree.map_structure(cast, tensors)


def like(tensors):
    """Symbolic tensors of the shapes and dtypes of a nest of tensors."""
    return keras.tree.map_structure(lambda x: keras.KerasTensor(x.shape, x.dtype), tensors)


def count_valid(mask):
    """The number of valid steps of each row of a mask `[batch, time]`: int32 `[batch]`."""
    # On JAX with 64-bit numbers a sum of int32 is int64, which cannot stand beside int32 in loops.
    return ops.cast(ops.sum(ops.cast(mask, "int32"), axis=1), "int32")


def argmax(values):
    """The index of the largest value on the last axis, int32."""
    if keras.config.backend() == "tensorflow":
        import tensorflow as tf

        # Keras' argmax orders -0.0 and 0.0 by their bits, an operation that ONNX lacks.
        return tf.argmax(values, axis=-1, output_type="int32")
    return ops.cast(ops.argmax(values, axis=-1), "int32")


def known_values(tensor):
    """The values of a tensor as a NumPy array; `None` while a graph is traced.

    On torch that is also in inference mode, in which the zoo runs and traces models.
    """
    backend = keras.config.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        known = tf.executing_eagerly()
    elif backend == "jax":
        import jax

        known = not isinstance(tensor, jax.core.Tracer)
    else:
        import torch

        traced = torch.compiler.is_compiling() or torch.is_inference_mode_enabled()
        known = device(tensor) != "meta" and not traced
    return ops.convert_to_numpy(tensor) if known else None


def device(tensor):
    """The type of device a torch tensor is on; `None` on other backends."""
    return getattr(getattr(tensor, "device", None), "type", None)
