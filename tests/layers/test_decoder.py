import keras
import numpy as np
import pytest
from keras import ops

from tests.compiled import compiled
from zoo.choices import ATTENTIONS
from zoo.data.batches import Batches
from zoo.data.planning import plan_batches
from zoo.layers import Attention, AttentiveDecoder, BahdanauAttention, RecurrentEncoder
from zoo.layers.recurrence import scanning

BATCH, TARGET, SOURCE, UNITS = 3, 4, 5, 8
MASK = np.array([[True] * 5, [True, True, True, False, False], [False] * 5])


def random(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


INPUTS = random(BATCH, TARGET, 6)
MEMORY = random(BATCH, SOURCE, UNITS, seed=1) * MASK[:, :, None]
STATE = random(BATCH, UNITS, seed=2)


def array(tensor):
    return ops.convert_to_numpy(tensor)


def arrays(nest):
    return [array(x) for x in keras.tree.flatten(nest)]


def build(decoder, encoder_state=STATE):
    if not decoder.built:
        states = keras.tree.map_structure(lambda x: keras.KerasTensor(x.shape), encoder_state)
        inputs, memory = keras.KerasTensor(INPUTS.shape), keras.KerasTensor(MEMORY.shape)
        decoder(inputs, memory, encoder_state=states)


def all_at_once(decoder, mask=MASK, encoder_state=STATE, inputs=INPUTS, memory=MEMORY, **options):
    build(decoder, encoder_state)
    run = compiled(
        lambda *arrays: decoder(*arrays, encoder_state, return_attention_scores=True, **options)
    )
    return arrays(run(inputs, memory, mask))


def one_by_one(decoder, memory=MEMORY, mask=MASK, encoder_state=STATE, inputs=INPUTS):
    build(decoder, encoder_state)

    def run(inputs, memory, mask, encoder_state):
        state, constants = decoder.start(memory, mask, encoder_state)
        outputs, weights = [], []
        for index in range(inputs.shape[1]):
            output, state, weight = decoder.step(inputs[:, index], state, constants)
            outputs.append(output)
            weights.append(weight)
        if decoder.attention is None:
            return (ops.stack(outputs, axis=1),)
        return ops.stack(outputs, axis=1), ops.stack(weights, axis=1)

    return arrays(compiled(run)(inputs, memory, mask, encoder_state))


def assert_agree(decoder):
    by_steps = one_by_one(decoder)
    for ours, theirs in zip(all_at_once(decoder)[: len(by_steps)], by_steps, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-5)


@pytest.mark.parametrize(
    ("attention", "input_feeding"),
    [("none", False), *((name, False) for name in ATTENTIONS), ("luong_dot", True), ("none", True)],
)
def test_steps_agree_with_all_at_once(attention, input_feeding):
    decoder = AttentiveDecoder("gru", UNITS, attention, input_feeding=input_feeding)
    outputs, weights = all_at_once(decoder)
    assert outputs.shape == (BATCH, TARGET, UNITS) and weights.shape == (BATCH, TARGET, SOURCE)
    assert np.all(weights[1, :, 3:] == 0) and np.all(weights[2] == 0)
    assert_agree(decoder)


@pytest.mark.parametrize(
    ("cell", "initial_state", "order"),
    [
        ("simple_rnn", "zero", "attend_then_recur"),
        ("simple_rnn", "bridge", "recur_then_attend"),
        ("lstm", "last", "attend_then_recur"),
        ("lstm", "bridge", "recur_then_attend"),
        ("gru", "last", "recur_then_attend"),
        ("gru", "bridge", "attend_then_recur"),
    ],
)
def test_steps_agree_for_each_cell_initial_state_and_order(cell, initial_state, order):
    decoder = AttentiveDecoder(
        cell, UNITS, "luong_general", num_layers=2, order=order, initial_state=initial_state
    )
    assert_agree(decoder)


def test_monotonic_attention_gets_the_index_of_the_step():
    attention = keras.saving.get_registered_object("zoo>LuongLocalAttention")(1, "monotonic")
    decoder = AttentiveDecoder("gru", UNITS, attention)
    assert_agree(decoder)
    _, weights = all_at_once(decoder)
    assert np.all(weights[0, 3, :2] == 0) and np.all(weights[0, 0, 2:] == 0)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def lstm(x, h, c, weights):
    kernel, recurrent_kernel, bias = weights
    i, f, g, o = np.split(x @ kernel + h @ recurrent_kernel + bias, 4, axis=-1)
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    return sigmoid(o) * np.tanh(c), c


def test_attend_then_recur_computes_its_equations():
    decoder = AttentiveDecoder("lstm", UNITS, "bahdanau", input_feeding=True)
    assert decoder.order == "attend_then_recur"
    outputs, weights = all_at_once(decoder, mask=np.ones_like(MASK))
    w, u, v = decoder.attention.get_weights()
    kernel = decoder.combine.get_weights()[0]
    h = c = fed = np.zeros((BATCH, UNITS))
    for t in range(TARGET):
        scores = (np.tanh((h @ w)[:, None] + MEMORY @ u) @ v)[
            ..., 0
        ]  # of the state before the step
        alpha = np.exp(scores) / np.exp(scores).sum(-1, keepdims=True)
        context = np.einsum("bs,bsm->bm", alpha, MEMORY)
        x = np.concatenate([INPUTS[:, t], context, fed], axis=-1)
        h, c = lstm(x, h, c, decoder.stack[0].get_weights())
        fed = np.tanh(np.concatenate([context, h], axis=-1) @ kernel)
        np.testing.assert_allclose(weights[:, t], alpha, atol=1e-5)
        np.testing.assert_allclose(outputs[:, t], fed, atol=1e-5)


def test_recur_then_attend_computes_its_equations():
    decoder = AttentiveDecoder("lstm", UNITS, "luong_dot", initial_state="last")
    assert decoder.order == "recur_then_attend"
    outputs, weights = all_at_once(decoder, mask=np.ones_like(MASK))
    kernel = decoder.combine.get_weights()[0]
    h = c = STATE
    for t in range(TARGET):
        h, c = lstm(INPUTS[:, t], h, c, decoder.stack[0].get_weights())
        scores = np.einsum("bu,bsu->bs", h, MEMORY)  # of the state at the step
        alpha = np.exp(scores) / np.exp(scores).sum(-1, keepdims=True)
        context = np.einsum("bs,bsm->bm", alpha, MEMORY)
        expected = np.tanh(np.concatenate([context, h], axis=-1) @ kernel)
        np.testing.assert_allclose(weights[:, t], alpha, atol=1e-5)
        np.testing.assert_allclose(outputs[:, t], expected, atol=1e-5)


def test_without_attention_the_context_is_fixed():
    decoder = AttentiveDecoder("lstm", UNITS, "none", initial_state="bridge")
    outputs, weights = all_at_once(decoder)
    bridge, bias = decoder.bridge.get_weights()
    h, c = np.split(np.tanh(STATE @ bridge + bias), 2, axis=-1)
    for t in range(TARGET):
        x = np.concatenate([INPUTS[:, t], STATE], axis=-1)
        h, c = lstm(x, h, c, decoder.stack[0].get_weights())
        expected = np.tanh(np.concatenate([STATE, h], axis=-1) @ decoder.combine.get_weights()[0])
        np.testing.assert_allclose(outputs[:, t], expected, atol=1e-5)
    assert np.all(weights == 0)
    other, _ = all_at_once(decoder, memory=MEMORY + 1)
    np.testing.assert_array_equal(other, outputs)  # it does not depend on the memory


def test_a_list_of_states_is_used_layer_by_layer():
    states = [[random(BATCH, UNITS, seed=10 * i + j) for j in range(2)] for i in range(2)]
    decoder = AttentiveDecoder("lstm", UNITS, num_layers=2, initial_state="last")
    outputs, _ = all_at_once(decoder, encoder_state=states)
    np.testing.assert_allclose(outputs, one_by_one(decoder, encoder_state=states)[0], atol=1e-5)
    start, _ = decoder.start(MEMORY, MASK, states)
    for ours, theirs in zip(arrays(start["recurrent"]), keras.tree.flatten(states), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    bridged = AttentiveDecoder("gru", UNITS, initial_state="bridge")
    of_list, _ = all_at_once(bridged, encoder_state=states)
    of_vector, _ = all_at_once(bridged, encoder_state=states[-1][0])
    np.testing.assert_array_equal(of_list, of_vector)


@pytest.mark.parametrize("attention", ["bahdanau", "luong_dot", "multi_head", "none"])
def test_beams_share_the_memory(attention):
    decoder = AttentiveDecoder("lstm", UNITS, attention, input_feeding=True)
    repeated = [np.repeat(x, 2, axis=0) for x in (MEMORY, MASK, STATE, INPUTS)]
    expected = one_by_one(decoder, *repeated)

    def run(rows):
        state, constants = decoder.start(MEMORY, MASK, STATE)
        state = keras.tree.map_structure(lambda x: ops.repeat(x, 2, axis=0), state)
        steps = []
        for index in range(TARGET):
            output, state, weights = decoder.step(rows[:, index], state, constants)
            steps.append((output,) if weights is None else (output, weights))
        return steps, state

    steps, state = compiled(run)(repeated[-1])
    for index, step in enumerate(steps):
        for ours, theirs in zip(arrays(step), expected, strict=True):
            np.testing.assert_allclose(ours, theirs[:, index], atol=1e-5)
    constants = decoder.start(MEMORY, MASK, STATE)[1]
    state = keras.tree.map_structure(lambda x: x[:4], state)
    with pytest.raises(ValueError, match="multiple of those of the memory. Received: 4 rows"):
        decoder.step(repeated[-1][:4, 0], state, constants)


def test_outputs_do_not_depend_on_later_inputs():
    for attention in ("bahdanau", "luong_general"):
        decoder = AttentiveDecoder("gru", UNITS, attention)
        changed = INPUTS.copy()
        changed[:, 2] += 1
        before, after = all_at_once(decoder)[0], all_at_once(decoder, inputs=changed)[0]
        np.testing.assert_array_equal(before[:, :2], after[:, :2])
        assert np.abs(before[:, 2:] - after[:, 2:]).max() > 1e-3


@pytest.mark.parametrize("attention", ["bahdanau", "luong_general"])
def test_dropout_acts_in_training_only(attention):
    decoder = AttentiveDecoder("gru", 32, attention, num_layers=2, dropout=0.5)
    still, again = all_at_once(decoder)[0], all_at_once(decoder)[0]
    dropped = array(decoder(INPUTS, MEMORY, training=True))
    np.testing.assert_array_equal(still, again)
    assert 0.3 < np.mean(dropped == 0) < 0.7


def test_a_custom_attention():
    @keras.saving.register_keras_serializable("test")
    class Nearest(Attention):
        def score(self, query, keys):
            return -ops.sum(ops.square(query[:, :, None] - keys[:, None]), axis=-1)

    decoder = AttentiveDecoder("gru", UNITS, Nearest(), order="attend_then_recur")
    assert_agree(decoder)
    again = AttentiveDecoder.from_config(decoder.get_config())
    assert isinstance(again.attention, Nearest) and again.order == "attend_then_recur"


def test_an_encoder_and_a_decoder_learn_to_copy():
    random_ = np.random.default_rng(0)
    source = random_.integers(1, 5, size=(64, 4))
    previous = np.pad(source[:, :-1], ((0, 0), (1, 0)))
    tokens, before = keras.Input((4,), dtype="int32"), keras.Input((4,), dtype="int32")
    embed = keras.layers.Embedding(5, 16)
    memory = RecurrentEncoder("gru", 16)(embed(tokens))
    states = AttentiveDecoder("gru", 16)(embed(before), memory)
    model = keras.Model([tokens, before], keras.layers.Dense(5)(states))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    is_jax = keras.config.backend() == "jax"
    model.compile(keras.optimizers.Adam(0.02), loss, jit_compile=is_jax)
    losses = [model.train_on_batch([source, previous], source) for _ in range(60)]
    assert losses[-1] < 0.5 * losses[0]


def test_both_loops_give_the_same_values_and_gradients(monkeypatch):
    weights, results = None, []
    for loop in (scanning._rolled, scanning._unrolled):
        monkeypatch.setattr(scanning, "_rolled", loop)
        monkeypatch.setattr(scanning, "_unrolled", loop)
        inputs, memory = keras.Input((TARGET, 6)), keras.Input((SOURCE, UNITS))
        model = keras.Model(
            [inputs, memory], AttentiveDecoder("lstm", UNITS, input_feeding=True)(inputs, memory)
        )
        weights = weights or model.get_weights()
        model.set_weights(weights)
        model.compile(keras.optimizers.SGD(1.0), "mse", jit_compile=False)
        outputs = array(model([INPUTS, MEMORY]))
        model.train_on_batch([INPUTS, MEMORY], np.ones_like(outputs))
        results.append([outputs, *model.get_weights()])
    for rolled, unrolled, before in zip(*results, [0, *weights], strict=True):
        np.testing.assert_allclose(rolled, unrolled, atol=1e-5)
        assert np.abs(rolled - before).max() > 1e-6


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"cell": "ltsm"}, "`cell` must be one of .*gru.*cell='ltsm'"),
        ({"order": "both"}, "`order` must be one of .*recur_then_attend.*order='both'"),
        ({"initial_state": "first"}, "`initial_state` must be one of .*bridge.*'first'"),
        ({"units": 0}, "at least 1.*units=0"),
        ({"attention": "bahdano"}, "must be one of .*bahdanau.*'bahdano'"),
        ({"attention": 3}, "`attention` must be 'none', a name.*attention=3"),
        ({"attention": None}, "`attention` must be 'none', a name.*attention=None"),
        ({"attention": None, "gate": True}, "attention=None"),
        ({"attention": "none", "gate": True}, "set gate=False.*gate=True"),
        ({"attention": "none", "order": "attend_then_recur"}, "set order=None.*attend_then"),
        ({"attention": "none", "attention_units": 3}, "leave it out.*attention_units=3"),
        ({"attention": BahdanauAttention(4), "attention_units": 3}, "attention_units=3"),
        ({"attention": "none", "initial_state": "first_input", "input_feeding": True}, "feeding"),
    ],
)
def test_wrong_arguments_are_errors(arguments, message):
    with pytest.raises(ValueError, match=message):
        AttentiveDecoder(**({"cell": "gru", "units": 4} | arguments))


