"""Explanations of a text by a language model: surprisal, and attention to earlier words."""

import keras
import numpy as np

from zoo.decoding.programs import built_once
from zoo.explain import Alignment, Surprisal
from zoo.explain.words import END, group_words
from zoo.models.batching import bucket_size, predict
from zoo.models.checks import check_texts, require_preprocessor, warn_of_truncation
from zoo.suggestions import did_you_mean
from zoo.tokenizers import SubwordTokenizer

MIN_LENGTH = 16  # tokens
MAX_EXPLAINED = 512  # tokens whose attention is computed; fewer are drawn
METHODS = ("surprisal", "attention")


class WritingExplainer:
    """Surprisal of each token of a text, or the attention to earlier tokens.

    Args:
        model: A `CausalLM`.
    """

    def __init__(self, model):
        self.model = model

    def explain(self, text: str, method: str | None, pieces: bool) -> Surprisal | Alignment:
        """Explains a text; see `CausalLM.explain`."""
        method = self._checked_method(method)
        (text,) = check_texts([text])
        (ids,) = require_preprocessor(self.model.preprocessor).encode([text])
        read = self.model.preprocessor.tokenizer.pieces(text)
        if not ids:
            raise ValueError(f"An empty text has nothing to explain. Received: text={text!r}")
        words = [(i,) for i in range(len(read))]
        if isinstance(self.model.preprocessor.tokenizer, SubwordTokenizer) and not pieces:
            words = [word.tokens for word in group_words(read)]
        if method == "attention":
            return self._attention(ids, read, words)
        (found,) = self.model.token_log_probabilities([text], 1)
        bits = np.maximum(-found[:-1] / np.log(2), 0)  # without the end, and without -0.0
        bits = bits[::-1] if self.model.preprocessor.backward else bits
        tokens = ["".join(read[i] for i in word) for word in words]
        return Surprisal(tokens, [bits[list(word)].sum() for word in words], text)

    def _checked_method(self, method):
        if method not in (None, *METHODS):
            raise ValueError(
                f"`method` must be one of {list(METHODS)}, or be left out for surprisal."
                f"{did_you_mean(str(method), METHODS)} Received: method={method!r}"
            )
        if method == "attention" and self.model.backbone.attention_output is None:
            raise ValueError(
                "This model has no attention to explain; use method='surprisal'. "
                "Received: method='attention'"
            )
        if method == "attention" and require_preprocessor(self.model.preprocessor).backward:
            raise ValueError(
                "A backward model predicts each word from those after it, which a map of attention "
                "to earlier words cannot show; use method='surprisal'. "
                "Received: method='attention', backward=True"
            )
        return method or "surprisal"

    def _attention(self, ids, read, words):
        """Attention weights of the start and of earlier words, for each predicted word."""
        longest = MAX_EXPLAINED
        if not self.model.backbone.carries_state:
            longest = min(longest, self.model.backbone.max_sequence_length)
        warn_of_truncation(int(len(ids) + 1 > longest), 1, longest - 1)
        words = [word for word in words if word[-1] + 1 < longest]
        if not words:
            raise ValueError(
                f"The first word alone has more than the {longest - 1:,} tokens that are drawn: "
                "explain its tokens, with pieces=True, or take method='surprisal'. "
                f"Received: {read[:20]}"
            )
        count = words[-1][-1] + 1
        length = min(bucket_size(count, MIN_LENGTH), longest)
        inputs, _, _ = self.model.preprocessor.collate([ids[: count - 1]], length)
        weights = predict(self._weights, inputs).astype("float32")[0]
        rows = np.stack([weights[list(word)].mean(axis=0) for word in words])  # row i predicts i
        read_before = [(0,), *(tuple(i + 1 for i in word) for word in words[:-1])]
        table = np.stack([rows[:, list(column)].sum(axis=1) for column in read_before], axis=1)
        tokens = ["".join(read[i] for i in word) for word in words]
        return Alignment([END, *tokens[:-1]], tokens, table.tolist(), text="".join(tokens[:-1]))

    @built_once
    def _weights(self):
        return keras.Model(self.model.backbone.input, self.model.backbone.attention_output)
