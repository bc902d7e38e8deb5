"""What all models that write a text have in common, whatever they read."""

import functools
from dataclasses import asdict, dataclass

import keras
import keras_hub
from keras import ops

from zoo.decoding import beam_search, compiled
from zoo.layers import AttentiveDecoder, TransformerDecoder
from zoo.layers.recurrent import CELLS
from zoo.models.texts import required


@dataclass(frozen=True)
class Hypothesis:
    """One way to put it.

    Attributes:
        text: The text.
        score: What the search ranked it by: see `zoo.decoding.beam_search`.
        log_probability: Natural, of its tokens.
    """

    text: str
    score: float
    log_probability: float


@dataclass(frozen=True)
class Written:
    """What a model wrote of one thing that it read.

    Attributes:
        text: The best hypothesis' text.
        score: Its score.
        hypotheses: The `n_best`, best first.
    """

    text: str
    score: float
    hypotheses: list[Hypothesis]

    @classmethod
    def of(cls, hypotheses: list[Hypothesis]) -> "Written":
        return cls(hypotheses[0].text, hypotheses[0].score, hypotheses)

    def to_dict(self) -> dict:
        return asdict(self)


class WriterBackbone(keras_hub.models.Backbone):
    """A backbone that ends in a decoder of tokens.

    A subclass calls `make_writer` in its `__init__`, and has a method `start`, which gives what
    the first step of the decoder starts from.
    """

    def make_writer(
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
        is_tied,
        initial_state="bridge",
        gate=False,
        dtype=None,
    ):
        """Makes the embedding of target tokens, its dropout and the decoder.

        Args:
            is_tied: bool. Whether one matrix embeds tokens and predicts them.
            initial_state, gate: Of a recurrent decoder, see `zoo.layers.AttentiveDecoder`.
            **others: Arguments of the subclass.

        Raises:
            ValueError: if something is unknown, or sizes do not fit together.
        """
        if cell not in CELLS:
            raise ValueError(f"`cell` must be one of {sorted(CELLS)}. Received: cell={cell!r}")
        is_transformer = attention == "transformer"
        if embedding_dim != units and (is_transformer or is_tied):
            raise ValueError(
                "Tied embeddings and a Transformer need `embedding_dim` equal to `units`. "
                f"Received: attention={attention!r}, embedding_dim={embedding_dim}, units={units}"
            )
        if not is_tied:
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

    def write_all(self, token_ids, **read):
        """All steps of the decoder, for training: its outputs and the weights.

        Args:
            token_ids: Integer tensor `[batch, target]`: the tokens before each step.
            **read: What the decoder looks at: arguments of its `call`.
        """
        embedded = self.target_dropout(self._embed(self.token_embedding, token_ids))
        return self.decoder(embedded, **read, return_attention_scores=True)

    def start_from(self, read, max_length):
        """What the first step of the decoder starts from: its state and its constants.

        Args:
            read: What the decoder looks at: arguments of its `call`.
            max_length: int. Most steps there will be.
        """
        if self.positions is None:
            return self.decoder.start(**read)
        return self.decoder.start(**read, max_length=max_length)

    def write(self, token_ids, state, constants):
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


