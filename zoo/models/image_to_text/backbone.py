"""Encoder–decoder backbone from images and caption tokens to hidden states."""

import keras
from keras import ops

from zoo.choices import TIED_CAPTION_EMBEDDINGS, check_choice
from zoo.conflicts import caption_conflicts, check
from zoo.layers.image import WIDTHS, GridPositions, make_image_encoder
from zoo.models.generation import GenerationBackbone


@keras.saving.register_keras_serializable("zoo")
class ImageToTextBackbone(GenerationBackbone):
    """An encoder–decoder: a CNN whose grid of features is the memory of a decoder.

    Inputs: `images`, `[batch, height, width, 3]`, RGB from 0 to 255; `decoder_token_ids`,
    integers `[batch, target]`, with `decoder_padding_mask`, booleans of the same shape, true on
    the first tokens of each row. Outputs, by name: `encoder_sequence_output`, the cells of the
    grid `[batch, cells, units]`, row by row from the top left, and `decoder_sequence_output`,
    the decoder's hidden states `[batch, target, units]`.

    Embeddings of its row and its column are added to each cell, see
    `zoo.layers.image.GridPositions`. The initial state of a recurrent decoder is computed from
    the mean of the cells.

    Args:
        vocabulary_size: int. Number of token ids.
        image_size: Height and width of the images. Defaults to `(224, 224)`.
        encoder: `"residual"`, a small CNN of the zoo's own, or one of `keras.applications` by
            its name, such as `"MobileNetV2"`: see `zoo.layers.image.make_image_encoder`.
            Defaults to `"residual"`.
        widths: Channels of each block of `"residual"`. Defaults to `(32, 64, 128)`.
        encoder_output: The name of the layer of the CNN whose output is the grid. Defaults to
            `None`: the last layer.
        train_encoder: Trainable layers of the CNN: `"all"`, `"none"`, or the name of the first.
            Defaults to `"all"`.
        attention: The attention of the decoder over the cells: `"bahdanau"`, `"luong_dot"`,
            `"luong_general"`, `"luong_concat"`, `"luong_local"`, `"scaled_dot"` or
            `"multi_head"`, see `zoo.layers.AttentiveDecoder`; `"transformer"`, a Transformer
            decoder, see `zoo.layers.TransformerDecoder`; or `"none"`: the mean of the cells is
            the decoder's first input, and its only one of the image. Defaults to `"bahdanau"`.
        cell: `"simple_rnn"`, `"lstm"` or `"gru"`; not used by a Transformer. Defaults to
            `"lstm"`.
        embedding_dim: int. Size of the token embeddings. Defaults to `256`.
        units: int. Size of the decoder's hidden states, and of each cell in the memory. Defaults
            to `256`.
        num_layers: int. Layers of the decoder. Defaults to `1`.
        input_feeding: bool. Whether the previous attentional vector is an input of a recurrent
            decoder. Defaults to `False`.
        gate: bool. Whether a recurrent decoder scales the context of each step by a gate.
            Defaults to `False`.
        num_heads: int. Heads of `"multi_head"` and `"transformer"`. Defaults to `4`.
        intermediate_dim: int. Hidden units of a Transformer's feed-forward networks. Defaults to
            `512`.
        dropout: float. Dropout rate of the cells, of the embeddings, between layers and of the
            decoder's output. Defaults to `0.0`.
        inner_dropout: float. In a Transformer, dropout rate of the attention weights and of the
            decoder's hidden layers. Defaults to `None`: `dropout`.
        tie_embeddings: `"none"`; or `"output"`: one matrix embeds and predicts tokens, which
            needs `embedding_dim` equal to `units`. Defaults to `"none"`.
        dtype: A dtype or dtype policy of all layers but the CNN, which has the global policy.
            Defaults to the global policy.

    Raises:
        ValueError: if a name is unknown or sizes are incompatible.

    References:
        - No attention: Vinyals et al. 2015, "Show and Tell".
        - Attention and gate: Xu et al. 2015, "Show, Attend and Tell".
    """

    def __init__(
        self,
        vocabulary_size,
        image_size=(224, 224),
        encoder="residual",
        widths=WIDTHS,
        encoder_output=None,
        train_encoder="all",
        attention="bahdanau",
        cell="lstm",
        embedding_dim=256,
        units=256,
        num_layers=1,
        input_feeding=False,
        gate=False,
        num_heads=4,
        intermediate_dim=512,
        dropout=0.0,
        inner_dropout=None,
        tie_embeddings="none",
        dtype=None,
        **kwargs,
    ):
        check_choice("tie_embeddings", tie_embeddings, TIED_CAPTION_EMBEDDINGS)
        check(caption_conflicts(attention, gate, input_feeding))

        # === Layers ===
        self.image_encoder = make_image_encoder(
            encoder, image_size, widths, train_encoder, encoder_output
        )
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
            initial_state="first_input" if attention == "none" else "bridge",
            gate=gate,
            dtype=dtype,
        )
        self.projection = keras.layers.Dense(units, dtype=dtype, name="projection")
        self.grid_positions = GridPositions(dtype=dtype, name="grid_positions")
        self.image_dropout = keras.layers.Dropout(dropout, dtype=dtype, name="image_dropout")

        # === Functional graph ===
        inputs = {
            "images": keras.Input((*image_size, 3), dtype="float32", name="images"),
            "decoder_token_ids": keras.Input((None,), dtype="int32", name="decoder_token_ids"),
            "decoder_padding_mask": keras.Input((None,), dtype="bool", name="decoder_padding_mask"),
        }
        # Passing trainable=True on would unfreeze frozen CNN layers.
        trainable = kwargs.pop("trainable", True)
        encoded = self.encode(self.image_encoder(inputs["images"]))
        states, weights = self.decode(inputs["decoder_token_ids"], **encoded)
        super().__init__(
            inputs=inputs,
            outputs={
                "encoder_sequence_output": encoded["memory"],
                "decoder_sequence_output": states,
            },
            dtype=dtype,
            **kwargs,
        )
        self.attention_output = weights  # [batch, target, cells]
        if not trainable:
            self.trainable = False

        # === Config ===
        self.vocabulary_size = vocabulary_size
        self.image_size = tuple(image_size)
        self.encoder = encoder
        self.widths = tuple(widths)
        self.encoder_output = encoder_output
        self.train_encoder = train_encoder
        self.attention = attention
        self.cell = cell
        self.embedding_dim = embedding_dim
        self.units = units
        self.num_layers = num_layers
        self.input_feeding = input_feeding
        self.gate = gate
        self.num_heads = num_heads
        self.intermediate_dim = intermediate_dim
        self.dropout = dropout
        self.inner_dropout = inner_dropout
        self.tie_embeddings = tie_embeddings

    def encode(self, grid):
        """Projects the features of the CNN to the memory of the decoder.

        Args:
            grid: Float tensor `[batch, rows, columns, channels]`: the output of
                `image_encoder`.

        Returns:
            A dictionary of arguments of the decoder: `memory`, the cells
            `[batch, rows * columns, units]`, and for a recurrent decoder `encoder_state`, their
            mean `[batch, units]`.
        """
        _, rows, columns, _ = grid.shape
        cells = self.grid_positions(self.projection(grid))
        memory = ops.reshape(cells, (-1, rows * columns, cells.shape[-1]))
        memory = self.image_dropout(memory)
        if self.positions is not None:
            return {"memory": memory}
        return {"memory": memory, "encoder_state": ops.mean(memory, axis=1)}

    def get_config(self):
        return super().get_config() | {
            "vocabulary_size": self.vocabulary_size,
            "image_size": list(self.image_size),
            "encoder": self.encoder,
            "widths": list(self.widths),
            "encoder_output": self.encoder_output,
            "train_encoder": self.train_encoder,
            "attention": self.attention,
            "cell": self.cell,
            "embedding_dim": self.embedding_dim,
            "units": self.units,
            "num_layers": self.num_layers,
            "input_feeding": self.input_feeding,
            "gate": self.gate,
            "num_heads": self.num_heads,
            "intermediate_dim": self.intermediate_dim,
            "dropout": self.dropout,
            "inner_dropout": self.inner_dropout,
            "tie_embeddings": self.tie_embeddings,
        }
