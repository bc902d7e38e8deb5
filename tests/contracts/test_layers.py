"""Contracts of all public layers. A new layer adds a line to `CASES`."""

import functools
import json
import warnings
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import ops

import zoo.layers as layers
from tests.compiled import compiled
from tests.weights import assign_normal, without_seeds

MASK = np.array([[True] * 5, [True, True, True, False, False], [False] * 5])
STATES = np.random.default_rng(0).normal(size=(3, 5, 8)).astype("float32") * MASK[:, :, None]
MEMORY = np.random.default_rng(1).normal(size=(3, 2, 8)).astype("float32")
EXPECTED = Path(__file__).parent / "layer_answers.json"


class Case:
    """A layer and a function that calls it on one sequence and its padding mask.

    `causal`, for layers that can be causal, calls it such that no output depends on a later step.
    """

    def __init__(self, make, call=None, causal=None, differentiable=True):
        self.make = make
        self.causal = causal
        self.differentiable = differentiable
        self.call = call or (lambda layer, states, mask: layer(states, padding_mask=mask))

    def model(self, dtype=None):
        states = keras.Input((None, 8), name="states")
        mask = keras.Input((None,), dtype="bool", name="mask")
        layer = self.make(dtype=dtype)
        return keras.Model([states, mask], self.call(layer, states, mask)), layer


def attend(layer, states, mask):
    query = states[:, :2]
    return layer(query, states, value_mask=mask, return_attention_scores=True)


def attend_causally(layer, states):
    return layer(states, states, use_causal_mask=True)


def decode(layer, states, mask):
    return layer(
        states[:, :2],
        states,
        memory_mask=mask,
        encoder_state=states[:, 0],
        return_attention_scores=True,
    )


def decode_causally(layer, states):
    return layer(states, MEMORY, encoder_state=MEMORY[:, 0])


def spell(layer, states, mask):
    """Calls a layer on words of eight characters, and of none at padding."""
    ids = ops.cast(ops.clip(1 + 3 * ops.abs(states), 1, 8), "int32")
    return layer(ids * ops.cast(mask, "int32")[:, :, None])


def predict(layer, states, mask):
    """The logits of embedded tokens, zero at padding."""
    ids = ops.cast(ops.clip(4 + 3 * states[:, :, 0], 0, 8), "int32")
    logits = layer(layer(ids), reverse=True)
    return logits * ops.cast(mask, logits.dtype)[:, :, None]


def copy(layer, states, mask):
    """Copies in two steps from a memory whose tokens repeat, which are weighed alike."""
    valid = ops.cast(mask, "float32")
    ids = ops.cast(ops.cumsum(valid, axis=1) % 3 * valid, "int32")
    weights = valid / ops.maximum(ops.sum(valid, axis=1, keepdims=True), 1.0)  # [batch, source]
    weights = ops.stack([weights, weights], axis=1)
    return layer(states[:, 2:4], states[:, :2], states, ids, memory_mask=mask, weights=weights)


def listen(layer, states, mask):
    """Calls a layer on recordings; two frames, however far they are padded."""
    lengths = ops.sum(ops.cast(mask, "int32"), axis=1)
    return layer(states[:, :, 0], lengths)[0][:, :2]


def recognize(layer, states, mask):
    """The probabilities of labels, zero at padding."""
    return ops.exp(layer(states, mask)) * ops.cast(mask, "float32")[:, :, None]


def point(layer, states, mask):
    """The probabilities that each word points at others, zero at padding."""
    valid = ops.cast(mask, "float32")
    states = ops.cast(states, "float32")
    weights = ops.einsum("bwu,bvu->bwv", states, states) ** 2 * valid[:, None]
    weights = weights / ops.maximum(ops.sum(weights, axis=-1, keepdims=True), 1e-6)
    return ops.exp(layer(weights)) * valid[:, :, None]


def attention(make):
    return Case(make, attend, attend_causally)


def decoder(make):
    return Case(make, decode, decode_causally)


def read(make):
    """A layer that returns outputs and weights, of which the outputs at padding are left out."""

    def call(layer, states, mask):
        outputs = layer(states)[0]
        return outputs * ops.cast(mask, outputs.dtype)[:, :, None]

    return Case(make, call, lambda layer, states: layer(states)[0])


