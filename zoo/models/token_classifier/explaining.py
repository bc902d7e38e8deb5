"""Explanations of the tags and the intent of a sentence."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from zoo.decoding.programs import built_once
from zoo.explain import Alignment
from zoo.explain.effects import Flip
from zoo.models.batching import bucket_size, predict
from zoo.models.gradients import gradient_times_input, log_odds
from zoo.models.token_classifier.parts import head_of

MIN_LENGTH = 16  # steps of a padded sentence


class TaggingExplainer:
    """The contribution of each word of a sentence to each of its tags and to its intent.

    Args:
        model: A `TokenClassifier`.
    """

    def __init__(self, model):
        self.model = model

    def explain(self, words: list[str], encoded: Any, methods: Sequence[str]) -> Alignment:
        """Explains the tags of one sentence.

        Args:
            words: Its words, at least one.
            encoded: The sentence as the preprocessor encodes it.
            methods: Some of `"attention"`, `"occlusion"` and `"gradient"`.
        """
        model, preprocessor = self.model, self.model.preprocessor
        masked = []
        if "occlusion" in methods:
            masked = [preprocessor.masked(encoded, i) for i in range(len(words))]
        whole, *others = model.decode_each([encoded, *masked])
        tags = [model.tags[i] for i in whole.ids]
        intent = None if whole.intents is None else model.intents[int(whole.intents.argmax())]
        weights: Any = None
        effects: Any = None
        flips: list[Flip] = []
        if "attention" in methods:
            weights = self._attention(encoded)
        if "occlusion" in methods:
            effects = np.stack([whole.probabilities(whole) - it.probabilities(whole)
                                for it in others], axis=1)  # fmt: skip
            flips = [
                Flip(column, words[column], answer, row)
                for column, other in enumerate(others)
                for row, answer in self._changes(whole, other, words)
            ]
        if "gradient" in methods:
            effects = self._gradient(encoded, whole)
        return Alignment(
            words,
            [
                *([intent] if intent else []),
                *(self._shown(words, i, tag) for i, tag in enumerate(tags)),
            ],
            weights,
            text=model.separator.join(words),
            translation=" ".join(tags),
            effects=effects,
            method="gradient" if "gradient" in methods else "occlusion",
            measured="what the probability of a tag (or of the intent) loses when a "
            f"{model.units[:-1]} is masked",
            part=model.units[:-1],
            flips=flips,
            title=intent or "",
            spans=[(span.type, span.start, span.end) for span in model.spans_of(words, tags)],
            points=model.head == "pointer",
        )

    def _shown(self, words, place, tag):
        """A word with its tag, or with the word that it refers to."""
        word = words[place] if words[place].strip() else "␣"
        if self.model.head != "pointer":
            return f"{word}/{tag}"
        other = self.model.referent(tag, words)
        return word if other is None else f"{word}→{other}"

    def _attention(self, encoded):
        """The weights of the words for the intent, if there is one, and for each word."""
        count, inputs = self._one(encoded)
        rows = keras.tree.flatten(predict(self._weights, inputs))
        rows = [one.astype("float32")[0, :count, :count] for one in rows]
        return np.concatenate(rows)  # [answers, words]

    def _gradient(self, encoded, answer):
        """Gradient × input of the log-odds of the intent and of each tag, `[answers, words]`."""
        count, inputs = self._one(encoded)
        embed, encode, head = self._stages
        others = [ops.convert_to_tensor(inputs[name]) for name in self._unembedded]
        mask = ops.convert_to_tensor(inputs["padding_mask"])

        def function(features):
            outputs = head([encode([features, *others]), mask])
            odds = [log_odds(outputs["tags"][0, :count], answer.ids)]
            if self.model.intents:
                odds.insert(0, log_odds(outputs["intent"], answer.intents.argmax()[None]))
            return ops.concatenate(odds)

        products = gradient_times_input(function, predict(embed, inputs).astype("float32"))
        return self.model.preprocessor.by_word(products[:, 0], encoded)

    def _one(self, encoded):
        """The number of words and the padded inputs of one encoded sentence."""
        length = bucket_size(self.model.preprocessor.length(encoded), MIN_LENGTH)
        inputs = self.model.preprocessor.collate([encoded], length)
        return self.model.preprocessor.num_words(encoded), inputs

    def _changes(self, whole, other, words):
        """The rows of an explanation that differ, each with the other answer."""
        first = bool(self.model.intents)
        if first and whole.intents.argmax() != other.intents.argmax():
            yield 0, self.model.intents[int(other.intents.argmax())]
        for row in np.flatnonzero(whole.ids != other.ids):
            tag = self.model.tags[other.ids[row]]
            if self.model.head == "pointer":
                tag = self.model.referent(tag, words) or "itself"
            yield int(row) + first, tag

    @built_once
    def _weights(self):
        weights = [self.model.backbone.attention_output]
        if self.model.intents:
            weights.insert(0, self.model.intent_attention)
        return keras.Model(self.model.input, weights)

    @built_once
    def _stages(self):
        """The model in three: to features of words, to hidden states or weights, to potentials."""
        inputs, features = self.model.backbone.input, self.model.backbone.features
        others = [inputs[name] for name in self._unembedded]
        return (
            keras.Model(inputs, features),
            keras.Model([features, *others], self.model.hidden),
            head_of(self.model),
        )

    @property
    def _unembedded(self):
        """The names of the inputs that say what the embedded ones are."""
        return sorted({"padding_mask", "token_mask", "alignment"} & set(self.model.backbone.input))
