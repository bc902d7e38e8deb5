"""The text classifier: what a user holds."""

import functools
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from numbers import Integral
from typing import TYPE_CHECKING

import keras
import keras_hub
import numpy as np

from zoo.layers import SequencePooling
from zoo.metrics import classification_scores
from zoo.models.text_classifier.backbone import TextClassifierBackbone
from zoo.models.text_classifier.preprocessor import TextClassifierPreprocessor
from zoo.models.texts import bucket, checked_texts, required

if TYPE_CHECKING:
    from zoo.explain import TokenWeights

MIN_LENGTH = 16  # tokens


@dataclass(frozen=True)
class Classification:
    """What the classifier says of one text.

    Attributes:
        label: The most probable label.
        probability: Its probability.
        probabilities: That of every label.
    """

    label: str
    probability: float
    probabilities: dict[str, float]

    def to_dict(self) -> dict:
        return asdict(self)


@keras.saving.register_keras_serializable("zoo")
class TextClassifier(keras_hub.models.TextClassifier):
    """Reads a text and gives it a label: many-to-one.

    Args:
        backbone: A `TextClassifierBackbone`.
        preprocessor: A `TextClassifierPreprocessor`, or `None`.
        labels: The names of the labels, in the order of their ids. Defaults to
            `("negative", "positive")`.
        pooling: How the states become one vector: `"last"`, `"max"`, `"mean"`, or the
            attention `"bahdanau"`, `"luong_general"`, `"scaled_dot"` or `"multi_head"`; see
            `zoo.layers.SequencePooling`. Defaults to `"bahdanau"`.
        dropout: float. Of the pooled vector. Defaults to `0.0`.

    Raises:
        ValueError: if fewer than two labels are given, or one twice.

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
        kwargs.pop("num_classes", None)  # of the base class: the labels tell
        labels = tuple(labels)
        if len(labels) < 2 or len(set(labels)) < len(labels):
            raise ValueError(
                f"A classifier needs two or more labels, all different. Received: labels={labels}"
            )

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
        vector, weights = self.pool(backbone(inputs), inputs["padding_mask"])
        logits = head(drop(vector))
        super().__init__(inputs=inputs, outputs=logits, **kwargs)

        # === Config ===
        self.labels = labels
        self.num_classes = len(labels)
        self.pooling = pooling
        self.dropout = dropout
        self._attention_output = weights

    def get_config(self):
        return super().get_config() | {
            "labels": list(self.labels),
            "pooling": self.pooling,
            "dropout": self.dropout,
        }

    def infer(self, texts: Iterable[str], batch_size: int = 64) -> list[Classification]:
        """Labels texts.

        Args:
            texts: The texts, as a list; of any length (cut at the preprocessor's).
            batch_size: int. How many are run at once. Defaults to `64`.

        Returns:
            A `Classification` for each text, in order.

        Raises:
            TypeError: if something else than strings is given.
            ValueError: if `batch_size` is less than 1.
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
        """Compares the answers with the true labels.

        Args:
            columns: `"text"` and `"label"`, lists of strings of the same length.
            batch_size: int. Defaults to `256`.

        Returns:
            `accuracy`, `macro_f1` and `loss` (mean cross-entropy in nats).
        """
        probabilities = self._probabilities(columns["text"], batch_size)
        return classification_scores(columns["label"], probabilities, self.labels)

    def explain(self, text: str) -> "TokenWeights":
        """How much of a say each token had in the answer.

        Args:
            text: One text.

        Returns:
            `zoo.explain.TokenWeights`, which draws itself with `.save("map.png")`. What the
            weights are depends on the pooling: see `zoo.layers.SequencePooling`.

        Raises:
            TypeError: if `text` is not a string.
            ValueError: if it has no tokens.
        """
        from zoo.explain import TokenWeights

        encoded = self._encode([text])[0]
        if not encoded:
            raise ValueError(f"An empty text has nothing to explain. Received: text={text!r}")
        pieces = self.preprocessor.pieces(text)
        batch = self.preprocessor.collate([encoded], bucket(len(encoded), MIN_LENGTH))
        logits, weights = self._explainer.predict_on_batch(batch)
        probabilities = _softmax(np.asarray(logits))[0]
        best = int(probabilities.argmax())
        return TokenWeights(
            tokens=pieces,
            weights=np.asarray(weights, "float32")[0, :, : len(encoded)],
            prediction=self.labels[best],
            probability=float(probabilities[best]),
            text=text,
        )

    @functools.cached_property
    def _explainer(self):
        return keras.Model(self.input, [self.output, self._attention_output])

    def _encode(self, texts):
        return required(self.preprocessor).encode(checked_texts(texts))

    def _probabilities(self, texts, batch_size):
        """Floats `[texts, labels]`. Few shapes: lengths and batch sizes are powers of two."""
        if not isinstance(batch_size, Integral) or batch_size < 1:
            raise ValueError(f"A batch holds one text or more. Received: batch_size={batch_size!r}")
        encoded = self._encode(texts)
        order = sorted(range(len(encoded)), key=lambda i: len(encoded[i]))
        logits = np.zeros((len(encoded), self.num_classes), "float32")
        for start in range(0, len(order), batch_size):
            rows = order[start : start + batch_size]
            length = bucket(len(encoded[rows[-1]]), MIN_LENGTH)
            filling = [[]] * (min(bucket(len(rows)), batch_size) - len(rows))
            batch = self.preprocessor.collate([encoded[i] for i in rows] + filling, length)
            # `Task` would preprocess again.
            output = keras.Model.predict_on_batch(self, batch)
            logits[rows] = np.asarray(output, "float32")[: len(rows)]
        return _softmax(logits)


def _softmax(logits):
    exponentials = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return exponentials / exponentials.sum(axis=-1, keepdims=True)
