"""R-Drop: its loss against NumPy, and training on rows in pairs."""

import keras
import numpy as np
import pytest

from zoo.data.batches import Batches
from zoo.data.planning import in_pairs, plan_batches
from zoo.training.losses import RDrop, SentenceCrossentropy, TokenCrossentropy
from zoo.training.optimizer import compile_model
from zoo.training.schema import TrainingConfig

LOGITS = np.random.default_rng(0).normal(size=(4, 3, 5)).astype("float32")
WEIGHTS = np.array([[1, 1, 1], [1, 1, 1], [1, 0, 0], [1, 0, 0]], "float32")  # 2 texts, in pairs
TRUTH = np.array([[1, 4, 0], [1, 4, 0], [2, 0, 0], [2, 0, 0]])


def divergences(logits):
    """KL(p || q) + KL(q || p) of each pair, by its definition."""
    p, q = np.split(np.exp(logits) / np.exp(logits).sum(-1, keepdims=True), 2, axis=1)
    return ((p * np.log(p / q)).sum(-1) + (q * np.log(q / p)).sum(-1))[:, 0]


def test_loss_of_tokens():
    plain, paired = TokenCrossentropy(0.1), RDrop(TokenCrossentropy(0.1), alpha=3.0)
    added = float(paired(TRUTH, LOGITS, WEIGHTS)) - float(plain(TRUTH, LOGITS, WEIGHTS))
    both = divergences(LOGITS.reshape(2, 2, 3, 5))  # [texts, tokens]
    # The mean over the 4 real tokens of alpha / 2 times the mean of the two directions.
    expected = 3.0 / 2 * (both * WEIGHTS[::2]).sum() / 4 / 2
    assert added == pytest.approx(expected, rel=1e-4)


def test_loss_of_sentences_leaves_padding_out():
    potentials = np.where(WEIGHTS[..., None] > 0, LOGITS, np.float32(-1e9))
    plain, paired = SentenceCrossentropy(), RDrop(SentenceCrossentropy(), alpha=1.0)
    added = float(paired(TRUTH, potentials)) - float(plain(TRUTH, potentials))
    both = (divergences(LOGITS.reshape(2, 2, 3, 5)) * WEIGHTS[::2]).sum(axis=1)
    assert added == pytest.approx(both.mean() / 4, rel=1e-4)


def test_loss_of_labels_of_one_prediction_is_the_plain_loss():
    loss = keras.losses.CategoricalCrossentropy(from_logits=True)
    logits, truth = np.repeat(LOGITS[:, 0], 2, axis=0), np.repeat(np.eye(5)[TRUTH[:, 0]], 2, axis=0)
    assert float(RDrop(loss, 5.0)(truth, logits)) == pytest.approx(float(loss(truth, logits)))


@pytest.mark.parametrize("dropout", [0.0, 0.5])
def test_training_in_pairs(dropout):
    x, y = np.eye(6, dtype="float32"), np.array([0, 1, 2, 0, 1, 2])
    plan = plan_batches([1] * 6, [1], 4)  # the second batch has 2 rows that only fill it up

    def fit(rows, r_drop):
        keras.utils.set_random_seed(0)
        model = keras.Sequential(
            [keras.Input((6,)), keras.layers.Dropout(dropout), keras.layers.Dense(3)]
        )
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        settings = TrainingConfig(r_drop=r_drop, optimizer="sgd", learning_rate=0.1)
        compile_model(model, settings, 2, loss=loss)
        batches = Batches(rows, lambda rows, length: (x[rows], y[rows]))
        history = keras.Model.fit(model, batches, verbose=0).history
        return history["loss"][0], model.get_weights()

    loss, weights = fit(in_pairs(plan), 2.0)
    expected, expected_weights = fit(plan if dropout == 0 else in_pairs(plan), 0.0)
    if dropout:
        assert loss > expected + 0.01
    else:  # the two predictions of a pair are equal
        assert loss == pytest.approx(expected, rel=1e-5)
        for one, other in zip(weights, expected_weights, strict=True):
            np.testing.assert_allclose(one, other, atol=1e-6)


@pytest.mark.once
def test_a_loss_that_is_none_of_logits_is_refused():
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    with pytest.raises(ValueError, match="`keras.losses.Loss`: set it to 0. Received: loss='mse'"):
        compile_model(model, TrainingConfig(r_drop=1.0), 1, loss="mse")