CASES = {
    # Tokens of three clusters, embedded and predicted.
    "AdaptiveEmbedding": Case(
        lambda **kw: layers.AdaptiveEmbedding(9, 8, [2, 5], 2, **kw), predict
    ),
    "AttentiveDecoder-attend_then_recur": decoder(
        lambda **kw: layers.AttentiveDecoder(
            "lstm", 4, num_layers=2, input_feeding=True, initial_state="bridge", **kw
        )
    ),
    "AttentiveDecoder-recur_then_attend": decoder(
        lambda **kw: layers.AttentiveDecoder("gru", 8, "luong_general", initial_state="last", **kw)
    ),
    "AttentiveDecoder-gate": decoder(
        lambda **kw: layers.AttentiveDecoder("gru", 4, gate=True, **kw)
    ),
    "AttentiveDecoder-first_input": decoder(
        lambda **kw: layers.AttentiveDecoder(
            "lstm", 4, "none", num_layers=2, initial_state="first_input", **kw
        )
    ),
    "AttentiveDecoder-none": decoder(
        lambda **kw: layers.AttentiveDecoder("simple_rnn", 4, "none", **kw)
    ),
    "BahdanauAttention": attention(lambda **kw: layers.BahdanauAttention(4, **kw)),
    "CausalTransformer": read(lambda **kw: layers.CausalTransformer(1, 2, 6, **kw)),
    "CharacterFeatures-cnn": Case(
        lambda **kw: layers.CharacterFeatures(9, "cnn", 4, 6, **kw), spell, differentiable=False
    ),
    "CharacterFeatures-lstm": Case(
        lambda **kw: layers.CharacterFeatures(9, "lstm", 4, 6, **kw), spell, differentiable=False
    ),
    "CTCHead": Case(lambda **kw: layers.CTCHead(6, **kw), recognize),
    "FrameStacking": Case(
        lambda **kw: layers.FrameStacking(2, **kw),
        lambda layer, states, mask: layer(states, mask)[0][:, :2],
    ),
    # Marginals are not to be trained through: its own tests see to the gradients of its loss.
    "LinearChainCRF": Case(
        lambda **kw: layers.LinearChainCRF(8, initializer="random_normal", **kw),
        lambda layer, states, mask: layer(states, mask=mask, output="marginals"),
        differentiable=False,
    ),
    "LogMel-global": Case(lambda **kw: layers.LogMel(100, 4, 2, 3, **kw), listen),
    "LogMel-recording": Case(
        lambda **kw: layers.LogMel(100, 4, 2, 3, normalization="recording", **kw), listen
    ),
    "LuongConcatAttention": attention(lambda **kw: layers.LuongConcatAttention(4, **kw)),
    "LuongDotAttention": attention(lambda **kw: layers.LuongDotAttention(**kw)),
    "LuongGeneralAttention": attention(lambda **kw: layers.LuongGeneralAttention(**kw)),
    # Not causal: the predicted centre depends on the length of the source.
    "LuongLocalAttention-predictive": Case(
        lambda **kw: layers.LuongLocalAttention(2, **kw), attend
    ),
    "LuongLocalAttention-monotonic": attention(
        lambda **kw: layers.LuongLocalAttention(2, "monotonic", **kw)
    ),
    "MultiHeadAttention": attention(lambda **kw: layers.MultiHeadAttention(2, 4, **kw)),
    "PastAttention": read(lambda **kw: layers.PastAttention("bahdanau", span=2, **kw)),
    "PointerGenerator-given_weights": Case(lambda **kw: layers.PointerGenerator(**kw), copy),
    "PointerGenerator-own_attention": Case(lambda **kw: layers.PointerGenerator(4, **kw), copy),
    "ScaledDotProductAttention": attention(lambda **kw: layers.ScaledDotProductAttention(**kw)),
    "RecurrentEncoder-bidirectional": Case(
        lambda **kw: layers.RecurrentEncoder("lstm", 4, num_layers=2, bidirectional=True, **kw)
    ),
    "RecurrentEncoder-residual": Case(
        lambda **kw: layers.RecurrentEncoder("gru", 8, num_layers=2, residual=True, **kw),
        causal=lambda layer, states: layer(states),
    ),
    "RecurrentEncoder-states": Case(
        lambda **kw: layers.RecurrentEncoder(
            "simple_rnn", 4, bidirectional=True, padding="any", return_state=True, **kw
        )
    ),
    "SpecAugment": Case(lambda **kw: layers.SpecAugment(2, 0.5, **kw)),
    "TransformerDecoder": Case(
        lambda **kw: layers.TransformerDecoder(2, 2, 6, **kw),
        lambda layer, states, mask: layer(
            states[:, :2], states, memory_mask=mask, return_attention_scores=True
        ),
        causal=lambda layer, states: layer(states, MEMORY),
    ),
    "SpectrogramConvolution": Case(
        lambda **kw: layers.SpectrogramConvolution((2, 3), **kw),
        lambda layer, states, mask: layer(states, mask),
    ),
    "WordPointer": Case(lambda **kw: layers.WordPointer([2, -1, 0, 6, 1], **kw), point),
}
for pooling in "last max mean concat bahdanau luong_general scaled_dot multi_head".split():
    CASES[f"SequencePooling-{pooling}"] = Case(
        lambda pooling=pooling, **kw: layers.SequencePooling(pooling, **kw)
    )

