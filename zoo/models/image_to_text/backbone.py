"""The encoder and the decoder of the captioner: pictures and caption tokens in, states out."""

import keras
from keras import ops

from zoo.choices import TIED_CAPTION_EMBEDDINGS, caption_conflicts, check, check_choice
from zoo.layers.image import WIDTHS, GridPositions, make_image_encoder
from zoo.models.generation import GenerationBackbone


@keras.saving.register_keras_serializable("zoo")
class ImageToTextBackbone(GenerationBackbone):
    """Looks at a picture and writes tokens: a CNN that keeps its grid, and an attentive decoder.

    Inputs: `images`, `[batch, height, width, 3]`, RGB from 0 to 255; `decoder_token_ids`,
    integers `[batch, target]`, with `decoder_padding_mask`, booleans of the same shape, true on
    the first tokens of each row. Outputs, by name: `encoder_sequence_output`, the cells of the
    grid `[batch, cells, units]`, row by row from the top left, and `decoder_sequence_output`,
    `[batch, target, units]`, from which the next token is predicted.

    Each cell knows its row and its column, see `zoo.layers.image.GridPositions`. A recurrent
    decoder starts from the mean of the cells.

    Args:
        vocabulary_size: int. Number of token ids.
        image_size: Height and width of the pictures. Defaults to `(224, 224)`.
        encoder: `"residual"`, a small CNN of the zoo's own, or one of `keras.applications` by
            its name, such as `"MobileNetV2"`: see `zoo.layers.image.make_image_encoder`.
            Defaults to `"residual"`.
        widths: Channels of each block of `"residual"`. Defaults to `(32, 64, 128)`.
        encoder_output: The name of the layer of the CNN whose output is the grid that the decoder
            looks at. Defaults to `None`: the last.
        train_encoder: What of the CNN training changes: `"all"`, `"none"`, or the name of a
            layer: from there on. Defaults to `"all"`.
        attention: What the decoder looks at the cells with: `"bahdanau"`, `"luong_dot"`,
            `"luong_general"`, `"luong_concat"`, `"luong_local"`, `"scaled_dot"` or
            `"multi_head"`, see `zoo.layers.AttentiveDecoder`; `"transformer"`, a decoder of
            self-attention, see `zoo.layers.TransformerDecoder`; or `"none"`: the mean of the
            cells is the first input, and never seen again. Defaults to `"bahdanau"`.
        cell: `"simple_rnn"`, `"lstm"` or `"gru"`; a Transformer has none. Defaults to `"lstm"`.
        embedding_dim: int. Size of the token embeddings. Defaults to `256`.
        units: int. Size of the decoder's state, and of each cell when the decoder sees it.
            Defaults to `256`.
        num_layers: int. Of the decoder. Defaults to `1`.
        input_feeding: bool. Whether a recurrent decoder is fed its last attentional vector.
            Defaults to `False`.
        gate: bool. Whether a recurrent decoder scales what it sees by how much it needs it at
            each step. Defaults to `False`.
        num_heads: int. Heads of `"multi_head"` and `"transformer"`. Defaults to `4`.
        intermediate_dim: int. Hidden units of a Transformer's feed-forward networks. Defaults to
            `512`.
        dropout: float. Of the cells, of the embeddings, between layers and of the decoder's
            output. Defaults to `0.0`.
        tie_embeddings: `"none"`; or `"output"`: tokens are embedded and predicted by one matrix,
            which needs `embedding_dim` equal to `units`. Defaults to `"none"`.
        dtype: A dtype or dtype policy of all but the CNN, which has the global policy. Defaults
            to the global policy.

    Raises:
        ValueError: if something is unknown, or sizes do not fit together.

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
        # Given on, `True` would thaw what of the CNN is frozen.
        trainable = kwargs.pop("trainable", True)
        read = self.encode(self.image_encoder(inputs["images"]))
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
        self.tie_embeddings = tie_embeddings

    def encode(self, grid):
        """What the decoder is given of a picture: arguments of its `call`.

        Args:
            grid: Float tensor `[batch, rows, columns, channels]`: what `image_encoder` gives.
        """
        _, rows, columns, _ = grid.shape
        cells = self.grid_positions(self.projection(grid))
        memory = ops.reshape(cells, (-1, rows * columns, cells.shape[-1]))
        memory = self.image_dropout(memory)
        if self.positions is not None:
            return {"memory": memory}
        return {"memory": memory, "encoder_state": ops.mean(memory, axis=1)}

    def init_decoding(self, grid, max_length):
        """What the first step of the decoder starts from: its state and its constants.

        Args:
            grid: Float tensor `[batch, rows, columns, channels]`.
            max_length: int. Most steps there will be.
        """
        return self.init_decoder(self.encode(grid), max_length)

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
            "tie_embeddings": self.tie_embeddings,
        }
