"""LSTM by cuDNN, on JAX with a GPU."""

import keras

from zoo.layers.recurrence.weights import layer_weights, with_padding_hold


def cudnn_applies(layer, inputs) -> bool:
    """True for an LSTM in float32 on JAX with an NVIDIA GPU; there is no cuDNN GRU in JAX."""
    if keras.config.backend() != "jax" or not isinstance(layer, keras.layers.LSTM):
        return False
    import jax

    return jax.default_backend() == "gpu" and str(inputs.dtype) == "float32"


def cudnn_recurrence(layer, inputs, padding_hold, initial_state, recurrent_kernel=None):
    """Runs an LSTM by `jax.experimental.rnn.lstm`; the arguments are those of `torch_recurrence`.

    A scan launches some ten kernels for each step and direction, which takes longer than what they
    compute; cuDNN launches two.
    """
    import jax.numpy as jnp
    from jax.experimental.rnn import lstm

    kernel, recurrent_kernel, bias = layer_weights(layer, inputs.dtype, recurrent_kernel)
    inputs, kernel = with_padding_hold(layer, inputs, kernel, padding_hold)
    batch, time, features = inputs.shape
    if initial_state is None:
        initial_state = [jnp.zeros((batch, layer.units), inputs.dtype)] * 2
    # Both order the gates i, f, g, o. cuDNN has a second bias.
    weights = [kernel.T.ravel(), recurrent_kernel.T.ravel(), bias, jnp.zeros_like(bias)]
    hidden, *states = lstm(
        inputs,
        *(state[None] for state in initial_state),  # [1, batch, units]
        jnp.concatenate(weights),
        jnp.full(batch, time, "int32"),
        input_size=features,
        hidden_size=layer.units,
        num_layers=1,
        dropout=0.0,
        bidirectional=False,
    )
    return hidden, [state[0] for state in states]
