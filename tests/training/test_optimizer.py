"""Learning-rate schedule, optimizer settings, averaged weights."""

import functools
import re

import keras
import numpy as np
import pytest

from zoo.training.averaging import is_stuck
from zoo.training.optimizer import (
    KeepRawWeights,
    WarmupSchedule,
    average_if_stuck,
    averaged_weights,
    compile_model,
    learning_rate,
    seed_dropout,
)
from zoo.training.parallel.group import own_draws
from zoo.training.schema import TrainingConfig

X, Y = np.eye(4, dtype="float32"), np.ones((4, 2), "float32")


def rates(schedule, steps=(0, 1, 3, 4, 7, 10, 12)):
    rate = WarmupSchedule(0.1, schedule, warmup_steps=4, total_steps=10)
    return [float(keras.ops.convert_to_numpy(rate(step))) for step in steps]


@pytest.mark.parametrize(
    "schedule, after",
    [
        ("constant", [0.1, 0.1, 0.1, 0.1]),
        ("linear", [0.1, 0.05, 0.0, 0.0]),
        ("cosine", [0.1, 0.05, 0.0, 0.0]),
        ("inverse_sqrt", [0.1 * (4 / step) ** 0.5 for step in (5, 8, 11, 13)]),
    ],
)
def test_warmup_then_decay(schedule, after):
    assert rates(schedule) == pytest.approx([0.025, 0.05, 0.1, *after], abs=1e-6)


def test_cosine_decay():
    (early,) = rates("cosine", [5])
    assert early == pytest.approx(0.1 * 0.5 * (1 + np.cos(np.pi / 6)), rel=1e-5)


def test_first_step_without_warmup_has_the_peak_rate():
    assert float(WarmupSchedule(0.1, "linear", 0, 10)(0)) == pytest.approx(0.1)


def test_warmup_longer_than_training():
    assert float(WarmupSchedule(0.1, "cosine", 20, 10)(9)) == pytest.approx(0.05)


def compiled(steps=10, **settings):
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
    settings = {"optimizer": "sgd", "learning_rate": 0.1, "clip_norm": None} | settings
    compile_model(model, TrainingConfig(**settings), steps, loss="mse")
    return model


def fit(model, epochs=1, **options):
    model.fit(X, Y, batch_size=4, epochs=epochs, shuffle=False, verbose=0, **options)


def test_learning_rate_is_that_of_the_optimizer():
    model = compiled(schedule="linear", warmup_steps=2)
    for step in range(3):
        at = float(keras.ops.convert_to_numpy(model.optimizer.learning_rate))
        assert learning_rate(model, step) == pytest.approx(at)
        fit(model)


def test_weight_decay_is_decoupled_and_excludes_biases():
    model = compiled(optimizer="adamw", weight_decay=0.5, learning_rate=0.1)
    kernel = np.array(model.layers[0].kernel)
    model.layers[0].bias.assign([3.0, 3.0])
    twin = compiled(optimizer="adamw", weight_decay=0.0, learning_rate=0.1)
    twin.layers[0].bias.assign([3.0, 3.0])
    fit(model), fit(twin)
    found, expected = model.get_weights(), twin.get_weights()
    np.testing.assert_allclose(found[0], expected[0] - 0.1 * 0.5 * kernel, atol=1e-5)
    np.testing.assert_allclose(found[1], expected[1], atol=1e-6)


@pytest.mark.skipif(keras.config.backend() != "torch", reason="there is a fused kernel on torch")
@pytest.mark.parametrize("is_contiguous", [True, False])
@pytest.mark.parametrize("options", [{}, {"clip_norm": 0.5, "weight_decay": 0.1, "accumulate": 2}])
def test_fused_adam_is_that_of_keras(options, is_contiguous):
    model = compiled(optimizer="adamw", **options)
    assert type(model.optimizer).__name__ == "FusedAdam"
    if not is_contiguous:
        kernel = model.layers[0].kernel
        kernel._value = kernel.value.data.T.contiguous().T.requires_grad_()
    plain = keras.optimizers.Adam.from_config(model.optimizer.get_config())
    model.layers[0].bias.assign([3.0, -2.0])
    weights = model.trainable_variables
    twins = [keras.Variable(np.array(weight)) for weight in weights]
    plain.exclude_from_weight_decay(var_list=twins[1:])
    plain.build(twins)
    rng = np.random.default_rng(0)
    for scale in (1.0, 0.01, 10.0, 0.0):
        grads = [rng.normal(0, scale, weight.shape).astype("float32") for weight in weights]
        for optimizer, variables in ((model.optimizer, weights), (plain, twins)):
            optimizer.apply([keras.ops.array(grad) for grad in grads], variables)
    for found, expected in zip(weights, twins, strict=True):
        np.testing.assert_allclose(np.array(found), np.array(expected), rtol=1e-5, atol=1e-6)


