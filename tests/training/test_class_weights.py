"""Weights of classes: their values, the losses that take them, mistakes."""

import keras
import numpy as np
import pytest

from recipes.sentiment.schema import SentimentConfig
from recipes.tagging.schema import TaggingConfig
from zoo.training.class_weights import class_weights, unknown_labels
from zoo.training.config import ConfigError, resolve
from zoo.training.losses import LabelCrossentropy, SentenceCrossentropy


@pytest.mark.once
def test_weights():
    labels, truth = ("a", "b", "c", "d"), "aaaaaabbc"
    balanced = class_weights("balanced", labels, truth)
    assert balanced == {"a": 0.5, "b": 1.5, "c": 3.0, "d": 1.0}
    assert sum(balanced[label] for label in truth) == len(truth)
    assert class_weights({"b": 2}, labels, truth) == {"a": 1.0, "b": 2, "c": 1.0, "d": 1.0}
    assert class_weights(None, labels, truth) == {}
    assert unknown_labels({"b": 1.0, "x": 1.0, "y": 2.0}, labels) == ["x", "y"]


def log_softmax(logits):
    return logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))


@pytest.mark.parametrize("smoothing", [0.0, 0.3])
def test_loss_of_labels(smoothing):
    rng = np.random.default_rng(0)
    logits, weights = rng.normal(size=(4, 3)).astype("float32"), [0.5, 1.0, 3.0]
    ids = np.array([0, 2, 2, 1])
    truth = np.eye(3, dtype="float32")[ids]
    target = truth * (1 - smoothing) + smoothing / 3
    losses = -(target * log_softmax(logits)).sum(axis=-1)
    expected = (losses * np.array(weights)[ids]).mean()
    found = float(LabelCrossentropy(smoothing, weights)(truth, logits))
    assert found == pytest.approx(expected, rel=1e-5)
    assert float(LabelCrossentropy(smoothing)(truth, logits)) == pytest.approx(
        float(keras.losses.CategoricalCrossentropy(True, smoothing)(truth, logits)), rel=1e-6
    )


def test_loss_of_tags():
    rng = np.random.default_rng(0)
    potentials, weights = rng.normal(size=(2, 3, 2)).astype("float32"), [0.5, 4.0]
    tags = np.array([[0, 1, 1], [1, 0, 0]])
    losses = -np.take_along_axis(log_softmax(potentials), tags[:, :, None], -1)[:, :, 0]
    potentials[1, 2] = -1e9  # padding
    losses = losses * np.array(weights)[tags]
    expected = (losses[0].sum() + losses[1, :2].sum()) / 2
    found = float(SentenceCrossentropy(weights=weights)(tags, potentials))
    assert found == pytest.approx(expected, rel=1e-5)


@pytest.mark.once
@pytest.mark.parametrize(
    ("schema", "values", "message"),
    [
        (SentimentConfig, "even", "training.class_weights: must be balanced, null, or weights"),
        (SentimentConfig, {True: 2.0}, "training.class_weights: must quote labels such as true"),
        (SentimentConfig, {"negative": 0}, "weights above 0 by label.*Received: {'negative': 0}"),
        (TaggingConfig, "balanced", "class_weights are of head softmax: the loss of a CRF"),
    ],
)
def test_invalid_weights(schema, values, message):
    given = {"training": {"class_weights": values}, "data": {"train": "x.csv"}}
    with pytest.raises(ConfigError, match=message):
        resolve(schema, given, source="mine")


@pytest.mark.once
def test_numbers_as_labels():
    given = {"training": {"class_weights": {0: 2}}, "data": {"train": "x.csv"}}
    assert resolve(SentimentConfig, given, source="mine").training.class_weights == {"0": 2.0}
