"""Means over the devices of a training step, which on one device change nothing.

Each device has the same number of rows of a batch, but not of tokens. A loss is a sum over tokens
divided by their number. With the mean of that number over the devices in its place, the mean of the
losses of all devices is the loss of the whole batch, and so is the mean of their gradients.
"""

import keras
from keras import ops


def mean_over_devices(tensor):
    """The mean of a tensor over the devices, without a gradient.

    JAX computes a batch as a whole, so there it is the tensor itself.
    """
    if keras.config.backend() == "torch":
        from zoo.training.parallel.torch_processes import mean

        return mean([tensor])[0]
    if keras.config.backend() == "tensorflow":
        from zoo.training.parallel.tensorflow_replicas import mean

        return mean(tensor)
    return tensor


def with_gradients_of_all(optimizer: type) -> type:
    """The class of an optimizer whose `apply` takes the gradients of all devices together.

    So it clips and accumulates those of the whole batch.
    """
    if keras.config.backend() == "torch":
        from zoo.training.parallel.torch_processes import with_mean_gradients

        return with_mean_gradients(optimizer)
    if keras.config.backend() == "tensorflow":
        from zoo.training.parallel.tensorflow_replicas import with_summed_gradients

        return with_summed_gradients(optimizer)
    return optimizer


class LossOfAll(keras.losses.Loss):
    """A loss divided by the weights of the whole batch in place of those of this device.

    Args:
        loss: A `keras.losses.Loss` that is a mean.
    """

    def __init__(self, loss: keras.losses.Loss):
        super().__init__(name=loss.name, reduction=loss.reduction)
        self.loss = loss

    def __call__(self, y_true, y_pred, sample_weight=None):
        value = self.loss(y_true, y_pred, sample_weight)
        weights = _divisors(self.loss, y_pred, sample_weight)
        if weights is None:  # the loss is divided by the number of rows
            return value
        here = ops.sum(ops.cast(weights, value.dtype))
        return value * ops.divide_no_nan(here, mean_over_devices(here))


def _divisors(loss, y_pred, sample_weight):
    """The terms of the divisor of a mean: weights, the mask, or both; `None` if neither."""
    mask = getattr(y_pred, "_keras_mask", None) if getattr(loss, "takes_mask", True) else None
    if loss.reduction != "mean_with_sample_weight" or sample_weight is None:
        return mask
    weights = ops.convert_to_tensor(sample_weight)
    if mask is None:
        return weights
    while len(weights.shape) < len(mask.shape):
        weights = weights[..., None]
    return weights * ops.cast(mask, weights.dtype)
