"""Base class of tasks that generate text."""

import functools
from dataclasses import replace

import keras
import keras_hub
import numpy as np
from keras import ops

from zoo.checks import MAX_BEAM, check_integer, check_number
from zoo.decoding import Hypotheses, beam_search, compiled, sample, token_table
from zoo.decoding.programs import built_once
from zoo.models.batching import bucket_size, predict, rows_within
from zoo.models.checks import require_preprocessor, warn_of_fewer
from zoo.models.generation.outputs import Hypothesis
from zoo.models.generation.teacher_forcing import teacher_forcing, token_losses
from zoo.models.gradients import log_odds
from zoo.search_options import SearchOptions

MIN_LENGTH = 16  # tokens of a text that is scored


class GenerationTask(keras_hub.models.Seq2SeqLM):
    """A task that generates text: beam search, KerasHub's `generate`, and tokens to text.

    A subclass has a `GenerationBackbone` and defines `encoder_inputs` and `default_max_length`.

    Args:
        backbone: A `GenerationBackbone`.
        preprocessor: A preprocessor with a `SubwordTokenizer`, or `None`.
    """

    def __init__(self, backbone, preprocessor=None, **kwargs):
        # === Layers ===
        self.backbone = backbone
        self.preprocessor = preprocessor
        self.build_head()

        # === Functional graph ===
        inputs = backbone.input
        super().__init__(inputs=inputs, outputs=self.build_outputs(backbone(inputs)), **kwargs)

    def build_head(self):
        """Creates `head`, from the states of the decoder to the logits of tokens."""
        backbone = self.backbone
        self.head = functools.partial(backbone.token_embedding, reverse=True)
        if not isinstance(backbone.token_embedding, keras_hub.layers.ReversibleEmbedding):
            self.head = keras.layers.Dense(
                backbone.vocabulary_size, dtype=backbone.dtype_policy, name="logits"
            )

    def build_outputs(self, encoded):
        """The outputs of the model, of those of the backbone: logits of tokens."""
        return self.head(encoded["decoder_sequence_output"])

    def writer(self, encoder_inputs, memory):
        """A function that predicts the next tokens.

        Args:
            encoder_inputs: A tuple of tensors `[batch, ...]`: see `encoder_inputs`.
            memory: Float tensor `[batch, source, units]`: the outputs of the encoder.

        Returns:
            A function from the outputs of the decoder and its attention weights to logits: of all
            steps, `[batch, target, ...]`, or of the beams in one, `[batch * beam, ...]`.
        """
        return lambda states, weights: self.head(states)

    def encoder_inputs(self, inputs):
        """The arguments of the backbone's `encode`: a tuple of tensors `[batch, ...]`.

        Args:
            inputs: Dictionary of tensors: the inputs of the model.
        """
        raise NotImplementedError

    def default_max_length(self, *encoder_inputs):
        """The most tokens to generate where `max_length` is not given."""
        raise NotImplementedError

    def init_decoding(self, encoder_inputs, max_length):
        """Encodes the inputs and starts the decoder.

        Args:
            encoder_inputs: A tuple of tensors `[batch, ...]`: see `encoder_inputs`.
            max_length: int. The most steps to decode.

        Returns:
            A tuple: the state and the constants of the decoder, see its `step`, and the mask of
            the memory, bool `[batch, source]`.
        """
        encoded = self.backbone.encode(*encoder_inputs)
        state, constants = self.backbone.init_decoding(encoded, max_length)
        memory_mask = encoded.get("memory_mask")
        if memory_mask is None:
            memory_mask = ops.ones(ops.shape(encoded["memory"])[:2], "bool")
        return state, constants, memory_mask

    def search(self, options: SearchOptions | None = None, return_attention: bool = False):
        """A beam search that is compiled once for each shape of its inputs.

        Args:
            options: A `SearchOptions`. Defaults to its defaults.
            return_attention: bool. Whether to return the attention weights too.

        Returns:
            A function from encoder inputs, see `encoder_inputs`, to `zoo.decoding.Hypotheses` of
            NumPy arrays.

        Raises:
            ValueError: if the task has no preprocessor, a coverage penalty is asked of a model
                without attention, or the prefix or the forbidden words cannot be written, do not
                fit `max_length`, or contradict each other.
        """
        options = options or SearchOptions()
        if options.coverage_penalty and self.backbone.attention == "none":
            raise ValueError(
                "`coverage_penalty` needs a model with attention; leave it at 0. "
                f"Received: coverage_penalty={options.coverage_penalty}, attention='none'"
            )
        require_preprocessor(self.preprocessor)
        tables = self._tables(options)
        # The tokens are arguments of the program, which is the same for other words.
        options = replace(options, **options.texts)
        key = options, return_attention, *tables
        if key not in self._searches:
            run = self._compile_search(options, return_attention, tables)
            run = self._searches.setdefault(key, run)  # of threads, the first
        return functools.partial(self._searches[key], *tables.values())

    def _decoding(self, encoder_inputs, max_length):
        """The step of `zoo.decoding` functions, its first state, and the mask of the memory."""
        state, constants, memory_mask = self.init_decoding(encoder_inputs, max_length)
        return self._step(encoder_inputs, constants), state, memory_mask

    def _searching(self, encoder_inputs, max_length):
        """The same for `beam_search`, and whether it is to normalize what the step returns."""
        return *self._decoding(encoder_inputs, max_length), True

    def _step(self, encoder_inputs, constants):
        write = self.writer(encoder_inputs, constants["memory"])

        def step(tokens, state, index):
            hidden, state, weights = self.backbone.decode_step(tokens, state, constants)
            return write(hidden, weights), state, weights

        return step

    def sampling(self, temperature=1.0, num_samples=1, seed=None):
        """Random sampling that is compiled once for each shape of its inputs.

        Args:
            temperature: float. From 0.01; the logits are divided by it: texts vary less below 1,
                and more above. Defaults to `1.0`.
            num_samples: int. Texts drawn for each input. Defaults to `1`.
            seed: int. Seed of the draws. Defaults to `None`, a random one.

        Returns:
            A function from encoder inputs, see `encoder_inputs`, to `zoo.decoding.Hypotheses` of
            NumPy arrays. Each call draws other texts.

        Raises:
            ValueError: if the task has no preprocessor, or an option is out of its range.
        """
        require_preprocessor(self.preprocessor)
        check_number("temperature", temperature, 0.01, 100)
        check_integer("num_samples", num_samples, 1, MAX_BEAM)
        tokenizer = self.preprocessor.tokenizer
        sampler = keras_hub.samplers.RandomSampler(temperature=temperature, seed=seed)

        def draw(*encoder_inputs):
            max_length = self.default_max_length(*encoder_inputs)
            step, state, memory_mask = self._decoding(encoder_inputs, max_length)
            return sample(
                step,
                state,
                memory_mask.shape[0],
                tokenizer.start_token_id,
                tokenizer.end_token_id,
                max_length,
                sampler=sampler,
                num_samples=num_samples,
                pad_id=tokenizer.pad_token_id,
            )

        return _as_arrays(compiled(draw, layers=[self, sampler]))

    def _compile_search(self, options, return_attention, tables):
        """A function from the arrays of `tables` and encoder inputs to `Hypotheses`."""
        tokenizer = self.preprocessor.tokenizer

        def search(*arguments):
            given = dict(zip(tables, arguments, strict=False))
            encoder_inputs = arguments[len(given) :]
            max_length = options.max_length or max(
                self.default_max_length(*encoder_inputs),
                options.min_length + 1,
                2 * given["prefix"].shape[0] if "prefix" in given else 0,
            )
            step, state, memory_mask, normalize = self._searching(encoder_inputs, max_length)
            return beam_search(
                step,
                state,
                memory_mask.shape[0],
                tokenizer.start_token_id,
                tokenizer.end_token_id,
                max_length,
                beam=options.beam,
                n_best=options.n_best,
                length_penalty=options.length_penalty,
                coverage_penalty=options.coverage_penalty,
                min_length=options.min_length,
                no_repeat_ngram=options.no_repeat_ngram,
                repetition_penalty=options.repetition_penalty,
                **given,
                normalize=normalize,
                return_attention=return_attention,
                source_mask=memory_mask,
                pad_id=tokenizer.pad_token_id,
            )

        return _as_arrays(compiled(search, layers=[self]))

    def _tables(self, options):
        """The tokens of `prefix` and `forbidden`, each only if it is given."""
        prefix = self._token_ids("prefix", options.prefix) if options.prefix.strip() else []
        forbidden = [(word, ids) for word in options.forbidden for ids in self._forbidden_ids(word)]
        if options.max_length is not None and len(prefix) >= options.max_length:
            raise ValueError(
                "`max_length`, which counts the end token, must be larger than the number of "
                f"tokens of `prefix`. Received: max_length={options.max_length}, "
                f"prefix={options.prefix!r} of {len(prefix)} tokens"
            )
        for word, ids in forbidden:
            starts = range(len(prefix) - len(ids) + 1)
            if any(prefix[start : start + len(ids)] == ids for start in starts):
                raise ValueError(
                    "`prefix` must not contain a forbidden word. "
                    f"Received: prefix={options.prefix!r}, forbidden={word!r}"
                )
        tables = {}
        if prefix:
            tables["prefix"] = np.array(prefix, "int32")
        if forbidden:
            tables["forbidden"] = token_table(ids for _, ids in forbidden)
        return tables

    def _token_ids(self, name, text):
        """The tokens of a text that the model can write."""
        tokenizer = self.preprocessor.tokenizer
        (ids,) = tokenizer.encode([text])
        if unknown := tokenizer.unknown_characters(text):
            raise ValueError(
                f"`{name}` must have characters that the model can write; its tokenizer does not "
                f"know {', '.join(unknown)}. Received: {name}={text!r}"
            )
        return list(ids)

    def _forbidden_ids(self, word):
        """The tokens of a word; of a punctuation mark also without the space before it."""
        tokenizer, ids = self.preprocessor.tokenizer, self._token_ids("forbidden", word.strip())
        first = tokenizer.id_to_token(ids[0])
        if word.strip()[0].isalnum() or not first.startswith("▁"):
            return [ids]
        glued = [tokenizer.token_to_id(first[1:])] if len(first) > 1 else []
        return [ids, glued + ids[1:]]

    def rows_within(self, batch_size, options):
        """The batch size, or fewer rows where a wide beam would take more memory.

        Args:
            batch_size: int. Most rows.
            options: A `SearchOptions`.
        """
        return rows_within(batch_size, options.beam * self.backbone.vocabulary_size)

    @built_once
    def _searches(self):
        return {}

    def hypotheses(self, found: Hypotheses, row: int) -> list[Hypothesis]:
        """The hypotheses of one input as text, best first; those that exist.

        Args:
            found: What a `search` returned.
            row: int. The row of the input.
        """
        lengths = found.lengths[row]
        count = max(1, int(np.isfinite(found.scores[row]).sum()))
        warn_of_fewer(count, len(lengths))
        return [
            Hypothesis(
                self.text(found.tokens[row, n, : lengths[n]]),
                float(found.scores[row, n]),
                float(found.log_probabilities[row, n]),
            )
            for n in range(count)
        ]

    def text(self, token_ids) -> str:
        """The text of tokens, without end tokens and padding."""
        tokenizer = self.preprocessor.tokenizer
        special = (tokenizer.pad_token_id, tokenizer.end_token_id)
        ids = [int(i) for i in token_ids if int(i) not in special]
        return tokenizer.detokenize(ids) if ids else ""

    def pieces(self, token_ids) -> list[str]:
        """The text of each token, with a space before it where a word starts, but the first.

        The texts join to `text`, but for the end token, which is `</s>`.
        """
        tokenizer = self.preprocessor.tokenizer
        ids = [int(token) for token in token_ids]
        is_ended = ids[-1:] == [tokenizer.end_token_id]
        written = tokenizer.readable(map(tokenizer.id_to_token, ids[: len(ids) - is_ended]))
        return written + ["</s>"] * is_ended

    def log_probabilities(self, encoder_inputs, token_ids):
        """The log-probability of each token of one text, given each of several inputs.

        Args:
            encoder_inputs: A tuple of arrays `[rows, ...]`: see `encoder_inputs`.
            token_ids: The tokens of the text, with the end token: `[target]`.

        Returns:
            Float32 `[rows, target]`.
        """
        rows, count = len(encoder_inputs[0]), len(token_ids)
        previous, labels = self._forced(token_ids)
        previous, labels = (np.repeat(one, rows, axis=0) for one in (previous, labels))
        logits = predict(self._scorer, [*encoder_inputs, previous])["logits"]
        return -token_losses(logits[:, :count], labels[:, :count])

    def attention_weights(self, encoder_inputs, token_ids):
        """The attention weights of each token of one text, `[target, source]`.

        Args:
            encoder_inputs: A tuple of arrays `[1, ...]`.
            token_ids: The tokens of the text: `[target]`.
        """
        previous, _ = self._forced(token_ids)
        weights = predict(self._scorer, [*encoder_inputs, previous])["attention"]
        return weights.astype("float32")[0, : len(token_ids)]

    def token_log_odds(self, token_ids, encoder_inputs, encoded):
        """The log-odds of each token of one text, a tensor `[target]` that has gradients.

        Args:
            token_ids: The tokens of the text: `[target]`.
            encoder_inputs: A tuple of tensors `[1, ...]`: see `encoder_inputs`.
            encoded: What `encode` of the backbone returned for them.
        """
        previous, labels = self._forced(token_ids)
        decoded = self.backbone.decode(ops.convert_to_tensor(previous), **encoded)
        logits = self.writer(encoder_inputs, encoded["memory"])(*decoded)
        count = len(token_ids)
        return log_odds(logits[0, :count], labels[0, :count])

    def _forced(self, token_ids):
        """The previous tokens and the labels of one text, `[1, length]`, padded to a bucket."""
        length = bucket_size(len(token_ids), MIN_LENGTH)
        tokenizer = self.preprocessor.tokenizer
        inputs, labels, _ = teacher_forcing([[int(i) for i in token_ids]], length, tokenizer)
        return inputs["decoder_token_ids"], labels

    def forced_outputs(self, encoder_inputs, memory, states, weights):
        """Outputs of all steps for explanations: a dictionary of tensors `[batch, target, ...]`.

        Args:
            encoder_inputs, memory: See `writer`.
            states, weights: What `decode` of the backbone returned.
        """
        logits = self.writer(encoder_inputs, memory)(states, weights)
        return {"logits": logits, "attention": weights}

    @built_once
    def _scorer(self):
        """`forced_outputs` from encoder inputs and the previous tokens."""
        inputs = [
            keras.Input(batch_shape=one.shape, dtype=one.dtype)
            for one in self.encoder_inputs(self.input)
        ]
        previous = keras.Input((None,), dtype="int32")
        encoded = self.backbone.encode(*inputs)
        decoded = self.backbone.decode(previous, **encoded)
        outputs = self.forced_outputs(inputs, encoded["memory"], *decoded)
        return keras.Model([*inputs, previous], outputs)

    def generate_step(self, inputs, stop_token_ids=None):
        """Continues `decoder_token_ids` with KerasHub's sampler: one batch of `generate`."""
        token_ids, mask = inputs["decoder_token_ids"], inputs["decoder_padding_mask"]
        encoder_inputs = self.encoder_inputs(inputs)
        state, constants, _ = self.init_decoding(encoder_inputs, token_ids.shape[1])
        write = self.writer(encoder_inputs, constants["memory"])

        def next(prompt, state, index):
            last = ops.take(prompt, index - 1, axis=1)
            hidden, state, weights = self.backbone.decode_step(last, state, constants)
            return write(hidden, weights), hidden, state

        # The sampler keeps the tokens where the mask is true: the prompt.
        token_ids = self.sampler(
            next=next, prompt=token_ids, cache=state, index=1, mask=mask,
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


def _as_arrays(search):
    """A compiled search whose results are NumPy arrays."""

    def run(*arguments):
        tensors = search(*arguments)
        return Hypotheses(*(x if x is None else ops.convert_to_numpy(x) for x in tensors))

    return run
