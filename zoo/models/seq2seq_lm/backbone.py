"""The encoder and the decoder of the translator: source and target tokens in, states out."""

import keras
import keras_hub

from zoo.layers import AttentiveDecoder, RecurrentEncoder
from zoo.layers.recurrent import CELLS

TIES = ("none", "output", "all")


@keras.saving.register_keras_serializable("zoo")
class Seq2SeqLMBackbone(keras_hub.models.Backbone):
    """Reads source tokens with a recurrent encoder, writes target tokens with an attentive decoder.

    Inputs: `encoder_token_ids` and `decoder_token_ids`, integers `[batch, source]` and
    `[batch, target]`, with `encoder_padding_mask` and `decoder_padding_mask`, booleans of the
    same shapes, true on the first tokens of each row. Outputs, by name:
    `encoder_sequence_output`, the states `[batch, source, units]` (twice the units in both
    directions), and `decoder_sequence_output`, `[batch, target, units]`, from which the next
    token is predicted.

    Args:
        vocabulary_size: int. Number of token ids, of both languages together.
        cell: `"simple_rnn"`, `"lstm"` or `"gru"`. Defaults to `"gru"`.
        attention: What the decoder looks back with: `"none"`, the fixed context vector,
            `"bahdanau"`, `"luong_dot"`, `"luong_general"`, `"luong_concat"`, `"luong_local"`,
            `"scaled_dot"` or `"multi_head"`; see `zoo.layers.AttentiveDecoder`. Defaults to
            `"bahdanau"`.
        embedding_dim: int. Size of the token embeddings. Defaults to `256`.
        units: int. Size of the decoder's state, and of the encoder's in each direction.
            Defaults to `256`.
        num_layers: int. Of encoder and decoder each. Defaults to `1`.
        bidirectional: bool. Whether the encoder reads both ways. Defaults to `True`.
        input_feeding: bool. Whether the decoder is fed its last attentional vector. Defaults
            to `False`.
        num_heads: int. Heads of `"multi_head"`. Defaults to `4`.
        dropout: float. Of the embeddings, between layers and of the decoder's output; in
            recurrent layers the same units are dropped at each step. Defaults to `0.0`.
        tie_embeddings: `"none"`; `"output"`: target tokens are embedded and predicted by one
            matrix, which needs `embedding_dim` equal to `units`; or `"all"`: source tokens are
            embedded by it too. Defaults to `"none"`.
        dtype: A dtype or dtype policy. Defaults to the global policy.

    Raises:
        ValueError: if something is unknown, or sizes do not fit together.

    References:
        - Attention: see `zoo.layers`. Tied embeddings: Press and Wolf 2017.
    """

    def __init__(
        self,
        vocabulary_size,
        cell="gru",
        attention="bahdanau",
        embedding_dim=256,
        units=256,
        num_layers=1,
        bidirectional=True,
        input_feeding=False,
        num_heads=4,
        dropout=0.0,
        tie_embeddings="none",
        dtype=None,
        **kwargs,
    ):
        if cell not in CELLS:
            raise ValueError(f"`cell` must be one of {sorted(CELLS)}. Received: cell={cell!r}")
        if tie_embeddings not in TIES:
            raise ValueError(
                f"`tie_embeddings` must be one of {TIES}. Received: "
                f"tie_embeddings={tie_embeddings!r}"
            )
        if tie_embeddings != "none" and embedding_dim != units:
            raise ValueError(
                "A tied output needs `embedding_dim` equal to `units`. Received: "
                f"tie_embeddings={tie_embeddings!r}, embedding_dim={embedding_dim}, units={units}"
            )

        # === Layers ===
        def embedding(size, name):
            # Keras' own ±0.05 is so near to zero that a small model spends epochs getting away.
            start = keras.initializers.RandomNormal(stddev=0.5)
            return keras.layers.Embedding(
                size, embedding_dim, embeddings_initializer=start, dtype=dtype, name=name
            )

        if tie_embeddings == "none":
            self.token_embedding = embedding(vocabulary_size, "token_embedding")
        else:  # it gives the logits too, which must begin small
            self.token_embedding = keras_hub.layers.ReversibleEmbedding(
                vocabulary_size,
                embedding_dim,
                embeddings_initializer=keras.initializers.RandomNormal(stddev=units**-0.5),
                reverse_dtype="float32",
                dtype=dtype,
                name="token_embedding",
            )
        self.source_embedding = self.token_embedding
        if tie_embeddings != "all":
            self.source_embedding = embedding(vocabulary_size, "source_embedding")
        self.source_dropout = keras.layers.SpatialDropout1D(
            dropout, dtype=dtype, name="source_dropout"
        )
        self.target_dropout = keras.layers.SpatialDropout1D(
            dropout, dtype=dtype, name="target_dropout"
        )
        self.encoder = RecurrentEncoder(
            cell,
            units,
            num_layers,
            bidirectional,
            dropout=dropout,
            return_state=True,
            dtype=dtype,
            name="encoder",
        )
        self.decoder = AttentiveDecoder(
            cell,
            units,
            attention,
            num_layers,
            input_feeding=input_feeding,
            initial_state="bridge",
            num_heads=num_heads,
            dropout=dropout,
            dtype=dtype,
            name="decoder",
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
        read = self.read(inputs["encoder_token_ids"], inputs["encoder_padding_mask"])
        embedded = self.target_dropout(self.token_embedding(inputs["decoder_token_ids"]))
        states, weights = self.decoder(embedded, **read, return_attention_scores=True)
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
        self.cell = cell
        self.attention = attention
        self.embedding_dim = embedding_dim
        self.units = units
        self.num_layers = num_layers
        self.bidirectional = bidirectional
        self.input_feeding = input_feeding
        self.num_heads = num_heads
        self.dropout = dropout
        self.tie_embeddings = tie_embeddings

    def read(self, token_ids, padding_mask):
        """What the decoder is given of a source: arguments of its `call` and its `start`.

        Args:
            token_ids: Integer tensor `[batch, source]`.
            padding_mask: Boolean tensor `[batch, source]`.
        """
        embedded = self.source_dropout(self.source_embedding(token_ids))
        memory, states = self.encoder(embedded, padding_mask=padding_mask)
        return {"memory": memory, "memory_mask": padding_mask, "encoder_state": states[-1][0]}

    def write(self, token_ids, state, constants):
        """One step of the decoder: see `zoo.layers.AttentiveDecoder.step`.

        Args:
            token_ids: Integer tensor `[rows]`: the last tokens.
        """
        return self.decoder.step(self.token_embedding(token_ids), state, constants)

    def get_config(self):
        return super().get_config() | {
            "vocabulary_size": self.vocabulary_size,
            "cell": self.cell,
            "attention": self.attention,
            "embedding_dim": self.embedding_dim,
            "units": self.units,
            "num_layers": self.num_layers,
            "bidirectional": self.bidirectional,
            "input_feeding": self.input_feeding,
            "num_heads": self.num_heads,
            "dropout": self.dropout,
            "tie_embeddings": self.tie_embeddings,
        }
