"""Base class of encoder–decoder backbones."""

import keras
import keras_hub

from zoo.choices import CELLS, DECODER_ATTENTIONS, check_choice
from zoo.conflicts import check, decoder_conflicts
from zoo.layers import AttentiveDecoder, TransformerDecoder


class GenerationBackbone(keras_hub.models.Backbone):
    """An encoder with a decoder of tokens.

    A subclass calls `build_decoder` in its `__init__` and defines `encode`. Training runs `encode`
    and `decode`; generation runs `encode`, `init_decoding`, then `decode_step` for each token.
    """

    def build_decoder(
        self,
        vocabulary_size,
        attention,
        cell,
        embedding_dim,
        units,
        num_layers,
        input_feeding,
        num_heads,
        intermediate_dim,
        dropout,
        tie_embeddings,
        inner_dropout=None,
        initial_state="bridge",
        gate=False,
        dtype=None,
    ):
        """Creates the embedding of target tokens, its dropout and the decoder.

        Args:
            tie_embeddings: `"none"`, or else one matrix embeds target tokens and predicts them.
            inner_dropout: Argument of a Transformer, see `zoo.layers.TransformerDecoder`.
            initial_state, gate: Arguments of a recurrent decoder, see
                `zoo.layers.AttentiveDecoder`.
            **others: Arguments of the subclass.

        Raises:
            ValueError: if a name is unknown or sizes are incompatible.
        """
        check_choice("cell", cell, CELLS)
        check_choice("attention", attention, DECODER_ATTENTIONS)
        check(decoder_conflicts(attention, embedding_dim, units, num_heads, tie_embeddings))
        is_transformer = attention == "transformer"
        if tie_embeddings == "none":
            self.token_embedding = self.build_embedding(
                vocabulary_size, embedding_dim, "token_embedding", dtype
            )
        else:  # the matrix gives the logits too, which must be small at first
            self.token_embedding = keras_hub.layers.ReversibleEmbedding(
                vocabulary_size,
                embedding_dim,
                embeddings_initializer=keras.initializers.RandomNormal(stddev=units**-0.5),
                reverse_dtype="float32",
                dtype=dtype,
                name="token_embedding",
            )
        self.positions = None
        drop = keras.layers.Dropout if is_transformer else keras.layers.SpatialDropout1D
        self.target_dropout = drop(dropout, dtype=dtype, name="target_dropout")
        if is_transformer:
            self.positions = keras_hub.layers.SinePositionEncoding(dtype=dtype, name="positions")
            self.decoder = TransformerDecoder(
                num_layers,
                num_heads,
                intermediate_dim,
                dropout,
                inner_dropout,
                dtype=dtype,
                name="decoder",
            )
        else:
            self.decoder = AttentiveDecoder(
                cell,
                units,
                attention,
                num_layers,
                input_feeding=input_feeding,
                initial_state=initial_state,
                num_heads=num_heads,
                dropout=dropout,
                gate=gate,
                dtype=dtype,
                name="decoder",
            )

    @staticmethod
    def build_embedding(vocabulary_size, embedding_dim, name, dtype):
        """An embedding that is not tied to the output layer."""
        # Keras' default of ±0.05 is so small that a small model needs epochs to grow it.
        initializer = keras.initializers.RandomNormal(stddev=0.5)
        return keras.layers.Embedding(
            vocabulary_size,
            embedding_dim,
            embeddings_initializer=initializer,
            dtype=dtype,
            name=name,
        )

    def encode(self, *encoder_inputs):
        """Encodes the inputs.

        Returns:
            A dictionary of arguments of the decoder: `memory`, and what else it needs of
            `memory_mask` and `encoder_state`.
        """
        raise NotImplementedError

    def decode(self, token_ids, **encoded):
        """Decodes all steps with teacher forcing.

        Args:
            token_ids: Integer tensor `[batch, target]`: the true previous token of each step.
            **encoded: What `encode` returned.

        Returns:
            A pair: the hidden states `[batch, target, units]` and the attention weights
            `[batch, target, source]`.
        """
        embedded = self.target_dropout(self._embed(self.token_embedding, token_ids))
        return self.decoder(embedded, **encoded, return_attention_scores=True)

    def init_decoding(self, encoded, max_length):
        """The state and the constants of the decoder before its first step.

        Args:
            encoded: What `encode` returned.
            max_length: int. The most steps to decode.
        """
        if self.positions is None:
            return self.decoder.start(**encoded)
        return self.decoder.start(**encoded, max_length=max_length)

    def decode_step(self, token_ids, state, constants):
        """Decodes one step.

        Args:
            token_ids: Integer tensor `[rows]`: the previous tokens.
            state, constants: See the `step` of the decoder.

        Returns:
            A tuple: the hidden state `[rows, units]`, the next state of the decoder and the
            attention weights `[rows, source]`.
        """
        position = state["position"][0]  # the same for all rows
        embedded = self._embed(self.token_embedding, token_ids[:, None], position)
        return self.decoder.step(embedded[:, 0], state, constants)

    def _embed(self, embedding, token_ids, position=0):
        """Embedded tokens `[batch, time, embedding_dim]`, with positions added in a Transformer.

        Args:
            position: The position of the first token.
        """
        embedded = embedding(token_ids)
        if self.positions is None:
            return embedded
        if isinstance(embedding, keras_hub.layers.ReversibleEmbedding):
            embedded = embedded * embedding.output_dim**0.5  # to the scale of the positions
        return embedded + self.positions(embedded, start_index=position)
