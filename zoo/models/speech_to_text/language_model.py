"""A character language model in the tokens of a recogniser, for shallow fusion."""

import pkgutil
from pathlib import Path
from typing import Any, Self

import numpy as np
from keras import ops

from zoo.models.checks import require_preprocessor
from zoo.tasks import task_of
from zoo.tokenizers import CharacterTokenizer


class LanguageModel:
    """A `CausalLM` of characters that reads and predicts the tokens of a recogniser.

    A transcript ends with the token that separates texts in the training of the model: its end
    token or, where it has one, its `start`.

    Args:
        model: A `CausalLM` with a `CharacterTokenizer`.
        tokenizer: The `CharacterTokenizer` of the recogniser.

    Raises:
        ValueError: if the tokens of the model are no characters, it reads texts from their end, or
            it does not know a character that the recogniser writes.
    """

    def __init__(self, model: Any, tokenizer: CharacterTokenizer):
        preprocessor = require_preprocessor(model.preprocessor)
        its = preprocessor.tokenizer
        if not isinstance(its, CharacterTokenizer) or its.separator:
            raise ValueError(
                "`language_model` must predict characters, as a recogniser writes them: name one "
                "with a tokenizer of characters, such as lstm_shakespeare_char, or train one. "
                f"Received: a {type(its).__name__}"
            )
        if preprocessor.backward:
            raise ValueError(
                "`language_model` must read texts from their start, as a recogniser writes them: "
                "name a forward one. Received: one with backward=True"
            )
        letters = tokenizer.get_vocabulary()[len(tokenizer.special_tokens) :]
        if unknown := [letter for letter in letters if its.unknown_characters(letter)]:
            raise ValueError(
                "`language_model` must know every character that the recogniser writes: train one "
                "on texts that have them. "
                f"Received: one without {', '.join(map(repr, unknown))}"
            )
        special = [its.unk_token_id] * len(tokenizer.special_tokens)
        # A model of one long text has read its `start` between texts, and never an end token.
        for token in (tokenizer.start_token_id, tokenizer.end_token_id):
            special[token] = preprocessor.start_token_id
        self.model = model
        self.ids = np.array([*special, *(ids[0] for ids in its.encode(letters))], "int32")

    @classmethod
    def of(cls, model: Any, tokenizer: CharacterTokenizer) -> Self:
        """The language model of a `CausalLM`, or of what names one.

        Args:
            model: A `CausalLM`, or a name or a directory, as for `zoo.load`.
            tokenizer: The `CharacterTokenizer` of the recogniser.

        Raises:
            ValueError: if it is neither, or names a model of another task; and see `LanguageModel`.
        """
        loaded = model
        if isinstance(model, str | Path):
            # By its name, as the table of tasks names functions: presets are made of models.
            loaded = pkgutil.resolve_name("zoo.presets:load")(model)
        task = task_of(type(loaded))
        if task is None or task.name != "causal_lm":
            raise ValueError(
                "`language_model` must be a language model, as `zoo ls --task causal_lm` lists "
                f"them. Received: {model!r:.80}, a {type(loaded).__name__}"
            )
        return cls(loaded, tokenizer)

    def start(self, batch: int, max_length: int):
        """The state before the first token: a nesting of tensors `[batch, ...]`.

        Args:
            batch: int.
            max_length: int. Most tokens that will be read.

        Raises:
            ValueError: if a Transformer has fewer positions.
        """
        backbone = self.model.backbone
        if not backbone.carries_state and max_length > backbone.max_sequence_length:
            raise ValueError(
                "`language_model` must have a position for each token: set `max_length`, or take "
                f"a recurrent one. Received: {backbone.max_sequence_length} positions, "
                f"max_length={max_length}"
            )
        return backbone.initial_state(batch, max_length)

    def step(self, tokens, state):
        """Reads the last tokens of the recogniser, int32 `[rows]`.

        Returns:
            The log-probabilities of its tokens as the next, `[rows, vocabulary]`, and the state.
        """
        ids = ops.convert_to_tensor(self.ids)
        read = ops.take(ids, ops.minimum(tokens, len(self.ids) - 1))
        logits, state = self.model.call_with_state(read[:, None], state)
        scores = ops.log_softmax(ops.cast(logits[:, 0], "float32"), axis=-1)
        return ops.take(scores, ids, axis=1), state
