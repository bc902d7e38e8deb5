"""Search for transcripts: by CTC, by a decoder, or by both."""

import functools
from dataclasses import asdict
from typing import Any

import keras
import numpy as np
from keras import ops

from zoo.decoding import ctc
from zoo.decoding.programs import built_once
from zoo.layers.ctc.likelihood import IMPOSSIBLE
from zoo.models.batching import bucket_size, predict
from zoo.models.checks import require_preprocessor, warn_of_fewer
from zoo.models.generation import GenerationTask, Hypothesis
from zoo.models.speech_to_text.joint import with_ctc
from zoo.search_options import TranscriptionOptions


class TranscriptSearch(GenerationTask):
    """Base class of a recogniser, which finds the texts of batches of recordings.

    A subclass has the layer `ctc`, or `None`, and the number `ctc_weight`.
    """

    ctc: Any
    ctc_weight: float

    @property
    def has_decoder(self) -> bool:
        """True if the model has an attentive decoder."""
        return self.backbone.head != "ctc"

    def search(self, options=None, return_attention=False):
        if not self.has_decoder:
            raise ValueError(
                "A beam search needs a model with a decoder; use `infer`, or "
                "`zoo.decoding.ctc.prefix_beam_search` on `ctc_log_probabilities`. "
                f"Received: head={self.backbone.head!r}"
            )
        return super().search(options, return_attention)

    def _options(self, search) -> TranscriptionOptions:
        options = TranscriptionOptions(**search)
        require_preprocessor(self.preprocessor)
        if options.draws:
            raise ValueError(
                "A transcript is searched for, and not drawn: set temperature 0. "
                f"Received: temperature={options.temperature}"
            )
        if self.has_decoder:
            return options
        taken = {name: getattr(options, name) for name in ("beam", "n_best", "words")}
        known = asdict(TranscriptionOptions(**taken))
        if others := [name for name, value in asdict(options).items() if value != known[name]]:
            raise ValueError(
                "A model with a CTC head alone takes the options `beam`, `n_best` and `words`; the "
                f"others need a decoder. Received: {others[0]}={getattr(options, others[0])!r}"
            )
        return options

    def _decoder(self, options):
        """A function from recordings and encoder inputs to what `_decode_ctc` returns.

        Raises:
            ValueError: if an option asks for what the model cannot do.
        """
        if self.has_decoder:
            return functools.partial(self._decode_attention, options, self.search(options))
        lexicon = self.preprocessor.lexicon(options.words)
        return functools.partial(self._decode_ctc, options, lexicon)

    def _decode_ctc(self, options, lexicon, recordings, inputs):
        """Hypotheses, pieces of the best one, their spans and the duration of each recording."""
        answers = []
        for samples, steps in zip(recordings, self._steps(recordings, inputs), strict=True):
            if options.beam == 1 and lexicon is None:
                found = [tuple(it.label for it in ctc.greedy_labels(steps))]
            else:
                searched = ctc.prefix_beam_search(
                    steps, options.beam, options.n_best, lexicon=lexicon
                )
                found = [it.labels for it in searched]
            exact = [(ctc.labels_log_probability(steps, labels), labels) for labels in found]
            exact.sort(key=lambda it: it[0], reverse=True)
            hypotheses = [Hypothesis(self.text(labels), score, score) for score, labels in exact]
            warn_of_fewer(len(hypotheses), options.n_best)
            labels = exact[0][1]
            spans = self._spans(steps, labels)
            answers.append((hypotheses, self._pieces(labels), spans, None, self._seconds(samples)))
        return answers

    def _decode_attention(self, options, search, recordings, inputs):
        """The same, with the attention weights; without spans where there is no CTC head."""
        found = search(*inputs)
        all_steps = [None] * len(recordings)
        if self.ctc is not None:
            all_steps = self._steps(recordings, inputs)
        best = [
            self._written(found.tokens[row, 0, : found.lengths[row, 0]])
            for row in range(len(recordings))
        ]
        weights = self._weights(inputs, best)
        return [
            (
                self.hypotheses(found, row, options),
                self._pieces(best[row]),
                None if steps is None else self._spans(steps, best[row]),
                weights[row][:, : self.backbone.num_steps(len(samples))],
                self._seconds(samples),
            )
            for row, (samples, steps) in enumerate(zip(recordings, all_steps, strict=True))
        ]

    def _searching(self, encoder_inputs, max_length):
        if self.ctc is None:
            return super()._searching(encoder_inputs, max_length)
        state, constants, memory_mask = self.init_decoding(encoder_inputs, max_length)
        steps = self._of_text(self.ctc(constants["memory"], memory_mask))
        step, state = with_ctc(
            self._step(encoder_inputs, constants),
            state,
            steps,
            self.preprocessor.tokenizer.end_token_id,
            self.ctc_weight,
        )
        return step, state, memory_mask, False

    def _tables(self, options):
        tables = super()._tables(options)
        lexicon = self.preprocessor.lexicon(options.words)
        if lexicon is not None:
            if not lexicon.begins(tables.get("prefix", ())):
                raise ValueError(
                    "`prefix` must consist of words of the list, of which the last may lack its "
                    "end: choose another one, or words='none'. "
                    f"Received: prefix={options.prefix!r}, words={options.words!r:.200}"
                )
            end_id = self.preprocessor.tokenizer.end_token_id
            tables["lexicon"] = lexicon.table(self.backbone.vocabulary_size, end_id)
        return tables

    def _of_text(self, log_probabilities):
        """The log-probabilities of CTC, in which only text has any: a tensor."""
        tokenizer = self.preprocessor.tokenizer
        special = (tokenizer.unk_token_id, tokenizer.start_token_id, tokenizer.end_token_id)
        labels = ops.arange(log_probabilities.shape[-1], dtype="int32")
        is_special = functools.reduce(ops.logical_or, [labels == token for token in special])
        return ops.where(is_special, IMPOSSIBLE, log_probabilities)

    def _steps(self, recordings, inputs):
        """The log-probabilities at each step of each recording, in which only text has any."""
        found = predict(self._ctc_model, list(inputs)).astype("float32")
        return [
            found[row, : self.backbone.num_steps(len(samples))]
            for row, samples in enumerate(recordings)
        ]

    def _spans(self, steps, labels):
        """The first step and that after the last of each label; `None` if CTC cannot align them."""
        if ctc.frames_needed(labels) > len(steps):
            return None
        return [(it.start, it.end) for it in ctc.align(steps, labels)[0]]

    def _weights(self, inputs, written):
        """The attention weights of written tokens, arrays `[tokens, steps]`."""
        longest = bucket_size(max(map(len, written)) + 1, 16)
        rows = len(inputs[0])
        filled = written + written[-1:] * (rows - len(written))
        previous = self._previous(filled, longest)
        found = predict(self._scorer, [*inputs, previous])["attention"].astype("float32")
        return [found[row, : len(ids)] for row, ids in enumerate(written)]

    def _previous(self, written, length):
        tokenizer = self.preprocessor.tokenizer
        previous = np.full((len(written), length), tokenizer.pad_token_id, "int32")
        previous[:, 0] = tokenizer.start_token_id
        for row, ids in zip(previous, written, strict=True):
            row[1 : len(ids) + 1] = ids
        return previous

    def _written(self, token_ids):
        """Tokens without the end token and padding."""
        tokenizer = self.preprocessor.tokenizer
        special = (tokenizer.pad_token_id, tokenizer.end_token_id)
        return [int(i) for i in token_ids if int(i) not in special]

    def _pieces(self, token_ids):
        tokenizer = self.preprocessor.tokenizer
        return tokenizer.readable([tokenizer.id_to_token(int(i)) for i in token_ids])

    def _seconds(self, samples):
        return len(samples) / self.backbone.sampling_rate

    @built_once
    def _ctc_model(self):
        """The log-probabilities of CTC, from encoder inputs."""
        inputs = [
            keras.Input(batch_shape=one.shape, dtype=one.dtype)
            for one in self.encoder_inputs(self.input)
        ]
        encoded = self.backbone.encode(*inputs)
        steps = self.ctc(encoded["memory"], encoded["memory_mask"])
        return keras.Model(inputs, self._of_text(steps))
