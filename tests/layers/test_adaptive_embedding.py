"""Adaptive embeddings: rows and logits by hand, their scale at first, and impossible clusters."""

import keras
import numpy as np
import pytest
from keras import ops

from tests.weights import assign_normal
from zoo.layers import AdaptiveEmbedding


@pytest.mark.once
def test_rows_and_logits_are_those_of_one_matrix():
    """The layer is an embedding whose matrix has for each cluster a table times a projection."""
    layer = AdaptiveEmbedding(9, 8, cutoffs=[2, 5], factor=2)
    layer.build()
    assign_normal(layer.weights)
    assert [tuple(x.shape) for x in layer.weights] == [(2, 8), (3, 4), (4, 8), (4, 2), (2, 8)]
    first, second, second_up, third, third_up = map(ops.convert_to_numpy, layer.weights)
    matrix = np.concatenate([first, second @ second_up, third @ third_up])
    ids = np.array([[0, 1, 2, 4], [5, 8, 7, 3]])
    np.testing.assert_allclose(ops.convert_to_numpy(layer(ids)), matrix[ids], atol=1e-6)
    hidden = np.random.default_rng(0).normal(size=(2, 3, 8)).astype("float32")
    logits = ops.convert_to_numpy(layer(hidden, reverse=True))
    np.testing.assert_allclose(logits, hidden @ matrix.T, atol=1e-5)


@pytest.mark.once
def test_clusters_are_alike_at_first():
    keras.utils.set_random_seed(0)
    layer = AdaptiveEmbedding(6000, 64, cutoffs=[1000, 3000])
    embedded = ops.convert_to_numpy(layer(np.arange(6000)))
    hidden = np.random.default_rng(0).normal(size=(16, 64)).astype("float32")
    logits = ops.convert_to_numpy(layer(hidden, reverse=True))
    for cluster in (slice(0, 1000), slice(1000, 3000), slice(3000, 6000)):
        assert 64 * embedded[cluster].var() == pytest.approx(1, rel=0.25)
        assert logits[:, cluster].var() == pytest.approx(1, rel=0.35)


@pytest.mark.once
@pytest.mark.parametrize(
    ("cutoffs", "message"),
    [
        ([5, 2], "must rise from above 0 to below the size of the vocabulary. .*cutoffs=.5, 2."),
        ([0, 5], "must rise from above 0"),
        ([2.5], "`cutoffs` must be an integer"),
        ([2, 9], "below the size of the vocabulary. .*vocabulary_size=9"),
        ([2, 5], "the last needs at least one; raise embedding_dim.* Received: embedding_dim=8"),
    ],
)
def test_clusters_that_cannot_be(cutoffs, message):
    with pytest.raises(ValueError, match=message):
        AdaptiveEmbedding(9, 8, cutoffs)
