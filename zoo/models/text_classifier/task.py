"""Text classification task with probabilities, scores and token weights."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

import keras
import keras_hub
import numpy as np
from keras import ops

from zoo.choices import ATTENTIONS
from zoo.decoding.programs import built_once
from zoo.explain import TokenWeights
from zoo.explain.effects import Flip
from zoo.explain.words import group_words
from zoo.layers import SequencePooling
from zoo.metrics import classification_scores
from zoo.models.batching import bucket_size, predict, run_batches
from zoo.models.checks import (
    check_columns,
    check_names,
    check_texts,
    require_preprocessor,
    warn_of_truncation,
)
from zoo.models.explaining import by_word, chosen_methods, without
from zoo.models.gradients import gradient_times_input, log_odds
from zoo.models.text_classifier.backbone import TextClassifierBackbone
from zoo.models.text_classifier.preprocessor import TextClassifierPreprocessor

MIN_LENGTH = 16  # tokens


@dataclass(frozen=True)
class Classification:
    """The label of one text.

    Attributes:
        label: The most probable label.
        probability: Its probability.
        probabilities: The probability of each label.
    """

    label: str
    probability: float
    probabilities: dict[str, float]

    def to_dict(self) -> dict:
        return asdict(self)


@keras.saving.register_keras_serializable("zoo")
class TextClassifier(keras_hub.models.TextClassifier):
    """Maps a text to a label: many-to-one.

    Args:
        backbone: A `TextClassifierBackbone`.
        preprocessor: A `TextClassifierPreprocessor`, or `None`.
        labels: The names of the labels, in the order of their ids. Defaults to
            `("negative", "positive")`.
        pooling: The pooling of the hidden states to one vector: `"last"`, `"max"`, `"mean"`, or
            the attention `"bahdanau"`, `"luong_general"`, `"scaled_dot"` or `"multi_head"`; see
            `zoo.layers.SequencePooling`. Defaults to `"bahdanau"`.
        dropout: float. Dropout rate of the pooled vector. Defaults to `0.0`.

    Raises:
        ValueError: if `labels` are not two or more different strings.

    Example:

    >>> model = zoo.load("bilstm_bahdanau_sst2_en")
    >>> model.infer(["a gripping film", "not worth your time"])
    """

    backbone_cls = TextClassifierBackbone
    preprocessor_cls = TextClassifierPreprocessor

    def __init__(
        self,
        backbone,
        preprocessor=None,
        labels=("negative", "positive"),
        pooling="bahdanau",
        dropout=0.0,
        **kwargs,
    ):
        kwargs.pop("num_classes", None)  # an argument of the base class: the number of labels
        labels = check_names("labels", labels, min_count=2)

        # === Layers ===
        self.backbone = backbone
        self.preprocessor = preprocessor
        dtype = backbone.dtype_policy
        self.pool = SequencePooling(
            pooling,
            bidirectional=backbone.bidirectional,
            num_heads=backbone.num_heads,
            dtype=dtype,
            name="pooling",
        )
        drop = keras.layers.Dropout(dropout, dtype=dtype, name="pooled_dropout")
        head = keras.layers.Dense(len(labels), dtype=dtype, name="logits")

        # === Functional graph ===
        inputs = backbone.input
        states = backbone(inputs)
        vector, weights = self.pool(states, inputs["padding_mask"])
        logits = head(drop(vector))
        super().__init__(inputs=inputs, outputs=logits, **kwargs)

        # === Config ===
        self.labels = labels
        self.num_classes = len(labels)
        self.pooling = pooling
        self.dropout = dropout
        self._attention_output, self._states = weights, states

    def get_config(self):
        return super().get_config() | {
            "labels": list(self.labels),
            "pooling": self.pooling,
            "dropout": self.dropout,
        }

    def infer(self, texts: Iterable[str], batch_size: int = 64) -> list[Classification]:
        """Classifies texts.

        Args:
            texts: A list of texts. Those longer than the preprocessor's `sequence_length` are
                truncated, with a warning.
            batch_size: int. Most texts in a batch. Defaults to `64`.

        Returns:
            A `Classification` for each text, in order.

        Raises:
            TypeError: if `texts` is not a list of strings.
            ValueError: if `batch_size` is not an integer of at least 1.
        """
        return [
            Classification(
                label=self.labels[int(row.argmax())],
                probability=float(row.max()),
                probabilities=dict(zip(self.labels, map(float, row), strict=True)),
            )
            for row in self._probabilities(texts, batch_size)
        ]

    def score(self, columns: dict[str, list], batch_size: int = 256) -> dict[str, float]:
        """Compares predicted labels with the true ones.

        Args:
            columns: `"text"` and `"label"`, lists of strings of the same length.
            batch_size: int. Most texts in a batch. Defaults to `256`.

        Returns:
            `accuracy`, `macro_f1` and `loss` (mean cross-entropy in nats).

        Raises:
            ValueError: if a column is missing, their lengths differ, or they have no rows.
        """
        check_columns(columns, "text", "label")
        probabilities = np.array(self._probabilities(columns["text"], batch_size))
        return classification_scores(columns["label"], probabilities, self.labels)

    def explain(self, text: str, method: str | None = None, pieces: bool = False) -> TokenWeights:
        """Which words of a text the model looked at, and which speak for and against the answer.

        Args:
            text: str. One text.
            method: `"attention"`: the weight of each word in the pooled vector. `"occlusion"`:
                what the probability of the answer loses when the word is left out. `"gradient"`:
                gradient × input, of the log-odds of the answer. Defaults to `None`: attention
                and occlusion; occlusion alone of a model that pools without attention.
            pieces: bool. Whether to explain the tokens in place of words. Defaults to `False`.

        Returns:
            A `zoo.explain.TokenWeights`, which `.save("map.png")` draws.

        Raises:
            TypeError: if `text` is not a string.
            ValueError: if it has no tokens, the method is unknown, or `"attention"` is asked of
                a model without.

        References:
            - Attention alone does not explain an answer: Jain and Wallace 2019. Occlusion: Li et
              al. 2016, "Understanding neural networks through representation erasure".
        """
        methods = chosen_methods(method, self.pooling in ATTENTIONS)
        (text,) = check_texts([text])
        (encoded,) = self._encode([text])
        if not encoded:
            raise ValueError(f"An empty text has nothing to explain. Received: text={text!r}")
        words = group_words(self.preprocessor.pieces(text), pieces)
        variants = [encoded]
        if "occlusion" in methods:
            variants += [without(encoded, word) for word in words]
        whole, *others = self._class_probabilities(variants, 64)
        best = int(whole.argmax())
        weights: Any = None
        effects: Any = None
        flips: list[Flip] = []
        if "attention" in methods:
            weights = by_word(self._attention(encoded), words)
        if "occlusion" in methods:
            effects = [float(whole[best] - other[best]) for other in others]
            flips = [
                Flip(i, word.text, self.labels[int(other.argmax())])
                for i, (word, other) in enumerate(zip(words, others, strict=True))
                if int(other.argmax()) != best
            ]
        if "gradient" in methods:
            effects = by_word(self._gradient(encoded, best), words, core=True)
        return TokenWeights(
            tokens=[word.text for word in words],
            weights=weights,
            prediction=self.labels[best],
            probability=float(whole[best]),
            text=text,
            effects=effects,
            method="gradient" if "gradient" in methods else "occlusion",
            flips=flips,
        )

    def _attention(self, encoded):
        """The weights of the tokens, `[heads, tokens]`."""
        batch = self.preprocessor.collate([encoded], bucket_size(len(encoded), MIN_LENGTH))
        return predict(self._explainer, batch).astype("float32")[0, :, : len(encoded)]

    def _gradient(self, encoded, label):
        """Gradient × input of the log-odds of a label, `[tokens]`."""
        batch = self.preprocessor.collate([encoded], bucket_size(len(encoded), MIN_LENGTH))
        embed, encode, head = self._stages
        mask = ops.convert_to_tensor(batch["padding_mask"])

        def function(embedded):
            logits = head([encode([embedded, mask]), mask])
            return log_odds(logits, np.array([label]))

        products = gradient_times_input(function, predict(embed, batch).astype("float32"))
        return products[0, 0, : len(encoded)]

    @built_once
    def _explainer(self):
        return keras.Model(self.input, self._attention_output)

    @built_once
    def _stages(self):
        """The model in three: to embedded tokens, to hidden states, to logits."""
        inputs, embedded = self.backbone.input, self.backbone.token_embedding.output
        mask = inputs["padding_mask"]
        return (
            keras.Model(inputs, embedded),
            keras.Model([embedded, mask], self.backbone.output),
            keras.Model([self._states, mask], self.output),
        )

    def _encode(self, texts):
        """Token ids of each text; warns of truncated texts."""
        preprocessor = require_preprocessor(self.preprocessor)
        encoded = preprocessor.encode(check_texts(texts), truncate=False)
        longest = preprocessor.sequence_length
        warn_of_truncation(sum(len(ids) > longest for ids in encoded), len(encoded), longest)
        return [ids[:longest] for ids in encoded]

    def _probabilities(self, texts, batch_size):
        """The probabilities of the labels of each text, float32 `[labels]`."""
        return self._class_probabilities(self._encode(texts), batch_size)

    def _class_probabilities(self, encoded, batch_size):
        """The same for encoded texts."""

        def run(batch):
            inputs = self.preprocessor.collate(batch.take(encoded), batch.length)
            return _softmax(predict(self, inputs)[: len(batch.rows)])

        return run_batches(run, [len(ids) for ids in encoded], batch_size, MIN_LENGTH)


def _softmax(logits):
    logits = logits.astype("float32")
    exponentials = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return exponentials / exponentials.sum(axis=-1, keepdims=True)
