import keras
import numpy as np
import pytest
from keras import ops

from tests.compiled import call, compiled
from zoo.choices import CELLS
from zoo.layers import RecurrentEncoder
from zoo.layers.recurrence import dispatch, run_recurrent

LENGTHS = np.array([6, 3, 0, 1])
MASK = np.arange(6)[None, :] < LENGTHS[:, None]


def sequences(features=5, seed=0):
    return np.random.default_rng(seed).normal(size=(4, 6, features)).astype("float32")


def stock_states(encoder, inputs):
    """The same stack from Keras' own masked layers, on the encoder's weights."""
    shape, stack = inputs.shape, []
    for directions in encoder.stack:
        stack.append([])
        for backwards, layer in enumerate(directions):
            stock = CELLS[encoder.cell](
                encoder.units, return_sequences=True, go_backwards=bool(backwards)
            )
            stock.build(shape)
            stock.set_weights(layer.get_weights())
            stack[-1].append(stock)
        shape = (*shape[:2], encoder.units * len(directions))

    def run(states, mask):
        for directions in stack:
            outputs = [stock(states, mask=mask) for stock in directions]
            outputs[1:] = [ops.flip(output, axis=1) for output in outputs[1:]]  # backwards
            states = ops.concatenate(outputs, axis=-1) * ops.cast(mask, "float32")[:, :, None]
        return states

    arrays = ops.convert_to_tensor(inputs), ops.convert_to_tensor(MASK)
    return ops.convert_to_numpy(compiled(run)(*arrays))


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("bidirectional", [False, True])
def test_outputs_equal_those_of_keras_masked_layers(cell, bidirectional):
    encoder = RecurrentEncoder(cell, units=4, num_layers=2, bidirectional=bidirectional)
    inputs = sequences()
    states = ops.convert_to_numpy(call(encoder, inputs, padding_mask=MASK))
    np.testing.assert_allclose(states, stock_states(encoder, inputs), atol=1e-5)
    assert states.shape == (4, 6, 8 if bidirectional else 4)


@pytest.mark.parametrize("cell", CELLS)
def test_gradients_equal_those_of_keras_masked_layers(cell):
    targets = np.random.default_rng(1).normal(size=(4, 6, 4)).astype("float32")
    inputs, mask = keras.Input((6, 5)), keras.Input((6,), dtype="bool")
    stock = CELLS[cell](4, return_sequences=True)(inputs, mask=mask)
    ours = RecurrentEncoder(cell, 4)(inputs, padding_mask=mask)
    start, trained = None, []
    for states in (stock, ours):
        valid = ops.multiply(states, ops.cast(mask, "float32")[:, :, None])
        model = keras.Model([inputs, mask], valid)
        start = model.get_weights() if start is None else start
        model.set_weights(start)
        model.compile(keras.optimizers.SGD(10.0), "mse", jit_compile=False)
        model.train_on_batch([sequences(), MASK], targets)
        trained.append(model.get_weights())
    for before, stock, ours in zip(start, *trained, strict=True):
        assert np.abs(stock - before).max() > 1e-4  # the weights have changed
        np.testing.assert_allclose(ours, stock, atol=1e-5)


def test_without_a_mask_every_step_counts():
    encoder = RecurrentEncoder("gru", units=3, bidirectional=True)
    inputs = sequences()
    everything = np.ones_like(MASK)
    np.testing.assert_allclose(
        ops.convert_to_numpy(call(encoder, inputs)),
        ops.convert_to_numpy(call(encoder, inputs, padding_mask=everything)),
        atol=1e-6,
    )


def test_dropout_acts_between_layers_in_training_only():
    encoder = RecurrentEncoder("gru", units=8, num_layers=2, dropout=0.5)
    inputs = sequences()
    still, again = (ops.convert_to_numpy(encoder(inputs)) for _ in range(2))
    dropped = ops.convert_to_numpy(encoder(inputs, training=True))
    np.testing.assert_array_equal(still, again)
    assert np.abs(dropped - still).max() > 1e-3


