"""Loops of decoding, which differ by backend."""

import keras
from keras import ops


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
