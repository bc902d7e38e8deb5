"""Encoder backbone from tokens to hidden states."""

import keras
import keras_hub

from zoo.choices import ENCODERS, check_choice
from zoo.conflicts import check, encoder_conflicts
from zoo.models.embeddings import build_embeddings, embed
from zoo.models.encoders import build_encoder
from zoo.models.pretrained import PretrainedEncoder, with_encoder


@keras.saving.register_keras_serializable("zoo")
class TextClassifierBackbone(keras_hub.models.Backbone):
    """Token embeddings followed by a recurrent stack or a Transformer; or a KerasHub encoder.

    Inputs: `token_ids`, integers `[batch, time]`, and `padding_mask`, booleans
    `[batch, time]`, true on the first `length` tokens of each row. Output: the hidden
    states, floats `[batch, time, units]` (twice the units if bidirectional), zero where padded
    by the encoders of the zoo.

    Args:
        vocabulary_size: int. Number of token ids. A KerasHub encoder has its own.
        encoder: `"simple_rnn"`, `"lstm"`, `"gru"` or `"transformer"`; or an encoder of KerasHub,
            such as a `keras_hub.models.BertBackbone`, which the other arguments do not change.
            Defaults to `"lstm"`.
        embedding_dim: int. Size of the trained token embeddings; with `vector_dim` it may be
            `0`. Defaults to `128`.
        units: int. Size of the hidden states, in each direction; in a Transformer equal to
            `embedding_dim`. Defaults to `128`.
        num_layers: int. Number of layers. Defaults to `1`.
        bidirectional: bool. Whether a recurrent encoder is bidirectional; not used by a
            Transformer. Defaults to `True`.
        num_heads: int. Attention heads of a Transformer. Defaults to `4`.
        dropout: float. Dropout rate of the embeddings and between layers; a recurrent encoder
            drops the same units at each step. Defaults to `0.0`.
        max_sequence_length: int. Number of position embeddings of a Transformer. Defaults to
            `512`.
        vector_dim: int. Size of pretrained vectors of the tokens, which are concatenated to the
            trained embeddings of a recurrent encoder; they are the weights of the layer
            `word_vectors`. Defaults to `0`: none.
        trained_words: int. Tokens whose id is not below it have no trained embedding of their
            own, but that of the unknown word. Defaults to `None`: all have one.
        dtype: A dtype or dtype policy. Defaults to the global policy.

    Raises:
        ValueError: if the encoder is unknown or unsuitable, or sizes are incompatible.

    Example:

    >>> backbone = TextClassifierBackbone(vocabulary_size=1000, encoder="gru", units=32)
    >>> backbone({"token_ids": np.ones((2, 7), "int32"), "padding_mask": np.ones((2, 7), bool)})
    """

    def __init__(
        self,
        vocabulary_size=None,
        encoder="lstm",
        embedding_dim=128,
        units=128,
        num_layers=1,
        bidirectional=True,
        num_heads=4,
        dropout=0.0,
        max_sequence_length=512,
        vector_dim=0,
        trained_words=None,
        dtype=None,
        **kwargs,
    ):
        # === Layers ===
        own = not isinstance(encoder, keras_hub.models.Backbone)
        self.word_vectors = None
        if own:
            self.token_embedding, self.word_vectors, to_features, encode = _build_layers(
                vocabulary_size,
                encoder,
                embedding_dim,
                units,
                num_layers,
                bidirectional,
                num_heads,
                dropout,
                max_sequence_length,
                vector_dim,
                trained_words,
                dtype,
            )
        else:
            pretrained = PretrainedEncoder(encoder)
            to_features, encode = pretrained.embed, pretrained.encode
            self.token_embedding = encoder.token_embedding
            vocabulary_size = self.token_embedding.input_dim

        # === Functional graph ===
        token_ids = keras.Input((None,), dtype="int32", name="token_ids")
        padding_mask = keras.Input((None,), dtype="bool", name="padding_mask")
        features = to_features(token_ids)  # [batch, time, embedding_dim + vector_dim]
        states = encode(features, padding_mask=padding_mask)
        super().__init__(
            inputs={"token_ids": token_ids, "padding_mask": padding_mask},
            outputs=states,
            dtype=dtype,
            **kwargs,
        )
        self.features = features

        # === Config ===
        self.vocabulary_size = vocabulary_size
        self.pretrained = None if own else pretrained
        self.encoder = encoder if own else pretrained.name
        self.embedding_dim = embedding_dim
        self.units = units
        self.num_layers = num_layers
        self.bidirectional = own and bidirectional and encoder != "transformer"
        self.num_heads = num_heads if own else encoder.num_heads
        self.dropout = dropout
        self.max_sequence_length = max_sequence_length
        self.vector_dim = vector_dim
        self.trained_words = trained_words

    def get_config(self):
        if self.pretrained is not None:
            return super().get_config() | {"encoder": self.pretrained.config}
        return super().get_config() | {
            "vocabulary_size": self.vocabulary_size,
            "encoder": self.encoder,
            "embedding_dim": self.embedding_dim,
            "units": self.units,
            "num_layers": self.num_layers,
            "bidirectional": self.bidirectional,
            "num_heads": self.num_heads,
            "dropout": self.dropout,
            "max_sequence_length": self.max_sequence_length,
            "vector_dim": self.vector_dim,
            "trained_words": self.trained_words,
        }

    @classmethod
    def from_config(cls, config):
        return super().from_config(with_encoder(config))


def _build_layers(
    vocabulary_size,
    encoder,
    embedding_dim,
    units,
    num_layers,
    bidirectional,
    num_heads,
    dropout,
    max_sequence_length,
    vector_dim,
    trained_words,
    dtype,
):
    """The embeddings of tokens, trained and of vectors, and the two steps of the encoder.

    The steps are functions: from token ids to embedded tokens, and from these to hidden states.
    """
    check_choice("encoder", encoder, ENCODERS)
    check(encoder_conflicts(encoder, units, num_heads, embedding_dim))
    vectors = None
    if encoder == "transformer":
        if vector_dim:
            raise ValueError(
                "Pretrained vectors need a recurrent encoder, or a Transformer without them: set "
                f"`vector_dim` to 0. Received: encoder={encoder!r}, vector_dim={vector_dim}"
            )
        embedding = keras_hub.layers.TokenAndPositionEmbedding(
            vocabulary_size, max_sequence_length, units, dtype=dtype, name="token_embedding"
        )
        drop = keras.layers.Dropout(dropout, dtype=dtype, name="embedding_dropout")
    else:
        embedding, vectors = build_embeddings(
            vocabulary_size, embedding_dim, vector_dim, trained_words, dtype, "token_embedding"
        )
        drop = keras.layers.SpatialDropout1D(dropout, dtype=dtype, name="embedding_dropout")
    encode = build_encoder(
        encoder,
        units,
        num_layers,
        bidirectional=bidirectional,
        num_heads=num_heads,
        intermediate_dim=4 * units,
        dropout=dropout,
        activation="gelu",
        dtype=dtype,
    )
    return (
        embedding,
        vectors,
        lambda token_ids: embed(token_ids, embedding, vectors),
        lambda features, padding_mask: encode(drop(features), padding_mask=padding_mask),
    )
