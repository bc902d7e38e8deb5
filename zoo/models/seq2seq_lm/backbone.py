"""Encoder–decoder backbone from source and target tokens to hidden states."""

import keras

from zoo.choices import TIED_EMBEDDINGS, check_choice
from zoo.conflicts import check, dot_product_conflicts
from zoo.models.encoders import build_encoder
from zoo.models.generation import GenerationBackbone


@keras.saving.register_keras_serializable("zoo")
class Seq2SeqLMBackbone(GenerationBackbone):
    """An encoder–decoder: a recurrent encoder with an attentive decoder, or a Transformer.

    Inputs: `encoder_token_ids` and `decoder_token_ids`, integers `[batch, source]` and
    `[batch, target]`, with `encoder_padding_mask` and `decoder_padding_mask`, booleans of the
    same shapes, true on the first tokens of each row. Outputs, by name:
    `encoder_sequence_output`, the encoder's hidden states `[batch, source, units]` (twice the
    units if bidirectional), `decoder_sequence_output`, the decoder's hidden states
    `[batch, target, units]`, and `attention_weights`, `[batch, target, source]`.

    Args:
        vocabulary_size: int. Number of token ids of the vocabulary that source and target
            share, or of the target's.
        source_vocabulary_size: int. Number of token ids of the source's own vocabulary. Defaults
            to `None`: one vocabulary is shared.
        attention: The attention of the decoder over the source: `"none"`, a fixed context
            vector, `"bahdanau"`, `"luong_dot"`, `"luong_general"`, `"luong_concat"`,
            `"luong_local"`, `"scaled_dot"` or `"multi_head"`, see `zoo.layers.AttentiveDecoder`;
            or `"transformer"`, self-attention in encoder and decoder, see
            `zoo.layers.TransformerDecoder`. Defaults to `"bahdanau"`.
        cell: `"simple_rnn"`, `"lstm"` or `"gru"`; not used by a Transformer. Defaults to
            `"gru"`.
        embedding_dim: int. Size of the token embeddings. Defaults to `256`.
        units: int. Size of the hidden states of the decoder, and of the encoder in each
            direction; in a Transformer equal to `embedding_dim`. Defaults to `256`.
        num_layers: int. Layers of the encoder, and of the decoder. Defaults to `1`.
        bidirectional: bool. Whether a recurrent encoder is bidirectional. Defaults to `True`.
        input_feeding: bool. Whether the previous attentional vector is an input of a recurrent
            decoder. Defaults to `False`.
        num_heads: int. Heads of `"multi_head"` and `"transformer"`. Defaults to `4`.
        intermediate_dim: int. Hidden units of a Transformer's feed-forward networks. Defaults to
            `512`.
        dropout: float. Dropout rate of the embeddings, between layers and of the decoder's
            output; recurrent layers drop the same units at each step. In a Transformer, of the
            embeddings and of the outputs of the blocks. Defaults to `0.0`.
        inner_dropout: float. In a Transformer, dropout rate of the attention weights and of the
            decoder's hidden layers. Defaults to `None`: `dropout`.
        tie_embeddings: `"none"`; `"output"`: one matrix embeds and predicts target tokens, which
            needs `embedding_dim` equal to `units`; or `"all"`: it embeds source tokens too, which
            needs a shared vocabulary. Defaults to `"none"`.
        dtype: A dtype or dtype policy. Defaults to the global policy.

    Raises:
        ValueError: if a name is unknown or sizes are incompatible.

    References:
        - Attention: see `zoo.layers`. Tied embeddings: Press and Wolf 2017.
    """

    def __init__(
        self,
        vocabulary_size,
        source_vocabulary_size=None,
        attention="bahdanau",
        cell="gru",
        embedding_dim=256,
        units=256,
        num_layers=1,
        bidirectional=True,
        input_feeding=False,
        num_heads=4,
        intermediate_dim=512,
        dropout=0.0,
        inner_dropout=None,
        tie_embeddings="none",
        dtype=None,
        **kwargs,
    ):
        check_choice("tie_embeddings", tie_embeddings, TIED_EMBEDDINGS)
        check(dot_product_conflicts(attention, bidirectional))
        if tie_embeddings == "all" and source_vocabulary_size is not None:
            raise ValueError(
                "tie_embeddings='all' needs a vocabulary that source and target share; use "
                "tie_embeddings='output', or one vocabulary. Received: tie_embeddings='all', "
                f"source_vocabulary_size={source_vocabulary_size}"
            )
        # === Layers ===
        self.build_decoder(
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
            inner_dropout,
            dtype=dtype,
        )
        self.source_embedding = self.token_embedding
        if tie_embeddings != "all":
            size = source_vocabulary_size or vocabulary_size
            self.source_embedding = self.build_embedding(
                size, embedding_dim, "source_embedding", dtype
            )
        is_transformer = attention == "transformer"
        drop = keras.layers.Dropout if is_transformer else keras.layers.SpatialDropout1D
        self.source_dropout = drop(dropout, dtype=dtype, name="source_dropout")
        self.encoder = build_encoder(
            "transformer" if is_transformer else cell,
            units,
            num_layers,
            bidirectional=bidirectional,
            num_heads=num_heads,
            intermediate_dim=intermediate_dim,
            dropout=dropout,
            inner_dropout=inner_dropout,
            return_state=True,
            dtype=dtype,
            names=("encoder", "encoder_layer", "encoder_norm"),
        )

        # === Functional graph ===
        inputs = {
            name: keras.Input((None,), dtype=kind, name=name)
            for name, kind in (
                ("encoder_token_ids", "int32"),
                ("encoder_padding_mask", "bool"),
                ("decoder_token_ids", "int32"),
                ("decoder_padding_mask", "bool"),
            )
        }
        encoded = self.encode(inputs["encoder_token_ids"], inputs["encoder_padding_mask"])
        states, weights = self.decode(inputs["decoder_token_ids"], **encoded)
        super().__init__(
            inputs=inputs,
            outputs={
                "encoder_sequence_output": encoded["memory"],
                "decoder_sequence_output": states,
                "attention_weights": weights,
            },
            dtype=dtype,
            **kwargs,
        )
        self.attention_output = weights  # [batch, target, source]

        # === Config ===
        self.vocabulary_size = vocabulary_size
        self.source_vocabulary_size = source_vocabulary_size
        self.attention = attention
        self.cell = cell
        self.embedding_dim = embedding_dim
        self.units = units
        self.num_layers = num_layers
        self.bidirectional = bidirectional
        self.input_feeding = input_feeding
        self.num_heads = num_heads
        self.intermediate_dim = intermediate_dim
        self.dropout = dropout
        self.inner_dropout = inner_dropout
        self.tie_embeddings = tie_embeddings

    def encode(self, token_ids, padding_mask):
        """Encodes the source.

        Args:
            token_ids: Integer tensor `[batch, source]`.
            padding_mask: Boolean tensor `[batch, source]`.

        Returns:
            A dictionary of arguments of the decoder: `memory`, the hidden states
            `[batch, source, units]` (twice the units if bidirectional), `memory_mask`, and of a
            recurrent encoder `encoder_state`, the last hidden state `[batch, units]`.
        """
        return self.encode_embedded(self.embed_source(token_ids), padding_mask)

    def encode_embedded(self, embedded, padding_mask):
        """Encodes embedded tokens, float `[batch, source, embedding_dim]`: see `encode`."""
        states = self.source_dropout(embedded)
        encoded = self.encoder(states, padding_mask=padding_mask)
        if self.positions is not None:
            return {"memory": encoded, "memory_mask": padding_mask}
        memory, last = encoded
        return {"memory": memory, "memory_mask": padding_mask, "encoder_state": last[-1][0]}

    def embed_source(self, token_ids):
        """Embedded source tokens, `[batch, source, embedding_dim]`, with their positions."""
        return self._embed(self.source_embedding, token_ids)

    def get_config(self):
        return super().get_config() | {
            "vocabulary_size": self.vocabulary_size,
            "source_vocabulary_size": self.source_vocabulary_size,
            "attention": self.attention,
            "cell": self.cell,
            "embedding_dim": self.embedding_dim,
            "units": self.units,
            "num_layers": self.num_layers,
            "bidirectional": self.bidirectional,
            "input_feeding": self.input_feeding,
            "num_heads": self.num_heads,
            "intermediate_dim": self.intermediate_dim,
            "dropout": self.dropout,
            "inner_dropout": self.inner_dropout,
            "tie_embeddings": self.tie_embeddings,
        }
