"""What all models that write a text have in common, whatever they read."""

import functools

import keras
import keras_hub
from keras import ops

from zoo.decoding import beam_search, compiled
from zoo.models.generation.outputs import Hypothesis
from zoo.models.texts import required


class GenerationTask(keras_hub.models.Seq2SeqLM):
    """The base of tasks that write a text: searches, and what they found as texts.

    A subclass has a `GenerationBackbone`, and says in `source` and `start` how a search begins.

    Args:
        backbone: A `GenerationBackbone`.
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
                hidden, state, weights = self.backbone.decode_step(tokens, state, constants)
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
            hidden, state, _ = self.backbone.decode_step(last, state, constants)
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
