"""Truncated back-propagation through time: a model whose state goes on in the next batch."""

import keras
from keras import ops


class CarriedState(keras.Model):
    """A language model that begins each batch with the state in which the last one ended.

    The gradient is not propagated into earlier batches. The states are variables of this model that
    are not trained, so a checkpoint has them.

    Args:
        model: A `zoo.models.CausalLM` whose backbone `carries_state`.
        lanes: int. Rows of each batch.

    Call arguments:
        inputs: Dictionary of `token_ids`, int tensor `[lanes, time]`, and `is_start`, float tensor
            `[lanes]`: 1 where a lane or a text begins, with a state of zeros; 0 elsewhere.

    Returns:
        Logits `[lanes, time, vocabulary]`.

    References:
        - Williams and Peng 1990, "An efficient gradient-based algorithm for on-line training of
          recurrent network trajectories".
    """

    def __init__(self, model, lanes, **kwargs):
        super().__init__(**kwargs)
        self.model = model
        self.initial = model.backbone.initial_state(lanes)
        self.carried = [
            self.add_weight(
                state.shape,
                initializer="zeros",
                dtype=keras.backend.standardize_dtype(state.dtype),
                trainable=False,
                name=f"carried_{number}",
            )
            for number, state in enumerate(keras.tree.flatten(self.initial))
        ]
        self.built = True

    def call(self, inputs, training=None):
        kept = 1.0 - inputs["is_start"]  # [lanes]
        states = [
            ops.cast(kept[:, *[None] * (len(state.shape) - 1)], state.dtype) * state
            for state in self.carried
        ]
        state = keras.tree.pack_sequence_as(self.initial, states)
        logits, state = self.model.call_with_state(inputs["token_ids"], state, training=training)
        for variable, value in zip(self.carried, keras.tree.flatten(state), strict=True):
            variable.assign(ops.stop_gradient(ops.cast(value, variable.dtype)))
        return logits