every_case = pytest.mark.parametrize("name", CASES)


def arrays(outputs):
    return [np.asarray(ops.convert_to_numpy(x), "float32") for x in keras.tree.flatten(outputs)]


def answers(model, states=STATES, mask=MASK):
    return arrays(compiled(lambda *inputs: model(list(inputs)))(states, mask))


@functools.cache
def known_model(name):
    """A model of the layer, and the layer, with weights that are the same on every backend.

    Made once for all tests: none of them may change it.
    """
    model, layer = CASES[name].model()
    assign_normal(without_seeds(layer.weights))
    return model, layer


@functools.cache
def known_answers(name):
    """The outputs of that model, computed once for all tests."""
    return answers(known_model(name)[0])


def test_every_public_layer_has_a_case():
    public = {name for name in layers.__all__ if isinstance(getattr(layers, name), type)}
    assert {name.split("-")[0] for name in CASES} == public - {"Attention", "CTCLoss"}


@every_case
def test_config_round_trip(name):
    _, layer = known_model(name)
    config = layer.get_config()
    assert type(layer).from_config(config).get_config() == config


# Files are written and read alike on every backend; how these layers compute is not alike.
SAVED_EVERYWHERE = ("RecurrentEncoder", "AttentiveDecoder", "LinearChainCRF")


@pytest.mark.parametrize(
    "name",
    [
        name
        if name.split("-")[0] in SAVED_EVERYWHERE
        else pytest.param(name, marks=pytest.mark.once)
        for name in CASES
    ],
)
def test_saved_model_gives_the_same_answers(name, tmp_path):
    model, _ = known_model(name)
    path = tmp_path / "model.keras"
    model.save(path)
    loaded = answers(keras.models.load_model(path))
    for x, y in zip(known_answers(name), loaded, strict=True):
        np.testing.assert_allclose(x, y, atol=1e-6)


@every_case
def test_every_backend_gives_the_same_answers(name):
    expected = json.loads(EXPECTED.read_text())[name]
    for output, numbers in zip(known_answers(name), expected, strict=True):
        np.testing.assert_allclose(output.ravel(), numbers, atol=1e-5)


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.causal])
def test_no_step_sees_a_later_one(name):
    case, (_, layer) = CASES[name], known_model(name)
    changed = STATES.copy()
    changed[:, 3:, ::2] += 1.0
    run = compiled(lambda before, after: [case.causal(layer, x) for x in (before, after)])
    before, after = arrays(run(STATES, changed))
    np.testing.assert_allclose(after[:, :3], before[:, :3], atol=1e-6)
    assert np.abs(after[:, 3:] - before[:, 3:]).max() > 1e-4


@every_case
def test_symbolic_shapes_and_values_agree(name):
    model, _ = known_model(name)
    for symbolic, value in zip(keras.tree.flatten(model.output), known_answers(name), strict=True):
        assert len(symbolic.shape) == value.ndim
        assert all(s in (None, v) for s, v in zip(symbolic.shape, value.shape, strict=True))


