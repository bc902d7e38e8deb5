"""Text classification task with probabilities, scores and token weights."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass

import keras
import keras_hub
import numpy as np

from zoo.decoding.programs import built_once
from zoo.explain import TokenWeights
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

    def explain(self, text: str) -> TokenWeights:
        """The weight of each token in the pooled vector.

        Args:
            text: str. One text.

        Returns:
            A `zoo.explain.TokenWeights`, which `.save("map.png")` draws. The definition of the
            weights depends on the pooling: see `zoo.layers.SequencePooling`.

        Raises:
            TypeError: if `text` is not a string.
            ValueError: if it has no tokens.
        """
        (text,) = check_texts([text])
        (encoded,) = self._encode([text])
        if not encoded:
            raise ValueError(f"An empty text has nothing to explain. Received: text={text!r}")
        batch = self.preprocessor.collate([encoded], bucket_size(len(encoded), MIN_LENGTH))
        logits, weights = predict(self._explainer, batch)
        probabilities = _softmax(logits[0])
        best = int(probabilities.argmax())
        return TokenWeights(
            tokens=self.preprocessor.pieces(text),
            weights=weights.astype("float32")[0, :, : len(encoded)],
            prediction=self.labels[best],
            probability=float(probabilities[best]),
            text=text,
        )

    @built_once
    def _explainer(self):
        return keras.Model(self.input, [self.output, self._attention_output])

    def _encode(self, texts):
        """Token ids of each text; warns of truncated texts."""
        preprocessor = require_preprocessor(self.preprocessor)
        encoded = preprocessor.encode(check_texts(texts), truncate=False)
        longest = preprocessor.sequence_length
        warn_of_truncation(sum(len(ids) > longest for ids in encoded), len(encoded), longest)
        return [ids[:longest] for ids in encoded]

    def _probabilities(self, texts, batch_size):
        """The probabilities of the labels of each text, float32 `[labels]`."""
        encoded = self._encode(texts)

        def run(batch):
            inputs = self.preprocessor.collate(batch.take(encoded), batch.length)
            return _softmax(predict(self, inputs)[: len(batch.rows)])

        return run_batches(run, [len(ids) for ids in encoded], batch_size, MIN_LENGTH)


def _softmax(logits):
    logits = logits.astype("float32")
    exponentials = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return exponentials / exponentials.sum(axis=-1, keepdims=True)
