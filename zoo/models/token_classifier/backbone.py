"""Encoder backbone from words and their characters to a hidden state for each word."""

import keras
import keras_hub
from keras import ops

from zoo.choices import CHARACTERS, ENCODERS, TAGGER_ATTENTIONS, check_choice
from zoo.conflicts import check, encoder_conflicts
from zoo.layers import CharacterFeatures
from zoo.layers.attention import make_attention
from zoo.models.embeddings import build_embeddings, embed
from zoo.models.encoders import build_encoder
from zoo.models.pretrained import PretrainedEncoder, with_encoder
from zoo.models.token_classifier.string_embeddings import (
    frozen_copies,
    serialize,
    string_embeddings,
)


@keras.saving.register_keras_serializable("zoo")
class TokenClassifierBackbone(keras_hub.models.Backbone):
    """Word embeddings and character features, followed by a recurrent or Transformer encoder.

    Inputs: `word_ids`, integers `[batch, words]`; `padding_mask`, booleans `[batch, words]`,
    true on the first words of each row; of a model with character features `character_ids`,
    integers `[batch, words, characters]`; and of one with language models `text_ids`, integers
    `[batch, models, characters]`, and `text_places`, integers `[batch, models, words]`. Output:
    the hidden states `[batch, words, features]`.

    Around a KerasHub encoder the inputs are `token_ids` and `token_mask`, `[batch, tokens]`;
    `padding_mask`; and `alignment`, floats `[batch, words, tokens]`, the weight of each token in
    the state of a word.

    Args:
        vocabulary_size: int. Number of word ids.
        character_vocabulary_size: int. Number of character ids.
        word_dim: int. Size of the trained word embeddings; with `vector_dim` it may be `0`.
            Defaults to `100`.
        characters: `"none"`, `"cnn"` or `"lstm"`: see `zoo.layers.CharacterFeatures`. Defaults
            to `"cnn"`.
        character_dim: int. Size of the character embeddings. Defaults to `32`.
        character_units: int. Size of the character features of a word. Defaults to `64`.
        encoder: `"simple_rnn"`, `"lstm"`, `"gru"` or `"transformer"`; or an encoder of KerasHub,
            such as a `keras_hub.models.BertBackbone`, which reads subwords in place of words and
            characters; of the other arguments only `attention`, `num_heads` and `dropout`, of
            the states of words, are then used. Defaults to `"lstm"`.
        units: int. Size of the hidden states, in each direction. Defaults to `128`.
        num_layers: int. Number of layers. Defaults to `1`.
        bidirectional: bool. Whether a recurrent encoder is bidirectional; not used by a
            Transformer. Defaults to `True`.
        attention: The self-attention over the hidden states, whose context is concatenated to
            them: `"none"`, `"bahdanau"`, `"scaled_dot"` or `"multi_head"`. Defaults to `"none"`.
        num_heads: int. Heads of `"multi_head"` and of a Transformer. Defaults to `4`.
        dropout: float. Dropout rate of the embeddings, between layers and of the hidden states.
            Defaults to `0.0`.
        vector_dim: int. Size of pretrained word vectors, which are concatenated to the trained
            embeddings; they are the weights of the layer `word_vectors`. Defaults to `0`: none.
        trained_words: int. Words whose id is not below it have no trained embedding of their
            own, but that of the unknown word. Defaults to `None`: all have one.
        language_models: A recurrent `CausalLMBackbone` of characters, or a forward and a backward
            one: the states of copies at each word are features too, and the weights of these are
            not trained, whatever `trainable` says; see `string_embeddings`. Defaults to none.
        language_dim: int. Size of a trained projection of these states. Defaults to `None`: none.
        dtype: A dtype or dtype policy. Defaults to the global policy.

    Raises:
        ValueError: if a name is unknown or sizes are incompatible.

    References:
        - Words and characters: Lample et al. 2016; Ma and Hovy 2016. Trained and pretrained
          embeddings side by side: Dozat and Manning 2017. States of language models: Akbik et al.
          2018.
    """

    def __init__(
        self,
        vocabulary_size=None,
        character_vocabulary_size=None,
        word_dim=100,
        characters="cnn",
        character_dim=32,
        character_units=64,
        encoder="lstm",
        units=128,
        num_layers=1,
        bidirectional=True,
        attention="none",
        num_heads=4,
        dropout=0.0,
        vector_dim=0,
        trained_words=None,
        language_models=(),
        language_dim=None,
        dtype=None,
        **kwargs,
    ):
        own = not isinstance(encoder, keras_hub.models.Backbone)
        check_choice("attention", attention, TAGGER_ATTENTIONS)
        if own:
            check_choice("encoder", encoder, ENCODERS)
            check_choice("characters", characters, CHARACTERS)
            check(encoder_conflicts(encoder, units, num_heads))
        drop = keras.layers.Dropout(dropout, dtype=dtype, name="dropout")
        padding_mask = keras.Input((None,), dtype="bool", name="padding_mask")
        self.word_vectors = None
        text_states = None

        if own:
            # === Layers ===
            self.word_embedding, self.word_vectors = build_embeddings(
                vocabulary_size, word_dim, vector_dim, trained_words, dtype, "word_embedding"
            )
            if characters != "none":
                self.character_features = CharacterFeatures(
                    character_vocabulary_size,
                    characters,
                    character_dim,
                    character_units,
                    dropout=dropout,
                    dtype=dtype,
                    name="character_features",
                )
            language_models = frozen_copies(language_models, dtype)
            project = language_dim and keras.layers.Dense(
                language_dim, dtype=dtype, name="language_projection"
            )
            encode = build_encoder(
                encoder,
                units,
                num_layers,
                bidirectional=bidirectional,
                num_heads=num_heads,
                intermediate_dim=4 * units,
                dropout=dropout,
                dtype=dtype,
            )

            # === Functional graph ===
            word_ids = keras.Input((None,), dtype="int32", name="word_ids")
            inputs = {"word_ids": word_ids, "padding_mask": padding_mask}
            parts = [embed(word_ids, self.word_embedding, self.word_vectors)]
            if characters != "none":
                inputs["character_ids"] = keras.Input(
                    (None, None), dtype="int32", name="character_ids"
                )
                parts.append(self.character_features(inputs["character_ids"]))
            if language_models:
                for name in ("text_ids", "text_places"):
                    shape = (len(language_models), None)
                    inputs[name] = keras.Input(shape, dtype="int32", name=name)
                text = inputs["text_ids"], inputs["text_places"]
                text_states = string_embeddings(language_models, *text)
                parts.append(project(text_states) if project else text_states)
            features = parts[0]
            if len(parts) > 1:
                features = keras.layers.Concatenate(dtype=dtype, name="features")(parts)
            states = drop(features)
            if encoder == "transformer":
                states = keras.layers.Dense(units, dtype=dtype, name="projection")(states)
                positions = keras_hub.layers.SinePositionEncoding(dtype=dtype, name="positions")
                states = states + positions(states)
            states = encode(states, padding_mask=padding_mask)
        else:
            pretrained = PretrainedEncoder(encoder)
            inputs = {
                "token_ids": keras.Input((None,), dtype="int32", name="token_ids"),
                "token_mask": keras.Input((None,), dtype="bool", name="token_mask"),
                "alignment": keras.Input((None, None), dtype="float32", name="alignment"),
                "padding_mask": padding_mask,
            }
            features = pretrained.embed(inputs["token_ids"])
            states = pretrained.encode(features, inputs["token_mask"])  # [batch, tokens, units]
            # [batch, words, tokens] by [batch, tokens, units]
            states = ops.matmul(ops.cast(inputs["alignment"], states.dtype), states)
            units = states.shape[-1]
        weights = None
        if attention != "none":
            attend = make_attention(
                attention, units, num_heads=num_heads, dtype=dtype, name="attention"
            )
            context, weights = attend(
                states, states, value_mask=padding_mask, return_attention_scores=True
            )
            states = keras.layers.Concatenate(dtype=dtype, name="seen")([states, context])
        states = drop(states)
        super().__init__(inputs=inputs, outputs=states, dtype=dtype, **kwargs)
        self.attention_output = weights  # [batch, words, words]
        self.text_states = text_states  # [batch, words, units of the language models], or `None`
        self.features = features  # [batch, words, features before the encoder]

        # === Config ===
        self.vocabulary_size = vocabulary_size
        self.character_vocabulary_size = character_vocabulary_size
        self.word_dim = word_dim
        self.characters = characters
        self.character_dim = character_dim
        self.character_units = character_units
        self.pretrained = None if own else pretrained
        self.encoder = encoder if own else pretrained.name
        self.units = units
        self.num_layers = num_layers
        self.bidirectional = own and bidirectional and encoder != "transformer"
        self.attention = attention
        self.num_heads = num_heads
        self.dropout = dropout
        self.vector_dim = vector_dim
        self.trained_words = trained_words
        self.language_models = list(language_models)
        self.language_dim = language_dim
        self._freeze_language_models()  # a `trainable` among the arguments was for all layers

    @property
    def trainable(self):
        """True if the weights are trained, except those of the language models."""
        return super().trainable

    @trainable.setter
    def trainable(self, value):
        keras_hub.models.Backbone.trainable.fset(self, value)
        self._freeze_language_models()

    def _freeze_language_models(self):
        for model in getattr(self, "language_models", ()):
            model.trainable = False

    def get_config(self):
        if self.pretrained is not None:
            return super().get_config() | {
                "encoder": self.pretrained.config,
                "attention": self.attention,
                "num_heads": self.num_heads,
                "dropout": self.dropout,
            }
        return super().get_config() | {
            "vocabulary_size": self.vocabulary_size,
            "character_vocabulary_size": self.character_vocabulary_size,
            "word_dim": self.word_dim,
            "characters": self.characters,
            "character_dim": self.character_dim,
            "character_units": self.character_units,
            "encoder": self.encoder,
            "units": self.units,
            "num_layers": self.num_layers,
            "bidirectional": self.bidirectional,
            "attention": self.attention,
            "num_heads": self.num_heads,
            "dropout": self.dropout,
            "vector_dim": self.vector_dim,
            "trained_words": self.trained_words,
            "language_models": serialize(self.language_models),
            "language_dim": self.language_dim,
        }

    @classmethod
    def from_config(cls, config):
        return super().from_config(with_encoder(config))