class Writer(keras_hub.models.Seq2SeqLM):
    """The base of tasks that write a text: searches, and what they found as texts.

    A subclass has a `WriterBackbone`, and says in `source` and `start` how a search begins.

    Args:
        backbone: A `WriterBackbone`.
        preprocessor: One with a `SubwordTokenizer`, or `None`.
    """

    def __init__(self, backbone, preprocessor=None, **kwargs):
        # === Layers ===
        self.backbone = backbone
        self.preprocessor = preprocessor
        self.head = functools.partial(backbone.token_embedding, reverse=True)
        if not isinstance(backbone.token_embedding, keras_hub.layers.ReversibleEmbedding):
            self.head = keras.layers.Dense(
                backbone.vocabulary_size, dtype=backbone.dtype_policy, name="logits"
            )

        # === Functional graph ===
        inputs = backbone.input
        logits = self.head(backbone(inputs)["decoder_sequence_output"])
        super().__init__(inputs=inputs, outputs=logits, **kwargs)
        self._searches = {}

    def source(self, inputs):
        """What a search takes, of the inputs of the model: a tuple of tensors `[batch, ...]`."""
        raise NotImplementedError

    def start(self, source, max_length):
        """How a search begins.

        Args:
            source: A tuple of tensors `[batch, ...]`.
            max_length: int or `None`. Most tokens, if a limit was given.

        Returns:
            The decoder's state and constants, the mask of the memory `[batch, source]`, and the
            most steps there will be.
        """
        raise NotImplementedError

    def search(
        self,
        beam=5,
        n_best=1,
        length_penalty=1.0,
        coverage_penalty=0.0,
        max_length=None,
        min_length=0,
        no_repeat_ngram=0,
        return_attention=False,
    ):
        """A compiled search, made once for each setting, that takes a source.

        Its arguments are those of `zoo.decoding.beam_search`. It gives arrays.
        """
        setting = (
            beam, n_best, length_penalty, coverage_penalty, max_length, min_length,
            no_repeat_ngram, return_attention,
        )  # fmt: skip
        if setting in self._searches:
            return self._searches[setting]
        tokenizer = required(self.preprocessor).tokenizer

        def search(*source):
            state, constants, mask, longest = self.start(source, max_length)

            def step(tokens, state, index):
                hidden, state, weights = self.backbone.write(tokens, state, constants)
                return self.head(hidden), state, weights

            return beam_search(
                step,
                state,
                mask.shape[0],
                tokenizer.start_token_id,
                tokenizer.end_token_id,
                longest,
                beam=beam,
                n_best=n_best,
                length_penalty=length_penalty,
                coverage_penalty=coverage_penalty,
                min_length=min_length,
                no_repeat_ngram=no_repeat_ngram,
                return_attention=return_attention,
                source_mask=mask,
                pad_id=tokenizer.pad_token_id,
            )

        run = compiled(search, layers=[self])

        def arrays(*source):
            found = run(*source)
            return type(found)(
                *(None if part is None else ops.convert_to_numpy(part) for part in found)
            )

        return self._searches.setdefault(setting, arrays)

    def hypotheses(self, found, row):
        """The hypotheses of one row of what a search found, best first."""
        lengths = found.lengths[row]
        return [
            Hypothesis(
                self.text(found.tokens[row, n, : lengths[n]]),
                float(found.scores[row, n]),
                float(found.log_probabilities[row, n]),
            )
            for n in range(len(lengths))
        ]

    def text(self, token_ids):
        """The text of tokens, without those that stand for none."""
        tokenizer = self.preprocessor.tokenizer
        special = (tokenizer.pad_token_id, tokenizer.end_token_id)
        ids = [int(i) for i in token_ids if int(i) not in special]
        return tokenizer.detokenize(ids) if ids else ""

    def pieces(self, token_ids):
        """The tokens as a reader would cut the text: one that starts a word has a space before."""
        tokenizer = self.preprocessor.tokenizer
        pieces = [tokenizer.id_to_token(int(token)).replace("▁", " ") for token in token_ids]
        if token_ids[-1] == tokenizer.end_token_id:
            pieces[-1] = "</s>"
        return pieces

    def generate_step(self, inputs, stop_token_ids=None):
        """One batch of `generate`, of KerasHub: continues `decoder_token_ids` by its sampler."""
        token_ids, mask = inputs["decoder_token_ids"], inputs["decoder_padding_mask"]
        start, constants, *_ = self.start(self.source(inputs), token_ids.shape[1])

        def next(prompt, state, index):
            last = ops.take(prompt, index - 1, axis=1)
            hidden, state, _ = self.backbone.write(last, state, constants)
            return self.head(hidden), hidden, state

        # The sampler keeps what the mask says is there already.
        token_ids = self.sampler(
            next=next, prompt=token_ids, cache=start, index=1, mask=mask,
            stop_token_ids=stop_token_ids, model=self,
        )  # fmt: skip
        steps = ops.arange(ops.shape(token_ids)[1], dtype="int32")[None, :]
        if stop_token_ids is None:
            return {"decoder_token_ids": token_ids, "decoder_padding_mask": steps >= 0}
        stops = ops.zeros_like(mask)
        for stop in stop_token_ids:
            stops = ops.logical_or(stops, ops.logical_and(token_ids == stop, ~mask))
        after = ops.cumsum(ops.cast(stops, "int32"), axis=1) - ops.cast(stops, "int32")
        return {"decoder_token_ids": token_ids, "decoder_padding_mask": after == 0}
