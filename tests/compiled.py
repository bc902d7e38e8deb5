"""Calls that JAX compiles as one program.

Called by itself, each operation of a layer is a program of its own there, and each loop is
compiled again in every call: most of the time of a test would go into that.
"""

import keras


def compiled(function):
    """`function`, as one program on JAX; on other backends the function itself.

    What the function closes over, weights too, is constant: it is meant for one use, of layers
    that are built and drop nothing (a seed that is drawn inside would be lost to the outside).
    """
    if keras.config.backend() != "jax":
        return function
    import jax

    return jax.jit(function)


def call(layer, inputs, **arrays):
    """What a layer, which may not be built yet, makes of its inputs and other arrays."""
    if not layer.built:
        layer.build(inputs.shape)
    return compiled(lambda inputs, arrays: layer(inputs, **arrays))(inputs, arrays)
