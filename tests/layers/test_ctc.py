"""CTC: against the sum over all alignments, and against torch's own loss.

One batch holds all cases, of which one program computes the values and the gradients.
"""

import itertools

import keras
import numpy as np
import pytest
from keras import ops

from zoo.decoding.ctc import labels_log_probability
from zoo.layers import CTCHead, CTCLoss, ctc_log_likelihood

VOCABULARY, LONGEST, STEP = 3, 24, 1e-2
# Frames and labels: repeats, none, as many as frames, and more than there can be.
CASES = [
    (4, (1, 2)),
    (4, (1, 1)),
    (3, (2,)),
    (4, ()),
    (2, (1, 2)),
    (2, (1, 1)),
    (1, (1, 2)),
    (0, ()),
]
LONG = [(24, 9), (20, 5), (18, 7), (24, 0)]  # frames and number of labels
ALL = sorted({tuple(k for k, _ in itertools.groupby(path) if k)
              for path in itertools.product(range(VOCABULARY), repeat=3)})  # fmt: skip
MOVED = [(0, 0, 1), (0, 3, 2), (1, 1, 0), (1, 2, 1), (2, 1, 2), (3, 0, 0), (4, 1, 1)]


def make_batch():
    """Logits, mask and labels: the cases, long rows, one recording with all labellings, and the
    cases with one logit moved up or down."""
    rng = np.random.default_rng(0)
    rows = [(rng.normal(size=(frames, VOCABULARY)), labels) for frames, labels in CASES]
    for frames, count in LONG:
        labels = tuple(rng.integers(1, VOCABULARY, size=count))
        rows.append((rng.normal(size=(frames, VOCABULARY)), labels))
    one = rng.normal(size=(3, VOCABULARY))
    rows += [(one, labels) for labels in ALL]
    for (row, *place), sign in itertools.product(MOVED, (1, -1)):
        logits = rows[row][0].copy()
        logits[tuple(place)] += sign * STEP
        rows.append((logits, rows[row][1]))
    logits = np.zeros((len(rows), LONGEST, VOCABULARY), "float32")
    mask, labels = np.zeros(logits.shape[:2], "bool"), np.zeros((len(rows), 9), "int32")
    for i, (own, written) in enumerate(rows):
        logits[i, : len(own)], mask[i, : len(own)] = own, True
        labels[i, : len(written)] = written
    return logits, mask, labels


class Computed:
    """The batch with its log-probabilities, likelihoods, losses and gradients as arrays."""

    def __init__(self):
        self.logits, self.mask, self.labels = make_batch()
        head = CTCHead(VOCABULARY)
        head.build((None, None, VOCABULARY), (None, None))
        head.projection.set_weights([np.eye(VOCABULARY), np.zeros(VOCABULARY)])
        loss = CTCLoss(reduction=None)

        def run(logits):
            log_probabilities = head(logits, ops.convert_to_tensor(self.mask))
            found = ctc_log_likelihood(log_probabilities, self.labels)
            losses = loss(self.labels, log_probabilities)
            return ops.sum(found), (log_probabilities, found, losses)

        self.gradient, found = value_and_gradient(run, self.logits)
        self.log_probabilities, self.likelihoods, self.losses = map(ops.convert_to_numpy, found)


def value_and_gradient(function, values):
    """The gradient of the first output of a function of one array, and the other outputs."""
    backend = keras.config.backend()
    if backend == "jax":
        import jax

        (_, others), gradient = jax.jit(jax.value_and_grad(function, has_aux=True))(values)
        return np.asarray(gradient), others
    if backend == "torch":
        import torch

        tensor = torch.tensor(values, requires_grad=True)
        total, others = function(tensor)
        total.backward()
        return tensor.grad.numpy(), [it.detach() for it in others]
    import tensorflow as tf

    @tf.function(jit_compile=True)
    def run(tensor):
        with tf.GradientTape() as tape:
            tape.watch(tensor)
            total, others = function(tensor)
        return tape.gradient(total, tensor), others

    gradient, others = run(tf.constant(values))
    return gradient.numpy(), others


@pytest.fixture(scope="module")
def computed():
    return Computed()