@pytest.mark.skipif(keras.config.backend() != "torch", reason="torch.compile is of torch")
def test_a_step_that_torch_compiles_equals_one_that_it_does_not(monkeypatch):
    import torch

    # Traced like any step with `training.jit`, and run without a compiler of C++.
    monkeypatch.setattr(torch, "compile", functools.partial(torch.compile, backend="aot_eager"))
    settings = {"optimizer": "adamw", "clip_norm": 0.5, "weight_decay": 0.1}
    models = [compiled(jit=jit, **settings) for jit in (False, True)]
    models[1].set_weights(models[0].get_weights())
    for model in models:
        fit(model)
    for found, expected in zip(*(model.get_weights() for model in models), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


def test_the_mean_squared_gradient_decays_at_the_given_rate():
    settings = {"optimizer": "adam", "learning_rate": 0.1}
    slow, fast, start = compiled(**settings), compiled(beta_2=0.5, **settings), None
    for model in (slow, fast):
        model.set_weights(start := start or model.get_weights())
        fit(model)  # the first update is that of the signs alone
    np.testing.assert_allclose(slow.get_weights()[0], fast.get_weights()[0], atol=1e-3)
    for model in (slow, fast):
        fit(model, epochs=2)
    assert not np.allclose(slow.get_weights()[0], fast.get_weights()[0], atol=1e-3)


def test_gradients_are_clipped_by_their_global_norm():
    model = compiled(clip_norm=0.01, learning_rate=1.0)
    before = model.get_weights()
    fit(model)
    change = [b - a for a, b in zip(before, model.get_weights(), strict=True)]
    norm = np.sqrt(sum((one**2).sum() for one in change))
    assert norm == pytest.approx(0.01, rel=1e-3)


@pytest.mark.parametrize("precision", ["float32", "mixed_float16"])
def test_averages_are_evaluated_and_training_continues_from_the_raw_weights(precision):
    settings = {"ema": 0.5, "precision": precision}
    model, twin = compiled(**settings), compiled()
    averages = None
    for _ in range(3):
        raw = KeepRawWeights()
        fit(model, callbacks=[raw])
        raw.restore()
        fit(twin)
        weights = [np.array(w) for w in twin.get_weights()]
        # Keras starts the average from the weights after the first step
        averages = (
            weights
            if averages is None
            else [0.5 * a + 0.5 * w for a, w in zip(averages, weights, strict=True)]
        )
        for found, expected in zip(model.get_weights(), weights, strict=True):
            np.testing.assert_allclose(found, expected, atol=1e-6)
        with averaged_weights(model):
            for found, expected in zip(model.get_weights(), averages, strict=True):
                np.testing.assert_allclose(found, expected, atol=1e-6)
            model.predict_on_batch(X)  # on JAX a compiled step may donate its arrays
        for found, expected in zip(model.get_weights(), weights, strict=True):
            np.testing.assert_allclose(found, expected, atol=1e-6)
        assert all(np.isfinite(np.array(v)).all() for v in model.optimizer.variables)


@pytest.mark.parametrize("precision", ["float32", "mixed_float16"])
def test_weights_are_averaged_once_the_score_is_stuck(precision):
    """The average is the weights themselves, and from then on their mean over all steps."""
    model = compiled(average_trigger=1, precision=precision)
    scores = [3.0, 2.0, 2.5, 2.5, 2.6, 2.7, 1.0]
    averaged = []
    for epoch in range(7):
        raw = KeepRawWeights()
        fit(model, callbacks=[raw])
        raw.restore()
        weights = model.get_weights()
        averaged = [*averaged, weights] if epoch > 4 else [weights]
        with averaged_weights(model):
            for found, *expected in zip(model.get_weights(), *averaged, strict=True):
                np.testing.assert_allclose(found, np.mean(expected, axis=0), atol=1e-6)
        # The fourth score is worse than the best of the first two; it begins only once.
        assert average_if_stuck(model, scores[: epoch + 1], 1, "min") == (epoch == 3)


@pytest.mark.once
@pytest.mark.parametrize(
    "scores, expected",
    [([2, 3, 4], False), ([2, 3, 4, 5], True), ([5, 4, 3, 2], False), ([5, 3, 4, 4], False)],
)
def test_scores_are_stuck_when_worse_than_all_before_the_interval(scores, expected):
    assert is_stuck(scores, 2, "min") is expected
    assert is_stuck([-score for score in scores], 2, "max") is expected


@pytest.mark.once
@pytest.mark.parametrize(
    "settings, message",
    [
        ({"ema": 0.9}, "average the weights: leave one of them null"),
        ({"accumulate": 2}, "average_last in place of the other averages"),
        ({"patience": 6}, "patience to at least average_trigger . 2"),
    ],
)
def test_settings_that_do_not_go_with_a_trigger(settings, message):
    (conflict,) = TrainingConfig(average_trigger=5, **settings).conflicts()
    assert re.search(message, str(conflict))
    assert not list(TrainingConfig(average_trigger=5, patience=7).conflicts())


@pytest.mark.parametrize("optimizer, clip_norm", [("adamw", None), ("sgd", 0.3)])
def test_gradients_of_a_repeated_token_are_summed_first(optimizer, clip_norm):
    tokens, truth = np.array([1, 2, 1, 1, 0, 2]), np.linspace(-1, 1, 12).reshape(6, 2)
    start = np.arange(8.0).reshape(4, 2)
    settings = TrainingConfig(optimizer=optimizer, learning_rate=0.1, clip_norm=clip_norm)
    trained = []
    for layer, inputs in (
        (keras.layers.Embedding(4, 2), tokens),
        (keras.layers.Dense(2, use_bias=False), np.eye(4)[tokens]),
    ):
        model = keras.Sequential([keras.Input(inputs.shape[1:]), layer])
        model.set_weights([start])
        compile_model(model, settings, 4, loss="mse")
        model.fit(inputs, truth, batch_size=6, epochs=2, verbose=0)
        trained += model.get_weights()
    np.testing.assert_allclose(*trained, atol=1e-5)
    assert np.abs(trained[0] - start).max() > 0.04


@pytest.mark.parametrize("optimizer, tolerance", [("sgd", 1e-5), ("adamw", 1e-4)])
def test_accumulated_batches_are_one_large_batch(optimizer, tolerance):
    xla = keras.config.backend() == "tensorflow" and optimizer == "adamw"
    tokens = np.array([[1, 2], [2, 0], [3, 3], [0, 1], [2, 2], [1, 0]] * 2)
    truth = np.linspace(-1, 1, 24, dtype="float32").reshape(12, 2)

    def trained(batch_size, accumulate):
        keras.utils.set_random_seed(0)
        model = keras.Sequential(
            [
                keras.Input((2,), dtype="int32"),
                keras.layers.Embedding(5, 3),
                keras.layers.Flatten(),
                keras.layers.Dense(2),
            ]
        )
        settings = TrainingConfig(
            optimizer=optimizer,
            accumulate=accumulate,
            learning_rate=0.1,
            schedule="inverse_sqrt",
            warmup_steps=2,
            weight_decay=0.1,
            clip_norm=0.3,
            jit=(accumulate > 1) if xla else None,
        )
        compile_model(model, settings, 4, loss="mse")
        model.fit(tokens, truth, batch_size=batch_size, shuffle=False, verbose=0)
        return model

    once, thrice = trained(6, 1), trained(2, 3)
    for found, expected in zip(thrice.get_weights(), once.get_weights(), strict=True):
        np.testing.assert_allclose(found, expected, atol=tolerance)
    # The rate changes with the updates, not with the batches.
    rates = [learning_rate(thrice, batch) for batch in range(6)]
    assert rates == pytest.approx([0.05] * 3 + [0.1] * 3)
    assert [learning_rate(once, batch) for batch in range(2)] == pytest.approx([0.05, 0.1])


def test_averaged_weights_without_ema_changes_nothing():
    model = compiled()
    before = model.get_weights()
    with averaged_weights(model):
        for found, expected in zip(model.get_weights(), before, strict=True):
            np.testing.assert_array_equal(found, expected)


def test_xla_is_the_default_on_jax_alone():
    inputs = keras.Input((3,))
    model = keras.Model(inputs, keras.layers.Dense(2)(inputs))
    for chosen, expected in ((None, keras.config.backend() == "jax"), (True, True), (False, False)):
        compile_model(model, TrainingConfig(jit=chosen), 1, loss="mse")
        assert model.jit_compile == expected


def dropped(seeds=None):
    """Places that a dropout layer drops, as a tuple."""
    dropout = keras.layers.Dropout(0.5, seed=seeds)
    return tuple(np.array(keras.ops.convert_to_numpy(dropout(np.ones(64), training=True)) == 0))


@pytest.mark.skipif(keras.config.backend() != "torch", reason="others have seeds in the model")
def test_dropout_is_a_function_of_seed_step_and_rank():
    def mask(*place):
        seed_dropout(*place)
        return dropped()

    places = [(1, 2), (1, 3), (2, 2), (1, 2, 1), (1, 2, 2), (1, 3, 1)]
    masks = [mask(*place) for place in places]
    assert len(set(masks)) == len(places)
    assert [mask(*place) for place in places] == masks and mask(1, 2, 0) == masks[0]


@pytest.mark.skipif(keras.config.backend() == "jax", reason="masks are of a whole batch")
def test_devices_drop_different_places():
    def mask(number):
        with own_draws(lambda: number):
            return dropped(7)

    masks = [mask(number) for number in (0, 1, 2)]
    assert len(set(masks)) == 3 and mask(1) == masks[1]
    assert dropped(7) == masks[0]
