"""Derivatives with respect to inputs and weights: the one place where they differ by backend."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops


def gradient_times_input(function: Callable[[Any], Any], point: np.ndarray) -> np.ndarray:
    """The gradient of each output, times the input, summed over the features.

    It estimates to first order what each part of the input adds to an output (Shrikumar et al.
    2017, "Learning important features").

    Args:
        function: From a tensor of the shape of `point` to a vector `[outputs]`. Differentiable.
        point: Where to differentiate, such as embedded words `[1, words, features]`.

    Returns:
        `[outputs, ...]`, with the shape of `point` but for the features.
    """
    return (jacobian(function, point) * point).sum(axis=-1)


def log_odds(logits: Any, labels: np.ndarray) -> Any:
    """The log-odds of one label in each row.

    Unlike a probability, they still have a slope where the model is sure.

    Args:
        logits: Tensor `[rows, classes]`.
        labels: Integer array `[rows]`.

    Returns:
        A tensor `[rows]`.
    """
    chosen = ops.cast(ops.one_hot(labels, logits.shape[-1]), "float32")
    logits = ops.cast(logits, "float32")
    return ops.sum(logits * chosen, axis=-1) - ops.logsumexp(logits - 1e9 * chosen, axis=-1)


def jacobian(function: Callable[[Any], Any], point: np.ndarray) -> np.ndarray:
    """The derivative of each output of a function with respect to its input.

    Args:
        function: From a tensor to a vector `[outputs]`.
        point: Where to differentiate.

    Returns:
        `[outputs, *point.shape]`.
    """
    point = np.asarray(point, "float32")
    return _BACKENDS[keras.config.backend()](function, point).astype("float32")


def with_gradients(function: Callable[..., Any], variables: list) -> Callable[..., Any]:
    """A function that also returns the gradients of its loss with respect to variables.

    Args:
        function: Takes nestings of tensors and returns a scalar loss and a nesting of tensors. It
            is compiled for each shape of its arguments on TensorFlow and JAX.
        variables: `keras.Variable`s that the function uses, with their values at each call.

    Returns:
        A function of the same arguments, which may be NumPy arrays, that returns the nesting and
        the list of gradients.
    """
    return _GRADIENTS[keras.config.backend()](function, variables)


def _torch_gradients(function, variables):
    import torch

    def run(*arguments):
        arguments = keras.tree.map_structure(_detached, arguments)
        with torch.enable_grad(), torch.backends.cudnn.flags(enabled=False):
            loss, results = function(*arguments)
            values = [variable.value for variable in variables]
            gradients = torch.autograd.grad(loss, values, allow_unused=True)
        pairs = zip(gradients, values, strict=True)
        gradients = [torch.zeros_like(value) if one is None else one for one, value in pairs]
        return keras.tree.map_structure(_detached, results), gradients

    return run


def _detached(tensor):
    return None if tensor is None else ops.convert_to_tensor(tensor).detach()


def _jax_gradients(function, variables):
    import jax

    def loss(values, arguments):
        with keras.StatelessScope(state_mapping=list(zip(variables, values, strict=True))):
            return function(*arguments)

    run = jax.jit(jax.value_and_grad(loss, has_aux=True))

    def call(*arguments):
        (_, results), gradients = run([variable.value for variable in variables], arguments)
        return results, gradients

    return call


def _tensorflow_gradients(function, variables):
    import tensorflow as tf

    @tf.function(reduce_retracing=True, autograph=False)
    def run(*arguments):
        values = [variable.value for variable in variables]
        with tf.GradientTape() as tape:
            loss, results = function(*arguments)
        gradients = tape.gradient(loss, values, unconnected_gradients="zero")
        return results, [tf.convert_to_tensor(gradient) for gradient in gradients]

    def call(*arguments):
        return run(*keras.tree.map_structure(
            lambda x: None if x is None else tf.convert_to_tensor(x), arguments
        ))  # fmt: skip

    return call


def _torch(function, point):
    import torch

    # cuDNN has no gradient of a recurrent layer outside training.
    with torch.enable_grad(), torch.backends.cudnn.flags(enabled=False):
        value = ops.convert_to_tensor(point).detach().clone().requires_grad_()
        outputs = function(value)
        rows = [torch.autograd.grad(one, value, retain_graph=True)[0] for one in outputs]
    return np.stack([ops.convert_to_numpy(row) for row in rows])


def _jax(function, point):
    import jax

    return np.asarray(jax.jit(jax.jacrev(function))(point))


def _tensorflow(function, point):
    import tensorflow as tf

    value = tf.convert_to_tensor(point)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(value)
        outputs = tf.unstack(function(value))
    return np.stack([tape.gradient(one, value).numpy() for one in outputs])


_BACKENDS = {"torch": _torch, "jax": _jax, "tensorflow": _tensorflow}
_GRADIENTS = {
    "torch": _torch_gradients,
    "jax": _jax_gradients,
    "tensorflow": _tensorflow_gradients,
}