@pytest.mark.parametrize(
    "options", [{"attention": "none"}, {"initial_state": "last"}, {"initial_state": "bridge"}]
)
def test_a_missing_encoder_state_is_an_error(options):
    with pytest.raises(ValueError, match="`encoder_state` is needed.*encoder_state=None"):
        AttentiveDecoder("gru", UNITS, **options)(INPUTS, MEMORY)


def test_an_encoder_state_of_wrong_size_is_an_error():
    decoder = AttentiveDecoder("lstm", 6, initial_state="last")
    with pytest.raises(ValueError, match="use 'bridge'.*sizes ..8, 8...*units=6"):
        decoder(INPUTS, MEMORY, encoder_state=STATE)


def test_a_step_without_attention_has_no_weights():
    decoder = AttentiveDecoder("gru", UNITS, "none")
    build(decoder)
    state, constants = decoder.start(MEMORY, MASK, STATE)
    assert decoder.step(INPUTS[:, 0], state, constants)[2] is None


def test_a_config_of_version_0_1_with_an_order_and_no_attention_is_read():
    config = AttentiveDecoder("gru", UNITS, "none").get_config() | {"order": "recur_then_attend"}
    assert AttentiveDecoder.from_config(config).order is None


def test_an_empty_batch_gives_an_empty_output():
    decoder = AttentiveDecoder("gru", UNITS, BahdanauAttention(4))
    build(decoder)
    state, constants = decoder.start(MEMORY[:0], MASK[:0])
    output, _, weights = decoder.step(INPUTS[:0, 0], state, constants)
    assert tuple(output.shape) == (0, UNITS) and tuple(weights.shape) == (0, SOURCE)


