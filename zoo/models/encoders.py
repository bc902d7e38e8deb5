"""Encoders of embedded sequences: a recurrent stack or a Transformer, by the name in a config."""

import keras
import keras_hub

from zoo.layers import RecurrentEncoder


@keras.saving.register_keras_serializable("zoo")
class TransformerEncoder(keras_hub.layers.TransformerEncoder):
    """KerasHub's encoder layer with a dropout rate of its own for the attention weights.

    Args:
        inner_dropout: float. Dropout rate of the attention weights.
        *args, **kwargs: Arguments of KerasHub's layer, `dropout` that of the outputs.
    """

    dropout: float

    def __init__(self, *args, inner_dropout, **kwargs):
        super().__init__(*args, **kwargs)
        self.inner_dropout = inner_dropout

    def build(self, inputs_shape):
        # A dropout layer that is made with the rate 0 cannot have another one later.
        outer = self.dropout
        self.dropout = max(outer, self.inner_dropout)
        super().build(inputs_shape)
        self.dropout = outer
        self._self_attention_dropout.rate = self._feedforward_dropout.rate = outer
        attention = self._self_attention_layer
        attention._dropout = attention._dropout_layer.rate = self.inner_dropout

    def get_config(self):
        return super().get_config() | {"inner_dropout": self.inner_dropout}


class TransformerStack:
    """Transformer encoder layers, normalized first, and a last normalization.

    It is no Keras layer: as layers of the backbone itself they keep the places that their
    weights have in saved presets.

    Args:
        layers: The encoder layers.
        norm: The last normalization.
    """

    def __init__(self, layers, norm):
        self.layers = layers
        self.norm = norm

    def __call__(self, states, padding_mask):
        for layer in self.layers:
            states = layer(states, padding_mask=padding_mask)
        return self.norm(states)


def build_encoder(
    encoder,
    units,
    num_layers,
    *,
    bidirectional,
    num_heads,
    intermediate_dim,
    dropout,
    inner_dropout=None,
    activation="relu",
    return_state=False,
    dtype=None,
    names=("recurrent", "transformer_layer", "norm"),
):
    """Builds the encoder that a config names.

    Args:
        encoder: A name in `zoo.choices.ENCODERS`.
        units: int. Size of a recurrent state, in each direction. A Transformer has the size of
            its inputs.
        num_layers: int.
        bidirectional: bool. Whether a recurrent encoder has both directions.
        num_heads: int. Heads of a Transformer.
        intermediate_dim: int. Hidden units of a Transformer's feed-forward networks.
        dropout: float. Between recurrent layers, or within those of a Transformer.
        inner_dropout: float. Of the attention weights of a Transformer. Defaults to `None`:
            `dropout`.
        activation: Of a Transformer's feed-forward networks. Defaults to `"relu"`.
        return_state: bool. Whether a recurrent encoder returns its last states too.
        dtype: A dtype or dtype policy. Defaults to the global policy.
        names: Names of the recurrent layer, of each Transformer layer (without its number),
            and of the last normalization.

    Returns:
        A function of the embedded sequence `[batch, time, features]` and of `padding_mask`, a
        boolean tensor `[batch, time]`, that returns the states `[batch, time, ...]`.
    """
    recurrent_name, layer_name, norm_name = names
    if encoder != "transformer":
        return RecurrentEncoder(
            encoder,
            units,
            num_layers,
            bidirectional,
            dropout=dropout,
            return_state=return_state,
            dtype=dtype,
            name=recurrent_name,
        )
    layers = [
        TransformerEncoder(
            intermediate_dim,
            num_heads,
            dropout=dropout,
            inner_dropout=dropout if inner_dropout is None else inner_dropout,
            normalize_first=True,
            activation=activation,
            dtype=dtype,
            name=f"{layer_name}_{i}",
        )
        for i in range(num_layers)
    ]
    return TransformerStack(layers, keras.layers.LayerNormalization(dtype=dtype, name=norm_name))
