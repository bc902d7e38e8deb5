"""Explanations of the label of a text."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from zoo.decoding.programs import built_once
from zoo.explain import TokenWeights
from zoo.explain.effects import Flip
from zoo.explain.words import Word
from zoo.models.batching import bucket_size, predict
from zoo.models.explaining import by_word, without
from zoo.models.gradients import gradient_times_input, log_odds
from zoo.unicode import compose

MIN_LENGTH = 16  # tokens


class TextExplainer:
    """The contribution of each word of a text to its label.

    Args:
        model: A `TextClassifier`.
    """

    def __init__(self, model):
        self.model = model

    def explain(
        self, text: str, words: Sequence[Word], encoded: Any, methods: Sequence[str]
    ) -> TokenWeights:
        """Explains the label of one text.

        Args:
            text: The text.
            words: Its words, at least one, or its tokens.
            encoded: The text as the preprocessor encodes it.
            methods: Some of `"attention"`, `"occlusion"` and `"gradient"`.
        """
        model = self.model
        variants = [encoded]
        if "occlusion" in methods:
            variants += [without(encoded, word) for word in words]
        whole, *others = model.class_probabilities(variants)
        best = int(whole.argmax())
        weights: Any = None
        effects: Any = None
        flips: list[Flip] = []
        if "attention" in methods:
            weights = by_word(self._attention(encoded), words)
        if "occlusion" in methods:
            effects = [float(whole[best] - other[best]) for other in others]
            flips = [
                Flip(i, word.text, model.labels[int(other.argmax())])
                for i, (word, other) in enumerate(zip(words, others, strict=True))
                if int(other.argmax()) != best
            ]
        if "gradient" in methods:
            effects = by_word(self._gradient(encoded, best), words, core=True)
        return TokenWeights(
            tokens=[word.text for word in words],
            weights=weights,
            prediction=model.labels[best],
            probability=float(whole[best]),
            text=text,
            effects=effects,
            method="gradient" if "gradient" in methods else "occlusion",
            flips=flips,
            truncated=_letters("".join(word.text for word in words)) < _letters(compose(text)),
        )

    def _attention(self, encoded):
        """The weights of the tokens, `[heads, tokens]`."""
        batch = self.model.preprocessor.collate([encoded], bucket_size(len(encoded), MIN_LENGTH))
        return predict(self._weights, batch).astype("float32")[0, :, : len(encoded)]

    def _gradient(self, encoded, label):
        """Gradient × input of the log-odds of a label, `[tokens]`."""
        batch = self.model.preprocessor.collate([encoded], bucket_size(len(encoded), MIN_LENGTH))
        embed, encode, head = self._stages
        mask = ops.convert_to_tensor(batch["padding_mask"])

        def function(embedded):
            logits = head([encode([embedded, mask]), mask])
            return log_odds(logits / self.model.temperature, np.array([label]))

        products = gradient_times_input(function, predict(embed, batch).astype("float32"))
        return products[0, 0, : len(encoded)]

    @built_once
    def _weights(self):
        return keras.Model(self.model.input, self.model.attention_output)

    @built_once
    def _stages(self):
        """The model in three: to embedded tokens, to hidden states, to logits."""
        inputs, embedded = self.model.backbone.input, self.model.backbone.features
        mask = inputs["padding_mask"]
        return (
            keras.Model(inputs, embedded),
            keras.Model([embedded, mask], self.model.backbone.output),
            keras.Model([self.model.hidden_states, mask], self.model.output),
        )


def _letters(text: str) -> int:
    """The number of characters that are no white space."""
    return len("".join(text.split()))