@every_case
def test_padding_further_changes_nothing(name):
    model, _ = known_model(name)
    longer = np.pad(STATES, ((0, 0), (0, 3), (0, 0)))
    longer_mask = np.pad(MASK, ((0, 0), (0, 3)))
    for short, long in zip(known_answers(name), answers(model, longer, longer_mask), strict=True):
        if short.shape != long.shape:
            axis = list(np.not_equal(short.shape, long.shape)).index(True)
            rest = np.take(long, range(5, 8), axis=axis)
            long = np.take(long, range(5), axis=axis)
            assert np.all(rest == 0)
        np.testing.assert_allclose(short, long, atol=1e-5)


@every_case
def test_a_fully_padded_row_is_finite(name):
    for output in known_answers(name):
        assert np.all(np.isfinite(output))


@every_case
def test_mixed_precision_stays_near_float32(name):
    model, _ = known_model(name)
    mixed, _ = CASES[name].model(dtype="mixed_bfloat16")
    mixed.set_weights(model.get_weights())
    for exact, rough in zip(known_answers(name), answers(mixed), strict=True):
        np.testing.assert_allclose(exact, rough, atol=0.1)


@every_case
def test_gradients_reach_every_weight(name):
    case = CASES[name]
    model, _ = case.model()
    if not model.trainable_weights or not case.differentiable:
        return
    head = keras.layers.GlobalAveragePooling1D(name="head")
    output = keras.tree.flatten(model.output)[0]
    output = head(output) if len(output.shape) == 3 else output
    trainer = keras.Model(model.input, output)
    jit = keras.config.backend() == "jax"  # whose eager gradients are compiled one by one
    trainer.compile(keras.optimizers.SGD(100.0), "mse", jit_compile=jit)
    before = trainer.get_weights()
    trainer.train_on_batch([STATES, MASK], np.ones((3, output.shape[-1]), "float32"))
    for weight, start, end in zip(trainer.weights, before, trainer.get_weights(), strict=True):
        # A key bias shifts all scores of a query alike, and so has no gradient.
        if "key/bias" not in weight.path and "seed_generator" not in weight.path:
            assert np.abs(end - start).max() > 0, weight.path


@every_case
def test_integers_are_cast_as_floats_of_the_same_value(name):
    """Keras casts floating inputs alone: what a layer casts to their dtype would be rounded."""
    _, layer = known_model(name)
    call = CASES[name].call
    whole = np.random.default_rng(2).integers(-2, 3, STATES.shape) * MASK[:, :, None]
    # JAX reads integers of 64 bits as those of 32.
    dtypes = ["float32", "int32", "int64"][: 2 if keras.config.backend() == "jax" else 3]
    run = compiled(lambda *inputs: [call(layer, states, MASK) for states in inputs])
    exact, *others = map(arrays, run(*(whole.astype(dtype) for dtype in dtypes)))
    for dtype, found in zip(dtypes[1:], others, strict=True):
        for x, y in zip(exact, found, strict=True):
            np.testing.assert_allclose(x, y, atol=1e-5, err_msg=dtype)


@pytest.mark.once
@every_case
def test_no_mask_is_destroyed_with_a_warning(name):
    case, (_, layer) = CASES[name], known_model(name)
    calls = [lambda states: case.call(layer, states, MASK)]
    if case.causal:
        calls.append(lambda states: case.causal(layer, states))
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message=".*destroy the mask")
        for call in calls:
            compiled(lambda states, call=call: call(keras.layers.Masking()(states)))(STATES)


def test_known_weights_of_a_layer_with_a_scalar(monkeypatch):
    class Scaled(keras.layers.Layer):
        def build(self, shape):
            self.scale = self.add_weight((), name="scale")

        def call(self, inputs):
            return inputs * self.scale

    case = Case(lambda dtype: Scaled(dtype=dtype), lambda layer, states, _: layer(states))
    monkeypatch.setitem(CASES, "Scaled", case)
    (scaled,) = known_answers("Scaled")
    expected = np.random.default_rng(0).normal()
    np.testing.assert_allclose(scaled, STATES * expected, atol=1e-6)
