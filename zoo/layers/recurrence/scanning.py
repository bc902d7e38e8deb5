"""A loop over the steps of a sequence, where each step needs what the one before gave."""

import keras
from keras import ops


def scan(step, inputs, state):
    """Runs a step function over a sequence.

    Everything the step closes over gets its gradient, on all backends and compiled or not.

    Args:
        step: Takes one step of the inputs, `[batch, features]`, and a state; returns an output
            `[batch, units]` and the next state.
        inputs: Float tensor `[batch, time, features]`.
        state: A nesting of tensors `[batch, ...]`, the state before the first step. Floats or
            integers, to the step all of them are floats of the dtype of `inputs`.

    Returns:
        The outputs, `[batch, time, units]`.
    """
    flat = [ops.cast(x, inputs.dtype) for x in keras.tree.flatten(state)]

    def flat_step(step_inputs, flat):
        output, after = step(step_inputs, keras.tree.pack_sequence_as(state, flat))
        after = [ops.cast(x, inputs.dtype) for x in keras.tree.flatten(after)]
        return ops.cast(output, inputs.dtype), after

    run = _unrolled if keras.config.backend() == "torch" else _rolled
    return run(flat_step, inputs, flat)


def _rolled(step, inputs, state):
    """One `while` loop in the graph, which Keras knows how to differentiate everywhere."""
    sizes = [x.shape[1] if len(x.shape) > 1 else None for x in state]
    cell = _Cell(step, [size or 1 for size in sizes], keras.backend.standardize_dtype(inputs.dtype))
    return keras.layers.RNN(cell, return_sequences=True, dtype=cell.compute_dtype)(
        inputs, initial_state=state
    )


class _Cell:
    """What `keras.layers.RNN` asks of a cell. Made for one call, and holds no weights."""

    def __init__(self, step, state_size, dtype):
        self.call = step
        self.state_size = state_size
        self.compute_dtype = dtype

    def __call__(self, inputs, states):
        return self.call(inputs, states)


def _unrolled(step, inputs, state):
    """A loop in Python. On torch nothing is faster, and the gradient of taking all steps apart
    at once is linear in their number, that of Keras' loop quadratic."""
    outputs = []
    for step_inputs in ops.unstack(inputs, axis=1):
        output, state = step(step_inputs, state)
        outputs.append(output)
    return ops.stack(outputs, axis=1)
