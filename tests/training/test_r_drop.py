"""R-Drop: its loss against NumPy, and training on rows in pairs."""

import keras
import numpy as np
import pytest

from zoo.data.batches import Batches
from zoo.data.planning import PlannedBatch, in_pairs, plan_batches
from zoo.training.distillation.sequences import WordDistillation
from zoo.training.distillation.soft_labels import (
    DistillationLoss,
    divergence,
    pack,
    sentence_divergence,
)
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


def test_a_teacher_of_tokens_adds_nothing_to_the_divergence():
    taught = np.repeat(LOGITS[::2] * 2, 2, axis=0)  # without dropout, the same for both of a pair
    outputs = np.stack([LOGITS, taught], axis=2)  # [batch, tokens, student and teacher, classes]
    plain = WordDistillation(2.0, 0.75, 0.1)
    added = float(RDrop(plain, 3.0)(TRUTH, outputs, WEIGHTS)) - float(
        plain(TRUTH, outputs, WEIGHTS)
    )
    both = divergences(LOGITS.reshape(2, 2, 3, 5))
    expected = 3.0 / 2 * (both * WEIGHTS[::2]).sum() / 4 / 2
    assert added == pytest.approx(expected, rel=1e-4)


TAUGHT = np.repeat(LOGITS[::2] - 1, 2, axis=0)  # the soft labels of both rows of a pair


def soft_labelled(of_words):
    """A loss on soft labels, and its targets: of the words of sentences, or of whole texts."""
    if of_words:
        hard, soft = SentenceCrossentropy().call, sentence_divergence
        return DistillationLoss(hard, soft, 2.0, 0.75), pack(TRUTH, TAUGHT)
    hard = keras.losses.SparseCategoricalCrossentropy(from_logits=True, reduction="none")
    loss = DistillationLoss(hard, divergence, 2.0, 0.75)
    return loss, pack(TRUTH[:, 0], TAUGHT[:, 0])


@pytest.mark.parametrize("of_words", [False, True])
def test_soft_labels_and_the_divergence_add_up(of_words):
    plain, truth = soft_labelled(of_words)
    outputs = LOGITS if of_words else LOGITS[:, 0]
    added = float(RDrop(plain, 3.0)(truth, outputs)) - float(plain(truth, outputs))
    both = divergences(outputs.reshape(2, 2, *outputs.shape[1:]))
    assert added == pytest.approx(3.0 / 2 * both.sum() / 2 / 2, rel=1e-4)  # the mean of 2 texts


@pytest.mark.parametrize("of_words", [False, True])
def test_training_in_pairs_on_soft_labels_of_a_model_with_masks(of_words):
    words = np.array([[3, 1, 2], [3, 1, 2], [2, 0, 0], [2, 0, 0]])

    def fit(r_drop):
        loss, truth = soft_labelled(of_words)
        keras.utils.set_random_seed(0)
        layers = [keras.Input((3,), dtype="int32"), keras.layers.Embedding(4, 5, mask_zero=True)]
        if not of_words:
            layers.append(keras.layers.GlobalAveragePooling1D())
        model = keras.Sequential(layers)
        settings = TrainingConfig(r_drop=r_drop, optimizer="sgd", learning_rate=0.1)
        compile_model(model, settings, 1, loss=loss)
        batches = Batches(
            in_pairs([PlannedBatch(3, np.array([0, 2]), 2)]),
            lambda rows, length: (words[rows], truth[rows]),
        )
        return keras.Model.fit(model, batches, verbose=0).history["loss"][0], model.get_weights()

    (loss, weights), (expected, expected_weights) = fit(2.0), fit(0.0)
    assert loss == pytest.approx(expected, rel=1e-5)  # without dropout
    np.testing.assert_allclose(weights[0], expected_weights[0], atol=1e-6)


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