def last_states(encoder, inputs, **arguments):
    """Outputs and states of an encoder as arrays."""
    outputs, states = call(encoder, inputs, **arguments)
    return ops.convert_to_numpy(outputs), [list(map(ops.convert_to_numpy, s)) for s in states]


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("cell", CELLS)
def test_last_states_equal_those_of_each_row_without_padding(cell, bidirectional):
    encoder = RecurrentEncoder(
        cell, 4, num_layers=2, bidirectional=bidirectional, return_state=True
    )
    inputs = sequences()
    rng, units = np.random.default_rng(2), 8 if bidirectional else 4
    initial = [
        [rng.normal(size=(4, units)).astype("float32") for _ in range(1 + (cell == "lstm"))]
        for _ in range(2)
    ]
    outputs, states = last_states(encoder, inputs, padding_mask=MASK, initial_state=initial)
    for row, length in enumerate(LENGTHS):
        begun = [[state[row : row + 1] for state in layer] for layer in initial]
        if length == 0:
            alone, ended = np.zeros((1, 0, units)), begun
        else:
            alone, ended = last_states(encoder, inputs[row : row + 1, :length], initial_state=begun)
        np.testing.assert_allclose(outputs[row, :length], alone[0], atol=1e-5)
        assert np.all(outputs[row, length:] == 0)
        for layer, layer_alone in zip(states, ended, strict=True):
            for state, state_alone in zip(layer, layer_alone, strict=True):
                np.testing.assert_allclose(state[row], state_alone[0], atol=1e-5)


@pytest.mark.parametrize("cell", CELLS)
def test_states_equal_those_of_keras_masked_layers(cell):
    encoder = RecurrentEncoder(cell, 4, return_state=True)
    inputs = sequences()
    initial = [np.random.default_rng(3).normal(size=(4, 4)).astype("float32")]
    initial = initial * (2 if cell == "lstm" else 1)
    _, (states,) = last_states(encoder, inputs, padding_mask=MASK, initial_state=[initial])
    stock = CELLS[cell](4, return_state=True)
    stock.build(inputs.shape)
    stock.set_weights(encoder.get_weights())
    _, *expected = stock(inputs, mask=ops.convert_to_tensor(MASK), initial_state=initial)
    for state, other in zip(states, expected, strict=True):
        np.testing.assert_allclose(state, ops.convert_to_numpy(other), atol=1e-5)


@pytest.mark.parametrize("cell", CELLS)
def test_gradients_of_the_states_equal_those_of_keras_masked_layers(cell):
    """Gradients of initial states and inputs too, which are weights here."""
    count = 2 if cell == "lstm" else 1
    rows, mask = keras.Input((), dtype="int32"), keras.Input((6,), dtype="bool")

    def model_of(run):
        start = [keras.layers.Embedding(4, 4, name=f"initial_{i}")(rows) for i in range(count)]
        read = keras.layers.Reshape((6, 5))(keras.layers.Embedding(4, 30, name="inputs")(rows))
        return keras.Model([rows, mask], run(read, start))

    def stock(read, start):
        layer = CELLS[cell](4, return_state=True, name="layer")
        _, *states = layer(read, mask=mask, initial_state=start)
        return keras.layers.Concatenate()([states[0], *states])

    def ours(read, start):
        encoder = RecurrentEncoder(cell, 4, return_state=True, name="layer")
        _, (states,) = encoder(read, padding_mask=mask, initial_state=[start])
        return keras.layers.Concatenate()([states[0], *states])

    weights, trained = None, []
    for run in (stock, ours):
        model = model_of(run)
        if weights is None:
            rng = np.random.default_rng(4)
            weights = {w.shape: rng.normal(size=w.shape) for w in model.weights}
        before = {w.path.split("/")[-1] + str(w.shape): w for w in model.weights}
        for weight in model.weights:
            weight.assign(weights[weight.shape])
        model.compile(keras.optimizers.SGD(1.0), "mse", jit_compile=False)
        model.train_on_batch([np.arange(4), MASK], np.ones((4, 4 * (1 + count)), "float32"))
        trained.append({name: ops.convert_to_numpy(w) for name, w in before.items()})
    assert len(trained[0]) == len(trained[1]) >= 5
    for name, other in trained[0].items():
        np.testing.assert_allclose(trained[1][name], other, atol=1e-5, err_msg=name)


