"""What every public layer must obey. A new layer adds a line to `CASES`."""

import keras
import numpy as np
import pytest
from keras import ops

import zoo.layers as layers

MASK = np.array([[True] * 5, [True, True, True, False, False], [False] * 5])
STATES = np.random.default_rng(0).normal(size=(3, 5, 8)).astype("float32") * MASK[:, :, None]
QUERY = np.random.default_rng(1).normal(size=(3, 2, 8)).astype("float32")


class Case:
    """A layer, and how it is called on one sequence input and its padding mask."""

    def __init__(self, make, call=None):
        self.make = make
        self.call = call or (lambda layer, states, mask: layer(states, padding_mask=mask))

    def model(self, dtype=None):
        states = keras.Input((None, 8), name="states")
        mask = keras.Input((None,), dtype="bool", name="mask")
        layer = self.make(dtype=dtype)
        return keras.Model([states, mask], self.call(layer, states, mask)), layer


def attend(layer, states, mask):
    query = states[:, :2]
    return layer(query, states, value_mask=mask, return_attention_scores=True)


CASES = {
    "BahdanauAttention": Case(lambda **kw: layers.BahdanauAttention(4, **kw), attend),
    "LuongGeneralAttention": Case(lambda **kw: layers.LuongGeneralAttention(**kw), attend),
    "ScaledDotProductAttention": Case(lambda **kw: layers.ScaledDotProductAttention(**kw), attend),
    "RecurrentEncoder": Case(
        lambda **kw: layers.RecurrentEncoder("lstm", 4, num_layers=2, bidirectional=True, **kw)
    ),
}
for pooling in ("last", "max", "mean", "bahdanau", "luong_general", "scaled_dot", "multi_head"):
    CASES[f"SequencePooling-{pooling}"] = Case(
        lambda pooling=pooling, **kw: layers.SequencePooling(pooling, **kw)
    )

every_case = pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())


def arrays(outputs):
    return [np.asarray(ops.convert_to_numpy(x), "float32") for x in keras.tree.flatten(outputs)]


def test_every_public_layer_has_a_case():
    assert {name.split("-")[0] for name in CASES} == set(layers.__all__) - {"Attention"}


@every_case
def test_config_round_trip(case):
    _, layer = case.model()
    config = layer.get_config()
    assert type(layer).from_config(config).get_config() == config


@every_case
def test_saved_model_gives_the_same_answers(case, tmp_path):
    model, _ = case.model()
    path = tmp_path / "model.keras"
    model.save(path)
    before, after = (
        arrays(model([STATES, MASK])),
        arrays(keras.models.load_model(path)([STATES, MASK])),
    )
    for x, y in zip(before, after, strict=True):
        np.testing.assert_allclose(x, y, atol=1e-6)


@every_case
def test_symbolic_shapes_and_eager_values_agree(case):
    model, _ = case.model()
    for symbolic, value in zip(
        keras.tree.flatten(model.output), arrays(model([STATES, MASK])), strict=True
    ):
        assert len(symbolic.shape) == value.ndim
        assert all(s in (None, v) for s, v in zip(symbolic.shape, value.shape, strict=True))


@every_case
def test_padding_further_changes_nothing(case):
    model, _ = case.model()
    longer = np.pad(STATES, ((0, 0), (0, 3), (0, 0)))
    longer_mask = np.pad(MASK, ((0, 0), (0, 3)))
    for short, long in zip(
        arrays(model([STATES, MASK])), arrays(model([longer, longer_mask])), strict=True
    ):
        if short.shape != long.shape:
            axis = list(np.not_equal(short.shape, long.shape)).index(True)
            rest = np.take(long, range(5, 8), axis=axis)
            long = np.take(long, range(5), axis=axis)
            assert np.all(rest == 0)
        np.testing.assert_allclose(short, long, atol=1e-5)


@every_case
def test_a_fully_padded_row_is_finite(case):
    model, _ = case.model()
    for output in arrays(model([STATES, MASK])):
        assert np.all(np.isfinite(output))


@every_case
def test_mixed_precision_stays_near_float32(case):
    model, _ = case.model()
    mixed, _ = case.model(dtype="mixed_bfloat16")
    mixed.set_weights(model.get_weights())
    for exact, rough in zip(
        arrays(model([STATES, MASK])), arrays(mixed([STATES, MASK])), strict=True
    ):
        np.testing.assert_allclose(exact, rough, atol=0.1)


@every_case
def test_gradients_reach_every_weight(case):
    model, _ = case.model()
    if not model.trainable_weights:
        return
    head = keras.layers.GlobalAveragePooling1D(name="head")
    output = keras.tree.flatten(model.output)[0]
    output = head(output) if len(output.shape) == 3 else output
    trainer = keras.Model(model.input, output)
    trainer.compile(keras.optimizers.SGD(100.0), "mse", jit_compile=False)
    before = trainer.get_weights()
    trainer.train_on_batch([STATES, MASK], np.ones((3, output.shape[-1]), "float32"))
    for weight, start, end in zip(trainer.weights, before, trainer.get_weights(), strict=True):
        # A key bias shifts all scores of a query alike, and so has no gradient.
        if "key/bias" not in weight.path and "seed_generator" not in weight.path:
            assert np.abs(end - start).max() > 0, weight.path
