"""CTC: against the sum over all alignments, and against torch's own loss."""

import itertools

import keras
import numpy as np
import pytest
from keras import ops

from zoo.layers import CTCHead, CTCLoss, ctc_log_likelihood

# Frames, labels: repeats, none, as many as frames, and more than there can be.
CASES = [
    (4, [1, 2]),
    (4, [1, 1]),
    (3, [2]),
    (4, []),
    (2, [1, 2]),
    (2, [1, 1]),
    (1, [1, 2]),
    (0, []),
]
LONGEST, VOCABULARY = 4, 3


def collapse(path):
    return [label for label, _ in itertools.groupby(path) if label]


def brute_force(log_probabilities, labels):
    """The log of the summed probability of all paths that collapse to the labels."""
    frames = len(log_probabilities)
    paths = itertools.product(range(VOCABULARY), repeat=frames)
    scores = [
        sum(log_probabilities[t, label] for t, label in enumerate(path))
        for path in paths
        if collapse(path) == labels
    ]
    return np.logaddexp.reduce(scores) if scores else -np.inf


@pytest.fixture(scope="module")
def batch():
    """Logits, the mask and padded labels of all cases in one batch."""
    logits = np.random.default_rng(0).normal(size=(len(CASES), LONGEST, VOCABULARY))
    mask = np.arange(LONGEST) < np.array([[frames] for frames, _ in CASES])
    labels = np.zeros((len(CASES), 3), "int32")
    for row, (_, own) in zip(labels, CASES, strict=True):
        row[: len(own)] = own
    return logits.astype("float32"), mask, labels


@pytest.fixture(scope="module")
def head():
    """A head whose projection is the identity, so that its inputs are the logits."""
    layer = CTCHead(VOCABULARY)
    layer.build((None, None, VOCABULARY), (None, None))
    layer.projection.set_weights([np.eye(VOCABULARY), np.zeros(VOCABULARY)])
    return layer


def to_array(tensor):
    return ops.convert_to_numpy(tensor)


def test_likelihood_is_the_sum_over_all_alignments(batch, head):
    logits, mask, labels = batch
    log_probabilities = head(logits, mask)
    found = to_array(ctc_log_likelihood(log_probabilities, labels))
    numbers = to_array(log_probabilities)
    for row, (frames, own) in enumerate(CASES):
        expected = brute_force(numbers[row, :frames], own)
        if np.isinf(expected):
            assert found[row] <= -1e8
        else:
            assert found[row] == pytest.approx(expected, abs=1e-5)
    assert [frames for (frames, _), value in zip(CASES, found, strict=True) if value < -1e8] == [
        2,
        1,
    ]


def test_probabilities_of_all_labellings_sum_to_one(head):
    log_probabilities = head(
        np.random.default_rng(1).normal(size=(1, 3, VOCABULARY)), np.ones((1, 3), bool)
    )
    labellings = {tuple(collapse(path)) for path in itertools.product(range(3), repeat=3)}
    labels = np.zeros((len(labellings), 3), "int32")
    for row, own in zip(labels, labellings, strict=True):
        row[: len(own)] = own
    found = ctc_log_likelihood(ops.repeat(log_probabilities, len(labels), axis=0), labels)
    assert np.exp(to_array(found)[to_array(found) > -1e8]).sum() == pytest.approx(1, abs=1e-5)


def test_gradients_are_those_of_numerical_differences_and_finite(batch, head):
    logits, mask, labels = batch
    weights = np.linspace(0.5, 1.5, len(CASES)).astype("float32")
    loss = CTCLoss(reduction="sum")

    def total(values):
        return loss(labels, head(values, mask), weights)

    found = gradient(total, logits)
    assert np.isfinite(found).all()
    possible = [len(own) + (own == [1, 1]) <= frames for frames, own in CASES]
    np.testing.assert_array_equal(found[~np.array(possible)], 0)
    np.testing.assert_array_equal(found[~mask], 0)
    step = 1e-2
    for place in [(0, 0, 1), (0, 3, 2), (1, 1, 0), (1, 2, 1), (2, 1, 2), (3, 0, 0), (4, 1, 1)]:
        moved = np.zeros_like(logits)
        moved[place] = step
        above, below = (float(to_array(total(logits + sign * moved))) for sign in (1, -1))
        assert found[place] == pytest.approx((above - below) / (2 * step), abs=2e-3)


def gradient(function, values):
    """The gradient of a scalar function of one array."""
    backend = keras.config.backend()
    if backend == "jax":
        import jax

        return np.asarray(jax.jit(jax.grad(function))(values))
    if backend == "torch":
        import torch

        tensor = torch.tensor(values, requires_grad=True)
        function(tensor).backward()
        return tensor.grad.numpy()
    import tensorflow as tf

    tensor = tf.constant(values)

    @tf.function(jit_compile=True)
    def run(tensor):
        with tf.GradientTape() as tape:
            tape.watch(tensor)
            value = function(tensor)
        return tape.gradient(value, tensor)

    return run(tensor).numpy()


def test_loss_is_per_label_and_leaves_out_what_is_impossible(batch, head):
    logits, mask, labels = batch
    log_probabilities = head(logits, mask)
    found = to_array(CTCLoss(reduction=None)(labels, log_probabilities))
    likelihoods = to_array(ctc_log_likelihood(log_probabilities, labels))
    counts = np.array([max(len(own), 1) for _, own in CASES])
    expected = np.where(likelihoods > -1e8, -likelihoods / counts, 0)
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert found[-1] == 0  # neither frames nor labels


def test_torch_computes_the_same_values_and_gradients(head):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(3)
    logits = rng.normal(size=(4, 30, VOCABULARY)).astype("float32")
    labels = rng.integers(1, VOCABULARY, size=(4, 9)).astype("int32")
    frames, counts = [30, 25, 20, 30], [9, 5, 7, 0]
    for row, count in zip(labels, counts, strict=True):
        row[count:] = 0
    mask = np.arange(30) < np.array(frames)[:, None]
    found = -to_array(ctc_log_likelihood(head(logits, mask), labels))
    tensor = torch.tensor(logits, requires_grad=True)
    native = torch.nn.functional.ctc_loss(
        tensor.log_softmax(-1).transpose(0, 1),
        torch.tensor(labels),
        torch.tensor(frames),
        torch.tensor(counts),
        reduction="none",
    )
    native.sum().backward()
    np.testing.assert_allclose(found, native.detach().numpy(), rtol=1e-5, atol=1e-4)
    ours = gradient(lambda x: -ops.sum(ctc_log_likelihood(head(x, mask), labels)), logits)
    np.testing.assert_allclose(ours, tensor.grad.numpy(), atol=2e-5)


@pytest.mark.once
def test_head_is_certain_of_blanks_at_padding_and_finite(head):
    logits = np.zeros((1, 2, VOCABULARY), "float32")
    found = to_array(head(logits, np.array([[True, False]])))[0]
    np.testing.assert_allclose(found[0], np.log(1 / 3), atol=1e-6)
    assert found[1].tolist() == [0, -1e9, -1e9]
    mixed = CTCHead(4, dtype="mixed_bfloat16")
    found = mixed(np.ones((1, 2, 3), "float32"), np.ones((1, 2), bool))
    assert keras.backend.standardize_dtype(found.dtype) == "float32"
    assert CTCHead.from_config(mixed.get_config()).get_config() == mixed.get_config()
