"""Functions that are compiled once for each shape, and called by any number of threads.

All code that differs by backend in how a model is run is here and in `zoo.decoding.loops`.
"""

import functools
import operator
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
    run. Weights that are assigned or trained later take effect, and so do layers that get other
    variables, as by `enable_lora` and `quantize`: it is compiled again then.

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
    program = None

    def current():
        """The program of the variables that the layers have now."""
        nonlocal program
        held = [variable for layer in layers for variable in layer.variables]
        if program is None or not program.is_of(held):
            with _building:
                if program is None or not program.is_of(held):  # another thread may have made it
                    program = _Program(held, compile_(function, held, xla))
        return program

    @functools.wraps(function)
    def call(*arguments):
        arguments = keras.tree.map_structure(_to_tensor, arguments)
        shapes = tuple(
            None if x is None else (tuple(x.shape), x.dtype) for x in keras.tree.flatten(arguments)
        )
        used = current()
        if shapes in used.known:
            return used.run(*arguments)
        with _building:
            results = used.run(*arguments)
        used.known.add(shapes)
        return results

    return call


class _Program:
    """A compiled function, and the shapes it was compiled for.

    Args:
        variables: Those of its layers when it was compiled.
        run: The compiled function.
    """

    def __init__(self, variables, run):
        self.variables, self.run, self.known = variables, run, set()

    def is_of(self, variables):
        """True if these are the same variables, whatever their values."""
        return len(variables) == len(self.variables) and all(
            map(operator.is_, variables, self.variables)
        )


def _tensorflow(function, variables, xla):
    import tensorflow as tf

    tf.get_logger().addFilter(_is_not_about_retracing)
    if xla:
        return tf.function(function, jit_compile=True, autograph=False)
    return tf.function(function, reduce_retracing=True, autograph=False)


def _is_not_about_retracing(record):
    """Drops TensorFlow's warning of a function that is traced often: once for each bucket."""
    return "tf.function retracing" not in record.getMessage()


def _jax(function, variables, xla):
    """Passes variables as arguments, so that later training takes effect, and donates none."""
    import jax

    @jax.jit
    def pure(values, *arguments):
        mapping = list(zip(variables, values, strict=True))
        with keras.StatelessScope(state_mapping=mapping) as scope:
            before = [scope.get_current_value(variable) for variable in variables]
            results = function(*arguments)
        after = [scope.get_current_value(variable) for variable in variables]
        # Those that the function assigns to, such as seeds. To write back the others would undo
        # what another thread has assigned in the meantime.
        pairs = enumerate(zip(before, after, strict=True))
        return results, {i: new for i, (old, new) in pairs if new is not old}

    def run(*arguments):
        results, assigned = pure([variable.value for variable in variables], *arguments)
        for i, value in assigned.items():
            variables[i].assign(value)
        return results

    return run


def _torch(function, variables, xla):
    import torch

    from zoo.decoding.torch_tracing import TracedFunction

    return torch.inference_mode()(TracedFunction(function))


def _to_tensor(value):
    return None if value is None else ops.convert_to_tensor(value)
