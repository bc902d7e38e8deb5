"""Functions that are compiled once for each shape, and called by any number of threads.

All code that differs by backend in how a model is run is here and in `zoo.decoding.loops`.
"""

import functools
import threading

import keras
from keras import ops

# Held while a model is put together, or a function traced and compiled for a new shape: layers,
# the graph that they share, and Keras' counters of names belong to all threads.
_building = threading.RLock()


class built_once(functools.cached_property):  # noqa: N801 (a decorator)
    """A `functools.cached_property` that one thread computes while the others wait.

    For models made of a model's own layers, such as the one that also returns attention weights.
    """

    def __get__(self, instance, owner=None):
        with _building:
            return super().__get__(instance, owner)


def compiled(function, layers, xla=True):
    """Compiles a function that decodes. On TensorFlow and JAX its loop is part of the program.

    Keep the returned function: it compiles each new shape of its arguments once, which takes
    about a second. Threads may call it together: they wait for one another to compile, not to
    run. Weights that are assigned or trained later take effect.

    Args:
        function: Takes tensors (or nestings of them) and returns a nesting of tensors.
            It closes over everything else, such as the beam size.
        layers: list of all layers, models and samplers whose variables the function uses. On
            JAX the variables of others would become constants of the program.
        xla: bool. Whether XLA compiles the function on TensorFlow: worth it where one step is
            repeated many times, and ten times slower for the CNN of a captioner. JAX always
            compiles with it. Defaults to `True`.

    Returns:
        A function of the same arguments, which may be NumPy arrays. It computes no gradients.

    Example:

    ```python
    @functools.partial(zoo.decoding.compiled, layers=[embedding, decoder, head])
    def translate(memory, memory_mask):
        state, constants = decoder.start(memory, memory_mask)

        def step(tokens, state, index):
            output, state, weights = decoder.step(embedding(tokens), state, constants)
            return head(output), state, weights

        return zoo.decoding.beam_search(step, state, len(memory), 1, 2, max_length=50)
    ```
    """
    compile_ = {"tensorflow": _tensorflow, "jax": _jax, "torch": _torch}[keras.config.backend()]
    run = compile_(function, layers, xla)
    known = set()

    @functools.wraps(function)
    def call(*arguments):
        arguments = keras.tree.map_structure(_to_tensor, arguments)
        shapes = tuple(
            None if x is None else (tuple(x.shape), x.dtype) for x in keras.tree.flatten(arguments)
        )
        if shapes in known:
            return run(*arguments)
        with _building:
            results = run(*arguments)
        known.add(shapes)
        return results

    return call


def _tensorflow(function, layers, xla):
    import tensorflow as tf

    tf.get_logger().addFilter(_is_not_about_retracing)
    if xla:
        return tf.function(function, jit_compile=True, autograph=False)
    return tf.function(function, reduce_retracing=True, autograph=False)


def _is_not_about_retracing(record):
    """Drops TensorFlow's warning of a function that is traced often: once for each bucket."""
    return "tf.function retracing" not in record.getMessage()


def _jax(function, layers, xla):
    """Passes variables as arguments, so that later training takes effect, and donates none."""
    import jax

    def variables():
        return [variable for layer in layers for variable in layer.variables]

    @jax.jit
    def pure(values, *arguments):
        held = variables()
        mapping = list(zip(held, values, strict=True))
        with keras.StatelessScope(state_mapping=mapping) as scope:
            before = [scope.get_current_value(variable) for variable in held]
            results = function(*arguments)
        after = [scope.get_current_value(variable) for variable in held]
        # Those that the function assigns to, such as seeds. To write back the others would undo
        # what another thread has assigned in the meantime.
        pairs = enumerate(zip(before, after, strict=True))
        return results, {i: new for i, (old, new) in pairs if new is not old}

    def run(*arguments):
        held = variables()
        results, assigned = pure([variable.value for variable in held], *arguments)
        for i, value in assigned.items():
            held[i].assign(value)
        return results

    return run


def _torch(function, layers, xla):
    import torch

    from zoo.decoding.torch_tracing import TracedFunction

    return torch.inference_mode()(TracedFunction(function))


def _to_tensor(value):
    return None if value is None else ops.convert_to_tensor(value)
