import keras
import numpy as np
import pytest
from keras import ops

from zoo.layers import RecurrentEncoder
from zoo.layers.recurrent import CELLS

LENGTHS = np.array([6, 3, 0, 1])
MASK = np.arange(6)[None, :] < LENGTHS[:, None]


def sequences(features=5, seed=0):
    return np.random.default_rng(seed).normal(size=(4, 6, features)).astype("float32")


def stock_states(encoder, inputs):
    """The same stack from Keras' own masked layers, on the encoder's weights."""
    states = ops.convert_to_tensor(inputs)
    mask = ops.convert_to_tensor(MASK)
    for directions in encoder.stack:
        outputs = []
        for backwards, layer in enumerate(directions):
            stock = CELLS[encoder.cell](
                encoder.units, return_sequences=True, go_backwards=bool(backwards)
            )
            stock.build(states.shape)
            stock.set_weights(layer.get_weights())
            output = stock(states, mask=mask)
            outputs.append(ops.flip(output, axis=1) if backwards else output)
        states = ops.concatenate(outputs, axis=-1) * ops.cast(mask, "float32")[:, :, None]
    return ops.convert_to_numpy(states)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("bidirectional", [False, True])
def test_states_equal_those_of_keras_masked_layers(cell, bidirectional):
    encoder = RecurrentEncoder(cell, units=4, num_layers=2, bidirectional=bidirectional)
    inputs = sequences()
    states = ops.convert_to_numpy(encoder(inputs, padding_mask=MASK))
    np.testing.assert_allclose(states, stock_states(encoder, inputs), atol=1e-5)
    assert states.shape == (4, 6, 8 if bidirectional else 4)


@pytest.mark.parametrize("cell", CELLS)
def test_gradients_equal_those_of_keras_masked_layers(cell):
    targets = np.random.default_rng(1).normal(size=(4, 6, 4)).astype("float32")
    inputs, mask = keras.Input((6, 5)), keras.Input((6,), dtype="bool")
    stock = CELLS[cell](4, return_sequences=True)(inputs, mask=mask)
    ours = RecurrentEncoder(cell, 4)(inputs, padding_mask=mask)
    valid = keras.layers.Lambda(lambda pair: pair[0] * ops.cast(pair[1], "float32")[:, :, None])
    start, trained = None, []
    for states in (valid([stock, mask]), valid([ours, mask])):
        model = keras.Model([inputs, mask], states)
        start = model.get_weights() if start is None else start
        model.set_weights(start)
        model.compile(keras.optimizers.SGD(10.0), "mse", jit_compile=False)
        model.train_on_batch([sequences(), MASK], targets)
        trained.append(model.get_weights())
    for before, stock, ours in zip(start, *trained, strict=True):
        assert np.abs(stock - before).max() > 1e-4  # something was learnt
        np.testing.assert_allclose(ours, stock, atol=1e-5)


def test_without_a_mask_every_step_counts():
    encoder = RecurrentEncoder("gru", units=3, bidirectional=True)
    inputs = sequences()
    everything = np.ones_like(MASK)
    np.testing.assert_allclose(
        ops.convert_to_numpy(encoder(inputs)),
        ops.convert_to_numpy(encoder(inputs, padding_mask=everything)),
        atol=1e-6,
    )


def test_dropout_acts_between_layers_in_training_only():
    encoder = RecurrentEncoder("gru", units=8, num_layers=2, dropout=0.5)
    inputs = sequences()
    still, again = (ops.convert_to_numpy(encoder(inputs)) for _ in range(2))
    dropped = ops.convert_to_numpy(encoder(inputs, training=True))
    np.testing.assert_array_equal(still, again)
    assert np.abs(dropped - still).max() > 1e-3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"cell": "ltsm", "units": 4}, "must be one of .*gru.*Received: cell='ltsm'"),
        ({"cell": "lstm", "units": 0}, "at least 1.*units=0"),
        ({"cell": "lstm", "units": 4, "num_layers": 0}, "num_layers=0"),
    ],
)
def test_wrong_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        RecurrentEncoder(**arguments)