@pytest.mark.skipif(keras.config.backend() != "jax", reason="cuDNN is called on JAX")
@pytest.mark.parametrize("mask", [None, MASK])
def test_cudnn_gets_the_weights_and_states_in_its_order(mask, monkeypatch):
    from jax.experimental import rnn

    def reference(x, h, c, weights, lengths, **sizes):  # without a GPU: JAX's own reference
        sizes = {name: sizes[name] for name in ("input_size", "hidden_size", "num_layers")}
        parts = rnn.unpack_lstm_weights(weights, *sizes.values(), bidirectional=False)
        return rnn.lstm_ref(x, h, c, *parts, lengths, **sizes, dropout=0.0, bidirectional=False)

    monkeypatch.setattr(rnn, "lstm", reference)
    layer = keras.layers.LSTM(4, return_sequences=True, return_state=True)
    layer.build((4, 6, 5))
    values = np.random.default_rng(1).normal(size=(2, 4, 4)).astype("float32")
    arguments = layer, ops.convert_to_tensor(sequences()), mask, list(values), True
    hidden, states = run_recurrent(*arguments)
    monkeypatch.setattr(dispatch, "cudnn_applies", lambda layer, inputs: True)
    by_cudnn, states_by_cudnn = run_recurrent(*arguments)
    valid = np.ones((4, 6), bool) if mask is None else mask
    np.testing.assert_allclose(by_cudnn[valid], hidden[valid], atol=1e-6)
    np.testing.assert_allclose(states_by_cudnn, states, atol=1e-6)


def test_padding_anywhere_is_skipped():
    encoder = RecurrentEncoder("lstm", 4, bidirectional=True, padding="any", return_state=True)
    inputs = sequences()
    holes = np.array([[0, 0, 1, 1, 1, 1], [1, 0, 1, 0, 1, 0], [0] * 6, [0] * 5 + [1]], "bool")
    outputs, (states,) = last_states(encoder, inputs, padding_mask=holes)
    assert np.all(outputs[~holes] == 0)
    for row in (0, 1, 3):
        alone, (ended,) = last_states(encoder, inputs[row : row + 1, holes[row]])
        np.testing.assert_allclose(outputs[row, holes[row]], alone[0], atol=1e-5)
        for state, state_alone in zip(states, ended, strict=True):
            np.testing.assert_allclose(state[row], state_alone[0], atol=1e-5)


def test_padding_on_the_left_is_an_error():
    with pytest.raises(ValueError, match=r"padding='any'.*row 1 is \[0, 1, 1, 1, 1, 1\]"):
        mask = np.ones((4, 6), "bool")
        mask[1, 0] = False
        RecurrentEncoder("gru", 3)(sequences(), padding_mask=mask)


def test_residual_layers_add_their_input():
    plain, residual = (
        RecurrentEncoder("gru", 5, num_layers=2, residual=residual) for residual in (False, True)
    )
    inputs = sequences()
    plain.build(inputs.shape)
    residual.build(inputs.shape)
    residual.set_weights(plain.get_weights())
    first = RecurrentEncoder("gru", 5)
    first.build(inputs.shape)
    first.set_weights(plain.get_weights()[:3])
    added = call(plain, inputs, padding_mask=MASK) + call(first, inputs, padding_mask=MASK)
    np.testing.assert_allclose(
        ops.convert_to_numpy(call(residual, inputs, padding_mask=MASK)),
        ops.convert_to_numpy(added),
        atol=1e-6,
    )


