"""Decoder backbone from tokens to hidden states, each of which depends on no later token."""

from typing import Any

import keras
import keras_hub
from keras import ops

from zoo.choices import LANGUAGE_DECODERS, PAST_ATTENTIONS, check_choice
from zoo.conflicts import (
    adaptive_embedding_conflicts,
    check,
    language_model_conflicts,
)
from zoo.layers import AdaptiveEmbedding, CausalTransformer, PastAttention, RecurrentEncoder
from zoo.layers.regularization import ActivationRegularization, EmbeddingDropout


@keras.saving.register_keras_serializable("zoo")
class CausalLMBackbone(keras_hub.models.Backbone):
    """Token embeddings followed by a recurrent stack or a causal Transformer.

    Inputs: `token_ids`, integers `[batch, time]`, and `padding_mask`, booleans `[batch, time]`,
    true on the first `length` tokens of each row. Output: the hidden states, floats
    `[batch, time, units]`, zero where padded. `call_with_state` reads a text in pieces.

    Args:
        vocabulary_size: int. Number of token ids.
        decoder: `"simple_rnn"`, `"lstm"`, `"gru"`, a name given by `zoo.choices.register_cell`,
            or `"transformer"`. Defaults to `"lstm"`.
        embedding_dim: int. Size of the token embeddings. Defaults to `128`.
        units: int. Size of the hidden states; in a Transformer equal to `embedding_dim`.
            Defaults to `256`.
        num_layers: int. Defaults to `1`.
        attention: Attention of a recurrent decoder to its past states: `"none"`, `"bahdanau"`,
            `"scaled_dot"` or `"multi_head"`; see `zoo.layers.PastAttention`. Defaults to `"none"`.
        attention_span: int. How many past states it attends to. Defaults to `64`.
        num_heads: int. Heads of a Transformer, or of the attention. Defaults to `4`.
        tie_embeddings: bool. Whether the matrix that embeds tokens also predicts them (Press and
            Wolf 2017). Defaults to `True`.
        embedding_cutoffs: Rising ints below `vocabulary_size`, for ids that are sorted by falling
            frequency: where clusters of fewer dimensions begin; see
            `zoo.layers.AdaptiveEmbedding`. Defaults to `()`: all tokens have all dimensions.
        embedding_factor: int. How much fewer dimensions each cluster has. Defaults to `4`.
        residual: bool. Whether each recurrent layer but the first adds its input to its output.
            Defaults to `False`.
        embedding_dropout: float. The share of the vocabulary whose embedding is dropped in a
            batch. Defaults to `0.0`.
        input_dropout: float. Dropout rate of the embedded tokens. Defaults to `0.0`.
        dropout: float. Dropout rate between recurrent layers, or within a Transformer. Defaults
            to `0.0`.
        output_dropout: float. Dropout rate of the hidden states. These four drop the same units
            at each step (variational dropout), but within a Transformer. Defaults to `0.0`.
        weight_dropout: float. Dropout rate of the recurrent kernels. Defaults to `0.0`.
        activation_regularization, temporal_regularization: float. The weights of AR and TAR, see
            `zoo.layers.regularization.ActivationRegularization`. Default to `0.0`.
        max_sequence_length: int. Number of position embeddings of a Transformer, which reads no
            more tokens. Defaults to `512`.
        dtype: A dtype or dtype policy. Defaults to the global policy.

    Raises:
        ValueError: if a name is unknown, or sizes or options are incompatible.

    Example:

    >>> backbone = CausalLMBackbone(vocabulary_size=1000, decoder="gru", units=32)
    >>> state = backbone.initial_state(batch_size=2)
    >>> hidden, state = backbone.call_with_state(np.ones((2, 7), "int32"), state)

    References:
        - Regularisation: Merity et al. 2017, "Regularizing and optimizing LSTM language models".
    """

    def __init__(
        self,
        vocabulary_size,
        decoder="lstm",
        embedding_dim=128,
        units=256,
        num_layers=1,
        attention="none",
        attention_span=64,
        num_heads=4,
        tie_embeddings=True,
        embedding_cutoffs=(),
        embedding_factor=4,
        residual=False,
        embedding_dropout=0.0,
        input_dropout=0.0,
        dropout=0.0,
        output_dropout=0.0,
        weight_dropout=0.0,
        activation_regularization=0.0,
        temporal_regularization=0.0,
        max_sequence_length=512,
        dtype=None,
        **kwargs,
    ):
        check_choice("decoder", decoder, LANGUAGE_DECODERS)
        check_choice("attention", attention, PAST_ATTENTIONS)
        penalty = max(activation_regularization, temporal_regularization)
        check(
            language_model_conflicts(
                decoder, embedding_dim, units, num_heads, attention, weight_dropout, penalty
            )
        )
        check(
            adaptive_embedding_conflicts(
                embedding_cutoffs, embedding_factor, embedding_dim, vocabulary_size, tie_embeddings
            )
        )

        # === Layers ===
        if embedding_cutoffs:
            self.token_embedding = AdaptiveEmbedding(
                vocabulary_size,
                embedding_dim,
                embedding_cutoffs,
                embedding_factor,
                dtype=dtype,
                name="token_embedding",
            )
        elif tie_embeddings:  # the matrix gives the logits too, which must be small at first
            self.token_embedding = keras_hub.layers.ReversibleEmbedding(
                vocabulary_size,
                embedding_dim,
                embeddings_initializer=keras.initializers.RandomNormal(stddev=embedding_dim**-0.5),
                reverse_dtype="float32",
                dtype=dtype,
                name="token_embedding",
            )
        else:
            self.token_embedding = keras.layers.Embedding(
                vocabulary_size,
                embedding_dim,
                embeddings_initializer=keras.initializers.RandomNormal(stddev=0.5),
                dtype=dtype,
                name="token_embedding",
            )
        self.embedding_scale = embedding_dim**0.5 if tie_embeddings else 1.0  # to variance one
        self.embedding_drop = EmbeddingDropout(
            vocabulary_size, embedding_dropout, dtype=dtype, name="embedding_dropout"
        )
        self.input_drop = keras.layers.SpatialDropout1D(
            input_dropout, dtype=dtype, name="input_dropout"
        )
        self.output_drop = keras.layers.SpatialDropout1D(
            output_dropout, dtype=dtype, name="output_dropout"
        )
        self.position_embedding: Any = None
        self.past_attention: Any = None
        self.penalty: Any = None
        if decoder == "transformer":
            self.position_embedding = keras.layers.Embedding(
                max_sequence_length,
                embedding_dim,
                embeddings_initializer=keras.initializers.RandomNormal(stddev=0.1),
                dtype=dtype,
                name="position_embedding",
            )
            self.stack = CausalTransformer(
                num_layers, num_heads, 4 * units, dropout, dtype=dtype, name="transformer"
            )
        else:
            self.stack = RecurrentEncoder(
                decoder,
                units,
                num_layers,
                dropout=dropout,
                weight_dropout=weight_dropout,
                residual=residual,
                return_state=True,
                dtype=dtype,
                name="recurrent",
            )
            if attention != "none":
                self.past_attention = PastAttention(
                    attention, attention_span, num_heads, dtype=dtype, name="past_attention"
                )
            if penalty:
                self.penalty = ActivationRegularization(
                    activation_regularization,
                    temporal_regularization,
                    dtype=dtype,
                    name="activation_regularization",
                )

        # === Functional graph ===
        token_ids = keras.Input((None,), dtype="int32", name="token_ids")
        padding_mask = keras.Input((None,), dtype="bool", name="padding_mask")
        hidden, weights, _ = self._read(token_ids, None, padding_mask)
        super().__init__(
            inputs={"token_ids": token_ids, "padding_mask": padding_mask},
            outputs=hidden,
            dtype=dtype,
            **kwargs,
        )
        self.attention_output = weights

        # === Config ===
        self.vocabulary_size = vocabulary_size
        self.decoder = decoder
        self.embedding_dim = embedding_dim
        self.units = units
        self.num_layers = num_layers
        self.attention = attention
        self.attention_span = attention_span
        self.num_heads = num_heads
        self.tie_embeddings = tie_embeddings
        self.embedding_cutoffs = list(embedding_cutoffs)
        self.embedding_factor = embedding_factor
        self.residual = residual
        self.embedding_dropout = embedding_dropout
        self.input_dropout = input_dropout
        self.dropout = dropout
        self.output_dropout = output_dropout
        self.weight_dropout = weight_dropout
        self.activation_regularization = activation_regularization
        self.temporal_regularization = temporal_regularization
        self.max_sequence_length = max_sequence_length

    def call(self, inputs, training=None, mask=None):
        count, positions = inputs["token_ids"].shape[1], self.max_sequence_length
        if not self.carries_state and count is not None and count > positions:
            raise ValueError(
                f"This Transformer has {positions:,} positions: give it no more tokens at once. "
                f"Received: {count:,}"
            )
        return super().call(inputs, training=training, mask=mask)

    @property
    def carries_state(self):
        """True if a state holds all that the model needs of a past of any length.

        The state of a recurrent decoder does; that of a Transformer holds the keys and values of
        at most `max_sequence_length` tokens, and no more may be read.
        """
        return self.position_embedding is None

    def initial_state(self, batch_size, max_length=None):
        """The state before the first token: a nesting of tensors `[batch, ...]`.

        Args:
            batch_size: int.
            max_length: int. Most tokens that will be read, for which the state of a Transformer
                has room. Defaults to `max_sequence_length`.
        """
        if self.position_embedding is not None:
            return self.stack.initial_state(batch_size, max_length or self.max_sequence_length)
        count = len(self.stack.stack[0][0].state_size)
        zeros = ops.zeros((batch_size, self.units), self.stack.compute_dtype)
        state = {}  # with sorted keys, the order in which some backends return a nesting
        if self.past_attention is not None:
            state["attention"] = self.past_attention.initial_state(batch_size)
        return state | {"recurrent": [[zeros] * count for _ in range(self.num_layers)]}

    def call_with_state(self, token_ids, state, padding_mask=None, training=None):
        """Reads the tokens that follow a state.

        Args:
            token_ids: Integer tensor `[batch, time]`.
            state: As returned by `initial_state` or by an earlier call, of as many rows.
            padding_mask: Boolean tensor `[batch, time]`, true on the first tokens of each row:
                the others change no state. Defaults to all true.
            training: bool. Whether to apply dropout.

        Returns:
            A pair: the hidden states `[batch, time, units]` and the next state, to which
            gradients flow: stop them between the batches of truncated back-propagation.
        """
        hidden, _, state = self._read(token_ids, state, padding_mask, training)
        return hidden, state

    def _read(self, token_ids, state, padding_mask, training=None):
        """Hidden states, attention weights (or `None`), and the next state, `None` without one."""
        embedded = self.token_embedding(token_ids)
        embedded = self.embedding_drop(embedded, token_ids, training=training)
        if self.position_embedding is not None:
            start = None if state is None else state["position"]
            embedded = embedded * self.embedding_scale
            embedded = embedded + self._positions(token_ids, start)
        embedded = self.input_drop(embedded, training=training)
        if self.position_embedding is not None:
            hidden, weights, state = self._transform(embedded, state, padding_mask, training)
        else:
            hidden, weights, state = self._recur(embedded, state, padding_mask, training)
        if padding_mask is not None:
            hidden = hidden * ops.cast(padding_mask, hidden.dtype)[:, :, None]
        dropped = self.output_drop(hidden, training=training)
        if self.penalty is not None:
            dropped = self.penalty(dropped, hidden, training=training)
        return dropped, weights, state

    def _positions(self, token_ids, start):
        """Position embeddings of the tokens, `[batch or 1, time, units]`."""
        steps = ops.cumsum(ops.ones_like(token_ids), axis=1) - 1
        if start is not None:
            steps = steps + start[:, None]
        # Padding may lie beyond the last position.
        return self.position_embedding(ops.minimum(steps, self.position_embedding.input_dim - 1))

    def _transform(self, embedded, state, padding_mask, training):
        if state is None:
            return *self.stack(embedded, training=training), None
        num_steps = None
        if padding_mask is not None:
            num_steps = ops.sum(ops.cast(padding_mask, "int32"), axis=1)
        return self.stack(embedded, state=state, num_steps=num_steps, training=training)

    def _recur(self, embedded, state, padding_mask, training):
        if state is None:  # padding after the valid steps changes none of them
            hidden, _ = self.stack(embedded, training=training)
            if self.past_attention is None:
                return hidden, None, None
            return *self.past_attention(hidden, training=training), None
        hidden, recurrent = self.stack(
            embedded,
            padding_mask=padding_mask,
            initial_state=state["recurrent"],
            training=training,
        )
        after, weights = {}, None
        if self.past_attention is not None:
            hidden, weights, after["attention"] = self.past_attention(
                hidden, state=state["attention"], padding_mask=padding_mask, training=training
            )
        return hidden, weights, after | {"recurrent": recurrent}

    def get_config(self):
        return super().get_config() | {
            "vocabulary_size": self.vocabulary_size,
            "decoder": self.decoder,
            "embedding_dim": self.embedding_dim,
            "units": self.units,
            "num_layers": self.num_layers,
            "attention": self.attention,
            "attention_span": self.attention_span,
            "num_heads": self.num_heads,
            "tie_embeddings": self.tie_embeddings,
            "embedding_cutoffs": self.embedding_cutoffs,
            "embedding_factor": self.embedding_factor,
            "residual": self.residual,
            "embedding_dropout": self.embedding_dropout,
            "input_dropout": self.input_dropout,
            "dropout": self.dropout,
            "output_dropout": self.output_dropout,
            "weight_dropout": self.weight_dropout,
            "activation_regularization": self.activation_regularization,
            "temporal_regularization": self.temporal_regularization,
            "max_sequence_length": self.max_sequence_length,
        }
