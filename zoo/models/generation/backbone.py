"""Base of backbones that end in a decoder of tokens."""

import keras
import keras_hub

from zoo.choices import CELLS, DECODER_ATTENTIONS, check, check_choice, decoder_conflicts
from zoo.layers import AttentiveDecoder, TransformerDecoder


class GenerationBackbone(keras_hub.models.Backbone):
    """A backbone that ends in a decoder of tokens.

    A subclass calls `build_decoder` in its `__init__`, and has a method `start`, which gives what
    the first step of the decoder starts from.
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
        initial_state="bridge",
        gate=False,
        dtype=None,
    ):
        """Makes the embedding of target tokens, its dropout and the decoder.

        Args:
            tie_embeddings: `"none"`, or else one matrix embeds target tokens and predicts them.
            initial_state, gate: Of a recurrent decoder, see `zoo.layers.AttentiveDecoder`.
            **others: Arguments of the subclass.

        Raises:
            ValueError: if something is unknown, or sizes do not fit together.
        """
        check_choice("cell", cell, CELLS)
        check_choice("attention", attention, DECODER_ATTENTIONS)
        check(decoder_conflicts(attention, embedding_dim, units, num_heads, tie_embeddings))
        is_transformer = attention == "transformer"
        if tie_embeddings == "none":
            self.token_embedding = self.make_embedding(
                vocabulary_size, embedding_dim, "token_embedding", dtype
            )
        else:  # it gives the logits too, which must begin small
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
    def make_embedding(vocabulary_size, embedding_dim, name, dtype):
        """A matrix of embeddings that is used for nothing else."""
        # Keras' own ±0.05 is so near to zero that a small model spends epochs getting away.
        start = keras.initializers.RandomNormal(stddev=0.5)
        return keras.layers.Embedding(
            vocabulary_size, embedding_dim, embeddings_initializer=start, dtype=dtype, name=name
        )

    def decode(self, token_ids, **read):
        """All steps of the decoder, for training: its outputs and the weights.

        Args:
            token_ids: Integer tensor `[batch, target]`: the tokens before each step.
            **read: What the decoder looks at: arguments of its `call`.
        """
        embedded = self.target_dropout(self._embed(self.token_embedding, token_ids))
        return self.decoder(embedded, **read, return_attention_scores=True)

    def init_decoder(self, read, max_length):
        """What the first step of the decoder starts from: its state and its constants.

        Args:
            read: What the decoder looks at: arguments of its `call`.
            max_length: int. Most steps there will be.
        """
        if self.positions is None:
            return self.decoder.start(**read)
        return self.decoder.start(**read, max_length=max_length)

    def decode_step(self, token_ids, state, constants):
        """One step of the decoder, which gives its output, the next state and the weights.

        Args:
            token_ids: Integer tensor `[rows]`: the last tokens.
            state, constants: See the `step` of the decoder.
        """
        position = state["position"][0]  # all rows are in step
        embedded = self._embed(self.token_embedding, token_ids[:, None], position)
        return self.decoder.step(embedded[:, 0], state, constants)

    def _embed(self, embedding, token_ids, position=0):
        """Embedded tokens `[batch, time, embedding_dim]`, with their positions for a Transformer.

        Args:
            position: That of the first.
        """
        embedded = embedding(token_ids)
        if self.positions is None:
            return embedded
        if isinstance(embedding, keras_hub.layers.ReversibleEmbedding):
            embedded = embedded * embedding.output_dim**0.5  # as large as positions
        return embedded + self.positions(embedded, start_index=position)
