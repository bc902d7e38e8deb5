"""State and constants of `AttentiveDecoder`, and the states of an encoder that it starts from."""

from typing import Any, NotRequired, TypedDict

Tensor = Any


class RecurrentDecoderState(TypedDict):
    """Tensors `[rows, ...]` that each step changes.

    Attributes:
        recurrent: For each layer the list of its states, `[rows, units]` each.
        position: int32 `[rows]`: the index of the step.
        fed: The last attentional vector `[rows, units]`; with input feeding.
    """

    recurrent: list[list[Tensor]]
    position: Tensor
    fed: NotRequired[Tensor]


class RecurrentDecoderConstants(TypedDict):
    """Tensors `[batch, ...]` that are the same for all steps and beams.

    Attributes:
        memory: `[batch, source, memory_units]`.
        mask: Boolean `[batch, source]`, false at padding; if a mask was given.
        keys: The projected keys, as returned by `project_keys`; with attention.
        context: `[batch, state_units]`; without attention.
    """

    memory: Tensor
    mask: NotRequired[Tensor]
    keys: NotRequired[Any]
    context: NotRequired[Tensor]


def encoder_vector(encoder_state):
    """An encoder's state as one vector `[batch, units]`: of a list of states the last layer's h.

    Raises:
        ValueError: if there is no state.
    """
    if encoder_state is None:
        raise ValueError(
            "`encoder_state` is needed without attention, and for any initial state but 'zero'. "
            "Received: encoder_state=None"
        )
    return encoder_state[-1][0] if isinstance(encoder_state, list | tuple) else encoder_state


def encoder_vector_shape(shape):
    """The shape of `encoder_vector`, by the shape of an encoder's state."""
    is_list = shape is not None and isinstance(shape[-1], list | tuple)
    return encoder_vector(shape) if shape is None or is_list else shape


def encoder_states(encoder_state, num_layers, states_per_layer, units):
    """An encoder's state as the states of each layer of a decoder.

    Args:
        encoder_state: A tensor `[batch, units]`, which is every state of every layer, or a list
            of the states of each layer.
        num_layers: int.
        states_per_layer: int.
        units: int.

    Returns:
        For each layer the list of its states.

    Raises:
        ValueError: if there is no state, or it has other layers or sizes.
    """
    vector, states = encoder_vector(encoder_state), encoder_state
    if states is vector:
        states = [[vector] * states_per_layer] * num_layers
    sizes = [[state.shape[-1] for state in layer] for layer in states]
    if sizes != [[units] * states_per_layer] * num_layers:
        raise ValueError(
            "With `initial_state='last'` the encoder's state must have the decoder's layers, "
            "states and units; use 'bridge' if it has others. "
            f"Received: sizes {sizes}, num_layers={num_layers}, "
            f"states_per_layer={states_per_layer}, units={units}"
        )
    return states
