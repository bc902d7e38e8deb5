"""Text classification task with probabilities, scores and token weights."""

import logging
import warnings
from collections.abc import Iterable

import keras
import keras_hub
import numpy as np

from zoo.checks import check_integer, check_number
from zoo.choices import ATTENTIONS
from zoo.decoding.programs import built_once
from zoo.explain import TokenWeights
from zoo.layers import SequencePooling
from zoo.metrics import Calibration, calibrate, classification_scores
from zoo.models.batching import predict, run_batches
from zoo.models.checks import (
    check_columns,
    check_names,
    check_texts,
    require_preprocessor,
    warn_of_truncation,
)
from zoo.models.explaining import chosen_methods
from zoo.models.pipelines import holds_text, in_python, name_ids
from zoo.models.text_classifier.answers import Classification
from zoo.models.text_classifier.backbone import TextClassifierBackbone
from zoo.models.text_classifier.explaining import MIN_LENGTH, TextExplainer
from zoo.models.text_classifier.preprocessor import TextClassifierPreprocessor

DEFAULT_LABELS = ("negative", "positive")
SMALLEST_TEMPERATURE = 1e-3

logger = logging.getLogger(__name__)


@keras.saving.register_keras_serializable("zoo")
class TextClassifier(keras_hub.models.TextClassifier):
    """Maps a text to a label: many-to-one.

    `fit` and `evaluate` take texts and their labels, as names or as ids.

    Args:
        backbone: A `TextClassifierBackbone`, around a KerasHub encoder too.
        preprocessor: A `TextClassifierPreprocessor`, or `None`.
        labels: The names of the labels, in the order of their ids. Defaults to
            `("negative", "positive")`, or to `label_0`, `label_1`, … where `num_classes` is not 2.
        pooling: The pooling of the hidden states to one vector: `"last"`, `"max"`, `"mean"`,
            `"concat"` (these three), or the attention `"bahdanau"`, `"luong_general"`,
            `"scaled_dot"` or `"multi_head"`; see `zoo.layers.SequencePooling`. Defaults to
            `"bahdanau"`.
        dropout: float. Dropout rate of the pooled vector. Defaults to `0.0`.
        num_classes: int. The number of labels. Defaults to that of `labels`.
        temperature: float. `infer`, `score` and `explain` divide the logits by it, and so do
            exported graphs; `calibrate` fits it. The output of the model is the logits as they are.
            Defaults to `1.0`.

    Raises:
        ValueError: if `labels` are not two or more different strings, or not `num_classes`, or
            `temperature` is less than 0.001.

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
        labels=DEFAULT_LABELS,
        pooling="bahdanau",
        dropout=0.0,
        num_classes=None,
        temperature=1.0,
        **kwargs,
    ):
        check_number("temperature", temperature, minimum=SMALLEST_TEMPERATURE)
        if labels is DEFAULT_LABELS and num_classes not in (None, len(labels)):
            labels = _numbered(num_classes)
        labels = check_names("labels", labels, min_count=2)
        if num_classes not in (None, len(labels)):
            raise ValueError(
                "`num_classes` must be the number of `labels`; leave it out, or name as many. "
                f"Received: num_classes={num_classes}, labels={list(labels)}"
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
        states = backbone(inputs)
        vector, weights = self.pool(states, inputs["padding_mask"])
        logits = head(drop(vector))
        super().__init__(inputs=inputs, outputs=logits, **kwargs)

        # === Config ===
        self.labels = labels
        self.num_classes = len(labels)
        self.pooling = pooling
        self.dropout = dropout
        self.temperature = temperature
        self.attention_output, self.hidden_states = weights, states

    def get_config(self):
        return super().get_config() | {
            "labels": list(self.labels),
            "pooling": self.pooling,
            "dropout": self.dropout,
            "temperature": self.temperature,
        }

    @classmethod
    def from_config(cls, config):
        if config.get("num_classes") is None:
            return super().from_config(config)
        # `from_preset` of KerasHub's base class adds the number, and then loads no head.
        config = dict(config)
        given, labels = config.pop("num_classes"), config.get("labels")
        config.pop("temperature", None)  # of the head
        if labels is None or given != len(labels):
            config["labels"] = _numbered(given)
        model = super().from_config(config)
        _warn_of_new_head(
            model.labels,
            "KerasHub's base class loads no head where `num_classes` is given: leave it out, or "
            "call `zoo.models.TextClassifier.from_preset`, to load that of the preset",
        )
        return model

    @classmethod
    def from_preset(cls, preset, load_weights=True, *, num_classes=None, labels=None, **kwargs):
        """Loads a preset, with its head or a new one.

        Args:
            preset: A directory, or another place that KerasHub loads presets from.
            load_weights: bool. Whether to load weights. Defaults to `True`.
            num_classes: int. Number of classes. If it is that of the preset the head is loaded,
                which a log line says; otherwise the output layer is new, which a warning says,
                and everything below it, the pooling included, is loaded. Defaults to that of the
                preset.
            labels: Names of the classes, by the same rule: the head is loaded if they are those of
                the preset, in any order. Defaults to those of the preset, or to `label_0`,
                `label_1`, … where their number differs.
            **kwargs: Other arguments of the model or its backbone.

        Returns:
            A `TextClassifier`.

        Raises:
            ValueError: if `num_classes` and `labels` disagree.

        Example:

        >>> model = TextClassifier.from_preset("my_preset", labels=("bad", "so-so", "good"))
        >>> model.fit(["awful", "fine", "great"], ["bad", "so-so", "good"])
        """
        if labels is not None:
            labels = check_names("labels", labels, min_count=2)
            if num_classes not in (None, len(labels)):
                raise ValueError(
                    "`num_classes` must be the number of `labels`. "
                    f"Received: num_classes={num_classes}, labels={list(labels)}"
                )
            num_classes = len(labels)
        model = super().from_preset(preset, load_weights, **kwargs)
        known = model.labels
        if num_classes is None:
            return model
        if labels is None and num_classes == len(known):
            labels = known
        if labels == known:
            logger.info("The head for %s was loaded.", list(known))
            return model
        changed = cls(
            model.backbone,
            model.preprocessor,
            labels=labels or _numbered(num_classes),
            pooling=model.pooling,
            dropout=model.dropout,
            compile=model.compiled,
            name=model.name,
        )
        changed.pool.set_weights(model.pool.get_weights())
        if set(changed.labels) != set(known):
            _warn_of_new_head(changed.labels, f"the preset has {list(known)}")
            return changed
        order = [known.index(label) for label in changed.labels]
        head = [weights[..., order] for weights in model.get_layer("logits").get_weights()]
        changed.get_layer("logits").set_weights(head)
        changed.temperature = model.temperature
        logger.info("The head for %s was loaded, in another order.", list(known))
        return changed

    def preprocess_samples(self, x, y=None, sample_weight=None):
        """Preprocesses a batch; labels may be names or ids."""
        if y is not None and holds_text(y):
            y = in_python(
                lambda names: {"y": name_ids("labels", self.labels, names)},
                [y],
                {"y": ("int32", (None,))},
            )["y"]
        return super().preprocess_samples(x, y, sample_weight)

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
            for row in self.probabilities(texts, batch_size)
        ]

    def score(self, columns: dict[str, list], batch_size: int = 256) -> dict[str, float]:
        """Compares predicted labels with the true ones.

        Args:
            columns: `"text"` and `"label"`, lists of strings of the same length.
            batch_size: int. Most texts in a batch. Defaults to `256`.

        Returns:
            `accuracy`, `macro_f1`, `loss` (mean cross-entropy in nats) and `ece` (expected
            calibration error).

        Raises:
            ValueError: if a column is missing, their lengths differ, or they have no rows.
        """
        check_columns(columns, "text", "label")
        probabilities = self.probabilities(columns["text"], batch_size)
        return classification_scores(columns["label"], probabilities, self.labels)

    def probabilities(self, texts: Iterable[str], batch_size: int = 64) -> np.ndarray:
        """The probabilities of the labels of texts.

        Args:
            texts: A list of texts, as for `infer`.
            batch_size: int. Most texts in a batch. Defaults to `64`.

        Returns:
            Float32 `[texts, labels]`.
        """
        found = self.class_probabilities(self._encode(texts), batch_size)
        return np.array(found, "float32").reshape(-1, len(self.labels))

    def calibrate(self, columns: dict[str, list], batch_size: int = 256) -> Calibration:
        """Sets `temperature` to that with the lowest cross-entropy. No label of `infer` changes.

        Args:
            columns: `"text"` and `"label"` of examples that the model was not trained on.
            batch_size: int. Most texts in a batch. Defaults to `256`.

        Returns:
            The `zoo.metrics.Calibration`, before and after.

        Raises:
            ValueError: if a column is missing, their lengths differ, they have no rows, or a label
                is unknown.

        Example:

        >>> model = zoo.load("bilstm_bahdanau_sst2_en")
        >>> model.calibrate(zoo.data.load("sst2").splits["dev"]).temperature

        References:
            - Guo et al. 2017, On calibration of modern neural networks.
        """
        check_columns(columns, "text", "label")
        truth = name_ids("label", self.labels, columns["label"])
        logits = self._run(self._encode(columns["text"]), batch_size, lambda logits: logits)
        calibration = calibrate(np.array(logits), truth)
        self.temperature = calibration.temperature
        return calibration

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
        words = self.preprocessor.words(text, pieces)
        if not words:
            raise ValueError(f"An empty text has nothing to explain. Received: text={text!r}")
        return self._explanation.explain(text, words, encoded, methods)

    @built_once
    def _explanation(self):
        return TextExplainer(self)

    def _encode(self, texts):
        """Token ids of each text; warns of truncated texts."""
        preprocessor = require_preprocessor(self.preprocessor)
        encoded = preprocessor.encode(check_texts(texts), truncate=False)
        longest = preprocessor.sequence_length
        warn_of_truncation(sum(len(ids) > longest for ids in encoded), len(encoded), longest)
        return [preprocessor.truncated(ids) for ids in encoded]

    def class_probabilities(self, encoded, batch_size=64):
        """The probabilities of the labels of each encoded text, float32 `[labels]`."""
        temperature = np.float32(self.temperature)
        return self._run(encoded, batch_size, lambda logits: _softmax(logits / temperature))

    def _run(self, encoded, batch_size, function):
        """A function of the logits, float32 `[batch, labels]`, as a row for each encoded text."""

        def run(batch):
            inputs = self.preprocessor.collate(batch.take(encoded), batch.length)
            return function(predict(self, inputs)[: len(batch.rows)].astype("float32"))

        return run_batches(run, [len(ids) for ids in encoded], batch_size, MIN_LENGTH)


def _numbered(num_classes):
    """Names for classes that have none."""
    check_integer("num_classes", num_classes, minimum=2)
    return tuple(f"label_{i}" for i in range(num_classes))


def _warn_of_new_head(labels, reason):
    warnings.warn(
        f"The output layer for {list(labels)} is new and must be trained: {reason}.",
        stacklevel=3,
    )


def _softmax(logits):
    exponentials = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return exponentials / exponentials.sum(axis=-1, keepdims=True)
