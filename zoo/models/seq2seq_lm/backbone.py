"""The encoder and the decoder of the translator: source and target tokens in, states out."""

import keras

from zoo.choices import TIED_EMBEDDINGS, check, check_choice, dot_product_conflicts
from zoo.models.encoders import build_encoder
from zoo.models.generation import GenerationBackbone


@keras.saving.register_keras_serializable("zoo")
class Seq2SeqLMBackbone(GenerationBackbone):
    """Reads source tokens and writes target tokens: a recurrent encoder with an attentive
    decoder, or a Transformer.

    Inputs: `encoder_token_ids` and `decoder_token_ids`, integers `[batch, source]` and
    `[batch, target]`, with `encoder_padding_mask` and `decoder_padding_mask`, booleans of the
    same shapes, true on the first tokens of each row. Outputs, by name:
    `encoder_sequence_output`, the states `[batch, source, units]` (twice the units in both
    directions), and `decoder_sequence_output`, `[batch, target, units]`, from which the next
    token is predicted.

    Args:
        vocabulary_size: int. Number of token ids: of both languages together, or of the target.
        source_vocabulary_size: int. Number of token ids of the source, where they are others.
            Defaults to `None`: they are the same.
        attention: What the decoder looks back with: `"none"`, the fixed context vector,
            `"bahdanau"`, `"luong_dot"`, `"luong_general"`, `"luong_concat"`, `"luong_local"`,
            `"scaled_dot"` or `"multi_head"`, see `zoo.layers.AttentiveDecoder`; or
            `"transformer"`, where encoder and decoder are of self-attention, see
            `zoo.layers.TransformerDecoder`. Defaults to `"bahdanau"`.
        cell: `"simple_rnn"`, `"lstm"` or `"gru"`; a Transformer has none. Defaults to `"gru"`.
        embedding_dim: int. Size of the token embeddings. Defaults to `256`.
        units: int. Size of the decoder's state, and of the encoder's in each direction. In a
            Transformer, which must have as large embeddings, of both. Defaults to `256`.
        num_layers: int. Of encoder and decoder each. Defaults to `1`.
        bidirectional: bool. Whether a recurrent encoder reads both ways. Defaults to `True`.
        input_feeding: bool. Whether a recurrent decoder is fed its last attentional vector.
            Defaults to `False`.
        num_heads: int. Heads of `"multi_head"` and `"transformer"`. Defaults to `4`.
        intermediate_dim: int. Hidden units of a Transformer's feed-forward networks. Defaults to
            `512`.
        dropout: float. Of the embeddings, between layers and of the decoder's output; in
            recurrent layers the same units are dropped at each step. In a Transformer of the
            embeddings, and where its layers say. Defaults to `0.0`.
        tie_embeddings: `"none"`; `"output"`: target tokens are embedded and predicted by one
            matrix, which needs `embedding_dim` equal to `units`; or `"all"`: source tokens are
            embedded by it too, which needs a vocabulary of both. Defaults to `"none"`.
        dtype: A dtype or dtype policy. Defaults to the global policy.

    Raises:
        ValueError: if something is unknown, or sizes do not fit together.

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
        tie_embeddings="none",
        dtype=None,
        **kwargs,
    ):
        check_choice("tie_embeddings", tie_embeddings, TIED_EMBEDDINGS)
        check(dot_product_conflicts(attention, bidirectional))
        if tie_embeddings == "all" and source_vocabulary_size is not None:
            raise ValueError(
                "Source tokens can be embedded as target tokens where they are the same: use "
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
            dtype=dtype,
        )
        self.source_embedding = self.token_embedding
        if tie_embeddings != "all":
            size = source_vocabulary_size or vocabulary_size
            self.source_embedding = self.make_embedding(
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
        read = self.encode(inputs["encoder_token_ids"], inputs["encoder_padding_mask"])
        states, weights = self.decode(inputs["decoder_token_ids"], **read)
        super().__init__(
            inputs=inputs,
            outputs={
                "encoder_sequence_output": read["memory"],
                "decoder_sequence_output": states,
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
        self.tie_embeddings = tie_embeddings

    def encode(self, token_ids, padding_mask):
        """What the decoder is given of a source: arguments of its `call`.

        Args:
            token_ids: Integer tensor `[batch, source]`.
            padding_mask: Boolean tensor `[batch, source]`.
        """
        states = self.source_dropout(self._embed(self.source_embedding, token_ids))
        encoded = self.encoder(states, padding_mask=padding_mask)
        if self.positions is not None:
            return {"memory": encoded, "memory_mask": padding_mask}
        memory, last = encoded
        return {"memory": memory, "memory_mask": padding_mask, "encoder_state": last[-1][0]}

    def init_decoding(self, token_ids, padding_mask, max_length):
        """What the first step of the decoder starts from: its state and its constants.

        Args:
            token_ids: Integer tensor `[batch, source]`.
            padding_mask: Boolean tensor `[batch, source]`.
            max_length: int. Most steps there will be.
        """
        return self.init_decoder(self.encode(token_ids, padding_mask), max_length)

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
            "tie_embeddings": self.tie_embeddings,
        }
