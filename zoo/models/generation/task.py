"""Base class of tasks that generate text."""

import functools

import keras
import keras_hub
import numpy as np
from keras import ops

from zoo.decoding.programs import built_once
from zoo.models.batching import bucket_size, predict
from zoo.models.generation.prompts import continue_prompts
from zoo.models.generation.search import TextSearch
from zoo.models.generation.teacher_forcing import teacher_forcing, token_losses
from zoo.models.gradients import log_odds

MIN_LENGTH = 16  # tokens of a text that is scored


class GenerationTask(TextSearch, keras_hub.models.Seq2SeqLM):
    """A task that generates text: beam search, KerasHub's `generate`, and tokens to text.

    A subclass has a `GenerationBackbone` and defines `encoder_inputs` and `default_max_length`.

    Args:
        backbone: A `GenerationBackbone`.
        preprocessor: A preprocessor whose tokenizer has a start and an end token, or `None`.
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

    def members(self):
        return [self]

    def decoding(self, encoder_inputs, max_length):
        state, constants, memory_mask = self.init_decoding(encoder_inputs, max_length)
        return self.step_of(encoder_inputs, constants), state, memory_mask

    def step_of(self, encoder_inputs, constants):
        """The step of a search: see `decoding`."""
        write = self.writer(encoder_inputs, constants["memory"])

        def step(tokens, state, index):
            hidden, state, weights = self.backbone.decode_step(tokens, state, constants)
            return write(hidden, weights), state, weights

        return step

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

        token_ids, mask = continue_prompts(self, next, token_ids, mask, state, stop_token_ids)
        return {"decoder_token_ids": token_ids, "decoder_padding_mask": mask}
