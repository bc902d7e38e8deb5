"""Regularisation of language models: weight and embedding dropout, AR and TAR, bias."""

import keras
import numpy as np
import pytest
from keras import ops

from tests.compiled import compiled
from zoo.layers import RecurrentEncoder
from zoo.layers.bias import Bias
from zoo.layers.recurrence import run_recurrent
from zoo.layers.regularization import ActivationRegularization, EmbeddingDropout

INPUTS = np.random.default_rng(0).normal(size=(2, 5, 3)).astype("float32")


CELLS = ("simple_rnn", "lstm", "gru")


def test_recurrences_take_another_recurrent_kernel():
    """Its values are those of the layer with that kernel, on every implementation."""
    layers = [RecurrentEncoder(cell, 4) for cell in CELLS]
    for layer in layers:
        layer.build(INPUTS.shape)
    cells = [layer.stack[0][0] for layer in layers]
    kernels = [0.5 * ops.convert_to_numpy(cell.cell.recurrent_kernel) for cell in cells]

    def run(inputs, kernels):
        return [
            run_recurrent(cell, inputs, recurrent_kernel=kernel, return_state=True)
            for cell, kernel in zip(cells, kernels, strict=True)
        ]

    inputs = ops.convert_to_tensor(INPUTS)
    given = compiled(run)(inputs, list(map(ops.convert_to_tensor, kernels)))
    for cell, kernel in zip(cells, kernels, strict=True):
        cell.cell.recurrent_kernel.assign(kernel)
    own = compiled(lambda inputs: run(inputs, [None] * 3))(inputs)
    for one, other in zip(keras.tree.flatten(given), keras.tree.flatten(own), strict=True):
        np.testing.assert_allclose(
            ops.convert_to_numpy(one), ops.convert_to_numpy(other), atol=1e-5
        )


@pytest.mark.once
@pytest.mark.parametrize("cell", CELLS)
def test_weight_dropout_drops_recurrent_weights(cell):
    """A pass in training is a pass with some recurrent weights zero and the others scaled."""
    keras.utils.set_random_seed(1)
    encoder = RecurrentEncoder(cell, 4, weight_dropout=0.5)
    encoder.build(INPUTS.shape)
    plain = ops.convert_to_numpy(encoder(INPUTS))
    dropped = ops.convert_to_numpy(encoder(INPUTS, training=True))
    np.testing.assert_allclose(plain[:, 0], dropped[:, 0], atol=1e-6)  # the state before is zero
    assert abs(plain[:, 1:] - dropped[:, 1:]).max() > 1e-3
    drawn, drop = [], encoder.drop_weights.call
    encoder.drop_weights.call = lambda *args, **kw: drawn.append(drop(*args, **kw)) or drawn[-1]
    dropped = ops.convert_to_numpy(encoder(INPUTS, training=True))
    (kernel,) = [w for w in encoder.weights if w.path.endswith("recurrent_kernel")]
    value, kept = ops.convert_to_numpy(kernel), ops.convert_to_numpy(ops.stop_gradient(drawn[0]))
    assert np.all((kept == 0) | np.isclose(kept, 2 * value)) and 0 < (kept == 0).mean() < 1
    kernel.assign(kept)
    np.testing.assert_allclose(dropped, ops.convert_to_numpy(encoder(INPUTS)), atol=1e-5)


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