@pytest.mark.parametrize("cell", ["simple_rnn", "lstm", "gru"])  # other cells need not have it
def test_recurrent_dropout_acts_in_training_only(cell):
    encoder = RecurrentEncoder(cell, 8, recurrent_dropout=0.5, return_state=True)
    inputs = sequences()
    still, again, dropped = (
        ops.convert_to_numpy(encoder(inputs, padding_mask=MASK, training=training)[0])
        for training in (False, False, True)
    )
    np.testing.assert_array_equal(still, again)
    # The first step has no state before it to drop.
    np.testing.assert_allclose(dropped[:, 0], still[:, 0], atol=1e-6)
    assert np.abs(dropped - still).max() > 1e-3


def test_an_empty_batch_gives_an_empty_output():
    encoder = RecurrentEncoder("lstm", 4, bidirectional=True, return_state=True)
    encoder(sequences())
    outputs, (states,) = last_states(
        encoder, np.zeros((0, 6, 5), "float32"), padding_mask=np.zeros((0, 6), "bool")
    )
    assert outputs.shape == (0, 6, 8)
    assert [state.shape for state in states] == [(0, 8), (0, 8)]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"cell": "ltsm", "units": 4}, "must be one of .*gru.*Received: cell='ltsm'"),
        ({"cell": "lstm", "units": 0}, "at least 1.*units=0"),
        ({"cell": "lstm", "units": 4, "num_layers": 0}, "num_layers=0"),
        ({"cell": "lstm", "units": 4, "padding": "left"}, "padding='left'"),
    ],
)
def test_wrong_arguments_are_errors(arguments, message):
    with pytest.raises(ValueError, match=message):
        RecurrentEncoder(**arguments)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"padding_mask": MASK[:, :5]}, r"\(4, 5\).*\(4, 6, 5\)"),
        ({"padding_mask": MASK[:, :, None]}, r"\(4, 6, 1\).*\(4, 6, 5\)"),
        ({"initial_state": [[np.zeros((4, 4))]]}, r"must hold .*\(4, 4\).*Received: .*\(4, 4\)"),
        ({"initial_state": [[np.zeros((4, 3))] * 2]}, r"\(4, 4\).*Received: .*\(4, 3\)"),
    ],
)
def test_wrong_shapes_are_errors_with_both_shapes(arguments, message):
    with pytest.raises(ValueError, match=message):
        RecurrentEncoder("lstm", 4)(sequences(), **arguments)


def derived_layer(base, **options):
    """A layer that returns twice the outputs of the class it is derived from."""

    class Derived(base):
        def call(self, *arguments, **options):
            outputs, *states = super().call(*arguments, **options)
            return [2 * outputs, *states]

    return Derived(4, **options)


def layer_of_derived_cell(base, **options):
    """A layer of Keras whose cell returns twice the output of the class it is derived from."""
    layer = base(4, **options)

    class Derived(type(layer.cell)):
        def call(self, *arguments, **options):
            output, states = super().call(*arguments, **options)
            return 2 * output, states

    layer.cell = Derived.from_config(layer.cell.get_config())
    return layer


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("make", [derived_layer, layer_of_derived_cell])
def test_derived_classes_are_run_as_they_are(make, cell):
    layer = make(CELLS[cell], return_sequences=True, return_state=True)
    inputs, mask = sequences(), ops.convert_to_tensor(MASK)
    layer.build(inputs.shape)
    expected = ops.convert_to_numpy(layer(inputs, mask=mask)[0])
    found, _ = run_recurrent(layer, ops.convert_to_tensor(inputs), mask)
    np.testing.assert_allclose(ops.convert_to_numpy(found), expected, atol=1e-6)
    plain = CELLS[cell](4, return_sequences=True)
    plain.build(inputs.shape)
    plain.set_weights(layer.get_weights())
    plain = ops.convert_to_numpy(plain(inputs, mask=mask))
    np.testing.assert_allclose(expected[:, 0], 2 * plain[:, 0], atol=1e-6)
