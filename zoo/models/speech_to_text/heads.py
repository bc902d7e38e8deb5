"""CTC posteriors, forced alignment and attention weights of a recogniser."""

import functools
from typing import Any

import keras
import numpy as np
from keras import ops

from zoo.decoding import ctc
from zoo.decoding.programs import built_once
from zoo.layers.ctc.likelihood import IMPOSSIBLE
from zoo.models.batching import bucket_size, predict
from zoo.models.generation import GenerationTask


class SpeechHeads(GenerationTask):
    """Base class of a recogniser with a CTC head, an attentive decoder, or both.

    A subclass has the layer `ctc`, or `None`.
    """

    ctc: Any

    @property
    def has_decoder(self) -> bool:
        """True if the model has an attentive decoder."""
        return self.backbone.head != "ctc"

    def start_heads(self, encoder_inputs, max_length):
        """The heads before the first token of a text.

        Args:
            encoder_inputs: A tuple of tensors `[batch, ...]`: see `encoder_inputs`.
            max_length: int. The most tokens.

        Returns:
            A tuple: the step of the decoder and its state, or `None`; the log-probabilities of CTC
            `[batch, steps, vocabulary]`, or `None`; and the mask of the memory, bool
            `[batch, steps]`.
        """
        encoded = self.backbone.encode(*encoder_inputs)
        decoder, steps, mask = None, None, encoded["memory_mask"]
        if self.has_decoder:
            state, constants = self.backbone.init_decoding(encoded, max_length)
            decoder = self.step_of(encoder_inputs, constants), state
        if self.ctc is not None:
            steps = self._of_text(self.ctc(encoded["memory"], mask))
        return decoder, steps, mask

    def ctc_steps(self, recordings, inputs):
        """The log-probabilities by CTC at each step of each recording, in which only text has any.

        Args:
            recordings: Arrays of samples, without those that fill the batch.
            inputs: The encoder inputs of the batch.
        """
        found = predict(self._ctc_model, list(inputs)).astype("float32")
        return [
            found[row, : self.backbone.num_steps(len(samples))]
            for row, samples in enumerate(recordings)
        ]

    def token_spans(self, steps, labels):
        """The first step and that after the last of each label; `None` if CTC cannot align them."""
        if ctc.frames_needed(labels) > len(steps):
            return None
        return [(it.start, it.end) for it in ctc.align(steps, labels)[0]]

    def token_weights(self, recordings, inputs, written):
        """The attention weights of written tokens, an array `[tokens, steps]` for each recording.

        Args:
            recordings, inputs: See `ctc_steps`.
            written: The token ids of each recording, without end tokens.
        """
        longest = bucket_size(max(map(len, written)) + 1, 16)
        filled = written + written[-1:] * (len(inputs[0]) - len(written))
        previous = self._previous(filled, longest)
        found = predict(self._scorer, [*inputs, previous])["attention"].astype("float32")
        return [
            found[row, : len(ids), : self.backbone.num_steps(len(samples))]
            for row, (ids, samples) in enumerate(zip(written, recordings, strict=True))
        ]

    def _previous(self, written, length):
        tokenizer = self.preprocessor.tokenizer
        previous = np.full((len(written), length), tokenizer.pad_token_id, "int32")
        previous[:, 0] = tokenizer.start_token_id
        for row, ids in zip(previous, written, strict=True):
            row[1 : len(ids) + 1] = ids
        return previous

    def _of_text(self, log_probabilities):
        """The log-probabilities of CTC given that there is only text: a tensor."""
        tokenizer = self.preprocessor.tokenizer
        special = (tokenizer.unk_token_id, tokenizer.start_token_id, tokenizer.end_token_id)
        labels = ops.arange(log_probabilities.shape[-1], dtype="int32")
        is_special = functools.reduce(ops.logical_or, [labels == token for token in special])
        return ops.log_softmax(ops.where(is_special, IMPOSSIBLE, log_probabilities), axis=-1)

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