def brute_force(log_probabilities, labels):
    """The log of the summed probability of all paths that collapse to the labels."""
    scores = [
        sum(log_probabilities[t, label] for t, label in enumerate(path))
        for path in itertools.product(range(VOCABULARY), repeat=len(log_probabilities))
        if tuple(label for label, _ in itertools.groupby(path) if label) == labels
    ]
    return np.logaddexp.reduce(scores) if scores else -np.inf


def test_likelihood_is_the_sum_over_all_alignments(computed):
    impossible = []
    for row, (frames, labels) in enumerate(CASES):
        expected = brute_force(computed.log_probabilities[row, :frames], labels)
        if np.isinf(expected):
            impossible.append((frames, labels))
            assert computed.likelihoods[row] <= -1e8
        else:
            assert computed.likelihoods[row] == pytest.approx(expected, abs=1e-5)
    assert impossible == [(2, (1, 1)), (1, (1, 2))]


def test_a_batch_without_labels_is_all_blank():
    frames = np.log(np.full((2, 3, 4), 0.25, "float32"))
    found = ctc_log_likelihood(frames, np.zeros((2, 0), "int32"))
    np.testing.assert_allclose(keras.ops.convert_to_numpy(found), 3 * np.log(0.25), rtol=1e-6)


def test_probabilities_of_all_labellings_sum_to_one(computed):
    start = len(CASES) + len(LONG)
    found = computed.likelihoods[start : start + len(ALL)]
    assert np.exp(found).sum() == pytest.approx(1, abs=1e-5)


def test_gradients_are_those_of_numerical_differences_and_finite(computed):
    assert np.isfinite(computed.gradient).all()
    np.testing.assert_array_equal(computed.gradient[5:8], 0)  # impossible, or empty
    np.testing.assert_array_equal(computed.gradient[~computed.mask], 0)
    moved = computed.likelihoods[-2 * len(MOVED) :].reshape(-1, 2)
    for place, (above, below) in zip(MOVED, moved, strict=True):
        assert computed.gradient[place] == pytest.approx((above - below) / (2 * STEP), abs=2e-3)


def test_likelihoods_of_long_rows_are_those_of_numpy(computed):
    start = len(CASES)
    for row, (frames, count) in enumerate(LONG, start):
        steps, labels = computed.log_probabilities[row, :frames], computed.labels[row, :count]
        expected = labels_log_probability(steps, labels)
        assert computed.likelihoods[row] == pytest.approx(expected, rel=1e-5)


@pytest.mark.once
def test_torch_computes_the_same_values_and_gradients(computed):
    import torch

    rows = slice(len(CASES), len(CASES) + len(LONG))
    frames, counts = zip(*LONG, strict=True)
    tensor = torch.tensor(computed.logits[rows], requires_grad=True)
    native = torch.nn.functional.ctc_loss(
        tensor.log_softmax(-1).transpose(0, 1),
        torch.tensor(computed.labels[rows]),
        torch.tensor(frames),
        torch.tensor(counts),
        reduction="none",
    )
    native.sum().backward()
    np.testing.assert_allclose(-computed.likelihoods[rows], native.detach().numpy(), rtol=1e-5)
    np.testing.assert_allclose(-computed.gradient[rows], tensor.grad.numpy(), atol=1e-5)


def test_loss_is_per_label_and_leaves_out_what_is_impossible(computed):
    counts = np.maximum((computed.labels > 0).sum(axis=1), 1)
    possible = computed.likelihoods > -1e8
    expected = np.where(possible, -computed.likelihoods / counts, 0)
    np.testing.assert_allclose(computed.losses, expected, rtol=1e-5, atol=1e-6)
    assert (~possible).sum() == 2 and computed.losses[7] == 0  # neither frames nor labels


def test_head_is_certain_of_blanks_at_padding(computed):
    padded = computed.log_probabilities[~computed.mask]
    np.testing.assert_array_equal(padded, [[0, -1e9, -1e9]] * len(padded))
    sums = np.exp(computed.log_probabilities[computed.mask]).sum(axis=-1)
    np.testing.assert_allclose(sums, 1, atol=1e-5)


@pytest.mark.once
def test_head_computes_in_float32():
    mixed = CTCHead(4, dtype="mixed_bfloat16")
    found = mixed(keras.Input((None, 3)), keras.Input((None,), dtype="bool"))
    assert keras.backend.standardize_dtype(found.dtype) == "float32"
    assert CTCHead.from_config(mixed.get_config()).get_config() == mixed.get_config()
