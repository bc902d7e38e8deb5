"""Loops of decoding and their compilation, which differ by backend."""

import functools

import keras
from keras import ops


def compiled(function, layers):
    """Compiles a function that decodes. On TensorFlow and JAX its loop is part of the program.

    Keep the returned function: it compiles each new shape of its arguments once, which takes
    about a second. On torch the function is traced, see `zoo.decoding.torch_tracing`, and runs
    without gradients.

    Args:
        function: Takes tensors (or nestings of them) and returns a nesting of tensors.
            It closes over everything else, such as the beam size.
        layers: list of all layers, models and samplers whose variables the function uses. On
            JAX the variables of others would become constants of the program.

    Returns:
        A function of the same arguments, which may be NumPy arrays.

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
    run = compile_(function, layers)

    @functools.wraps(function)
    def call(*arguments):
        return run(*keras.tree.map_structure(_to_tensor, arguments))

    return call


def repeat(body, variables, limit, stateful=()):
    """Repeats a loop body until it is finished, without gradients.

    Args:
        body: Takes the index of the step, a scalar int32 tensor, and the variables; returns the
            variables of the next step, of the same shapes and dtypes, and whether to stop,
            a scalar boolean tensor. Traced once: its Python runs for the first step only.
        variables: A nesting of tensors.
        limit: int. Most steps.
        stateful: `keras.Variable`s to which the body assigns, such as seeds of generators.

    Returns:
        The variables after the last step.
    """
    variables = keras.tree.map_structure(ops.convert_to_tensor, variables)

    def checked(index, before):
        after, finished = body(index, before)
        _check_state(before, after)
        return after, finished

    if keras.config.backend() == "torch":
        return _torch_repeat(checked, variables, limit, stateful)
    return _while_repeat(checked, variables, limit, list(stateful))


def _while_repeat(body, variables, limit, stateful):
    """A `while` loop in the graph. Stateful variables are loop variables too, which JAX needs."""
    structure = variables
    variables = keras.tree.flatten(variables)
    before = [ops.convert_to_tensor(variable) for variable in stateful]

    def goes_on(index, finished, variables, states):
        return ops.logical_and(index < limit, ops.logical_not(finished))

    def once(index, finished, variables, states):
        for variable, state in zip(stateful, states, strict=True):
            variable.assign(state)
        variables, finished = body(index, keras.tree.pack_sequence_as(structure, variables))
        states = [ops.convert_to_tensor(variable) for variable in stateful]
        return index + 1, finished, keras.tree.flatten(variables), states

    start = (ops.convert_to_tensor(0, "int32"), ops.convert_to_tensor(False), variables, before)
    after = before
    try:
        _, _, variables, after = ops.while_loop(goes_on, once, start)
    finally:
        for variable, state in zip(stateful, after, strict=True):
            variable.assign(state)
    return keras.tree.pack_sequence_as(structure, variables)


def _torch_repeat(body, variables, limit, stateful):
    import torch

    from zoo.decoding import torch_tracing

    structure = variables

    def once(index, *variables):
        variables, finished = body(index, keras.tree.pack_sequence_as(structure, variables))
        return finished, *keras.tree.flatten(variables)

    with torch.inference_mode():
        variables = keras.tree.flatten(variables)
        obstacle = "Generators of random numbers are seeded from Python." if stateful else None
        variables = torch_tracing.loop(once, variables, limit, obstacle)
    return keras.tree.pack_sequence_as(structure, variables)


def _check_state(before, after):
    """Checks that a state keeps its structure, so that one program can run all steps."""
    keras.tree.assert_same_structure(before, after)
    for old, new in zip(keras.tree.flatten(before), keras.tree.flatten(after), strict=True):
        kinds = [(tuple(x.shape), keras.backend.standardize_dtype(x.dtype)) for x in (old, new)]
        if kinds[0] != kinds[1]:
            raise ValueError(
                "The state must keep the shapes and dtypes of its tensors from step to step: "
                "allocate a tensor that grows at its full length. "
                f"Received: {kinds[0]} before a step, {kinds[1]} after it"
            )


def _tensorflow(function, layers):
    import tensorflow as tf

    return tf.function(function, jit_compile=True, autograph=False)


def _jax(function, layers):
    """Passes variables as arguments, so that later training takes effect, and returns states."""
    import jax

    def variables():
        return [variable for layer in layers for variable in layer.variables]

    @jax.jit
    def pure(values, *arguments):
        mapping = list(zip(variables(), values, strict=True))
        with keras.StatelessScope(state_mapping=mapping) as scope:
            results = function(*arguments)
        states = [scope.get_current_value(v) for v in variables() if not v.trainable]
        return results, states

    def run(*arguments):
        results, states = pure([variable.value for variable in variables()], *arguments)
        held = [variable for variable in variables() if not variable.trainable]
        for variable, state in zip(held, states, strict=True):
            variable.assign(state)
        return results

    return run


def _torch(function, layers):
    import torch

    from zoo.decoding.torch_tracing import TracedFunction

    return torch.inference_mode()(TracedFunction(function))


def _to_tensor(value):
    return None if value is None else ops.convert_to_tensor(value)
