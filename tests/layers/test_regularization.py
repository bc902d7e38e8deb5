"""Regularisation of language models: weight and embedding dropout, AR and TAR, bias."""

import keras
import numpy as np
import pytest
from keras import ops

from zoo.layers import RecurrentEncoder
from zoo.layers.bias import Bias
from zoo.layers.regularization import ActivationRegularization, EmbeddingDropout

INPUTS = np.random.default_rng(0).normal(size=(2, 5, 3)).astype("float32")


@pytest.mark.parametrize("cell", ["simple_rnn", "lstm", "gru"])
def test_weight_dropout_drops_recurrent_weights(cell):
    """A pass in training is a pass with some recurrent weights zero and the others scaled."""
    keras.utils.set_random_seed(1)
    encoder = RecurrentEncoder(cell, 4, weight_dropout=0.5)
    encoder.build(INPUTS.shape)
    (kernel,) = [w for w in encoder.weights if w.path.endswith("recurrent_kernel")]
    plain = ops.convert_to_numpy(encoder(INPUTS))
    dropped = ops.convert_to_numpy(encoder(INPUTS, training=True))
    np.testing.assert_allclose(plain[:, 0], dropped[:, 0], atol=1e-6)  # the state before is zero
    assert abs(plain[:, 1:] - dropped[:, 1:]).max() > 1e-3
    # The same mask, drawn with the same seed, on the kernel itself.
    value = ops.convert_to_numpy(kernel)
    given = []
    encoder.drop_weights.call = lambda kernel, training: given[0]  # the mask of a test
    mask = np.random.default_rng(2).random(value.shape) < 0.5
    given.append(ops.convert_to_tensor((value * mask * 2).astype("float32")))
    forced = ops.convert_to_numpy(encoder(INPUTS, training=True))
    kernel.assign(value * mask * 2)
    np.testing.assert_allclose(forced, ops.convert_to_numpy(encoder(INPUTS)), atol=1e-5)


@pytest.mark.once
def test_weight_dropout_is_for_plain_cells():
    for options in ({"cell": "gru_reset_before"}, {"cell": "lstm", "recurrent_dropout": 0.1}):
        with pytest.raises(ValueError, match="for simple_rnn, lstm, gru without recurrent_dropout"):
            RecurrentEncoder(units=4, weight_dropout=0.1, **options)


@pytest.mark.once
def test_embedding_dropout_drops_all_occurrences_of_a_word():
    keras.utils.set_random_seed(0)
    layer = EmbeddingDropout(50, rate=0.5)
    ids = np.arange(50).repeat(2).reshape(2, 50).astype("int32")
    embedded = np.ones((2, 50, 3), "float32")
    found = ops.convert_to_numpy(layer(embedded, ids, training=True))
    assert set(np.unique(found)) == {0.0, 2.0}
    by_word = found.reshape(50, 2, 3)
    assert (by_word == by_word[:, :1, :1]).all()
    assert 0.2 < (by_word[:, 0, 0] == 0).mean() < 0.8
    np.testing.assert_array_equal(ops.convert_to_numpy(layer(embedded, ids)), embedded)
    assert EmbeddingDropout.from_config(layer.get_config()).rate == 0.5


def test_activation_penalties():
    layer = ActivationRegularization(activation=2.0, temporal=3.0)
    dropped = INPUTS * 1.5
    layer(dropped, INPUTS)
    assert layer.losses == []
    found = layer(dropped, INPUTS, training=True)
    np.testing.assert_array_equal(ops.convert_to_numpy(found), dropped)
    expected = 2 * (dropped**2).mean(), 3 * ((INPUTS[:, 1:] - INPUTS[:, :-1]) ** 2).mean()
    np.testing.assert_allclose([float(ops.convert_to_numpy(x)) for x in layer.losses], expected,
                               rtol=1e-5)  # fmt: skip
    layer = ActivationRegularization(temporal=1.0)
    layer(INPUTS[:, :1], INPUTS[:, :1], training=True)
    assert layer.losses == []  # of one step nothing changes


@pytest.mark.once
def test_bias_is_zero_at_first():
    layer = Bias()
    np.testing.assert_array_equal(ops.convert_to_numpy(layer(INPUTS)), INPUTS)
    layer.bias.assign([1, 2, 3])
    np.testing.assert_allclose(ops.convert_to_numpy(layer(INPUTS)), INPUTS + [1, 2, 3], rtol=1e-6)