@pytest.mark.skipif(keras.config.backend() != "tensorflow", reason="has no such graph")
@pytest.mark.parametrize("attention", ["none", *ATTENTIONS])
def test_trains_compiled_on_sequences_of_unknown_length(attention):
    """As in a recipe, one model trains on batches of several lengths."""
    plan = plan_batches([8] * 4 + [16] * 4, [8, 16], 4, seed=0, epoch=0)
    rng = np.random.default_rng(0)

    def collate(rows, length):
        shape = (len(rows), length)
        inputs = [rng.normal(size=(*shape, units)).astype("float32") for units in (3, 8)]
        weights = np.ones(shape, "float32")
        return (*inputs, weights.astype("bool")), np.zeros((*shape, 8), "float32"), weights

    inputs, memory = keras.Input((None, 3)), keras.Input((None, 8))
    mask = keras.Input((None,), dtype="bool")
    decoder = AttentiveDecoder("gru", 8, attention, input_feeding=True)
    outputs = decoder(inputs, memory, memory_mask=mask, encoder_state=memory[:, 0])
    model = keras.Model([inputs, memory, mask], outputs)
    model.compile("sgd", "mse", jit_compile=True)
    before = model.get_weights()
    history = model.fit(Batches(plan, collate), verbose=0).history
    assert np.isfinite(history["loss"][0])
    assert any(np.any(a != b) for a, b in zip(before, model.get_weights(), strict=True))
