import keras
import numpy as np
import pytest
from keras import ops

from zoo.choices import ATTENTIONS
from zoo.layers import (
    Attention,
    BahdanauAttention,
    LuongConcatAttention,
    LuongDotAttention,
    LuongGeneralAttention,
    LuongLocalAttention,
    MultiHeadAttention,
    ScaledDotProductAttention,
)
from zoo.layers.attention import make_attention

MAKERS = {name: lambda name=name, **kw: make_attention(name, 8, **kw) for name in ATTENTIONS}
MAKERS["luong_local_monotonic"] = lambda **kw: LuongLocalAttention(2, "monotonic", **kw)
every_attention = pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)


@keras.saving.register_keras_serializable("tests")
class Cosine(Attention):
    """An attention with a score of its own."""

    def score(self, query, keys):
        return ops.einsum("btd,bsd->bts", ops.normalize(query), ops.normalize(keys))


def random(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def attend(layer, query, value, *arguments, **options):
    outputs = layer(query, value, *arguments, return_attention_scores=True, **options)
    return [ops.convert_to_numpy(output) for output in outputs]


def softmax(scores):
    exponentials = np.exp(scores - scores.max(-1, keepdims=True))
    return exponentials / exponentials.sum(-1, keepdims=True)


# Equations


def test_dot_product_reproduces_the_textbook_example():
    hidden, state = np.array([[[0.8, 0.2]]], "float32"), np.array([[[0.7, 0.3]]], "float32")
    score = LuongDotAttention().score(ops.convert_to_tensor(state), ops.convert_to_tensor(hidden))
    np.testing.assert_allclose(ops.convert_to_numpy(score), [[[0.62]]], atol=1e-6)


def test_scaled_dot_product_reproduces_the_textbook_example():
    # q·k is 112 and 96 with d = 64: scaled 14 and 12, weights 0.88 and 0.12.
    query = ops.ones((1, 1, 64))
    keys = np.stack([np.full(64, 1.75), np.full(64, 1.5)])[None].astype("float32")
    layer = ScaledDotProductAttention()
    score = layer.score(query, ops.convert_to_tensor(keys))
    np.testing.assert_allclose(ops.convert_to_numpy(score), [[[14.0, 12.0]]])
    np.testing.assert_allclose(attend(layer, query, keys)[1], [[[0.88, 0.12]]], atol=1e-2)


def test_the_output_is_the_weighted_sum():
    # A weight of 0.7 on (0.8, 0.2) contributes (0.56, 0.14).
    class Fixed(Attention):
        def score(self, query, keys):
            return ops.log(ops.convert_to_tensor([[[0.7, 0.3]]]))

    values = np.array([[[0.8, 0.2], [0.0, 0.0]]], "float32")
    output = Fixed()(np.zeros((1, 1, 2), "float32"), values)
    np.testing.assert_allclose(ops.convert_to_numpy(output), [[[0.56, 0.14]]], atol=1e-6)


def test_bahdanau_computes_its_equation():
    query, key = random(2, 3, 4), random(2, 5, 6, seed=1)
    layer = BahdanauAttention(units=7)
    layer.build(query.shape, key.shape)
    w, u, v = layer.get_weights()
    expected = np.tanh((query @ w)[:, :, None] + (key @ u)[:, None]) @ v
    np.testing.assert_allclose(attend(layer, query, key)[1], softmax(expected[..., 0]), atol=1e-5)


def test_luong_general_computes_its_equation():
    query, key = random(2, 3, 4), random(2, 5, 6, seed=1)
    layer = LuongGeneralAttention()
    layer.build(query.shape, key.shape)
    (w,) = layer.get_weights()
    expected = query @ w @ key.transpose(0, 2, 1)
    np.testing.assert_allclose(attend(layer, query, key)[1], softmax(expected), atol=1e-5)


def test_luong_concat_computes_its_equation():
    query, key = random(2, 3, 4), random(2, 5, 6, seed=1)
    layer = LuongConcatAttention(units=7)
    layer.build(query.shape, key.shape)
    w, v = layer.get_weights()
    both = np.concatenate(
        [np.repeat(query[:, :, None], 5, axis=2), np.repeat(key[:, None], 3, axis=1)], axis=-1
    )
    np.testing.assert_allclose(
        attend(layer, query, key)[1], softmax((np.tanh(both @ w) @ v)[..., 0]), atol=1e-5
    )


@pytest.mark.parametrize(
    ("window", "expected"),
    [
        # Equal scores, a source of 4 and sigmoid(0) = 1/2 put the centre on step 2. Around it
        # the softmax is uniform, and the Gaussian has deviation window / 2.
        (1, [0, np.exp(-2) / 3, 1 / 3, np.exp(-2) / 3]),
        (2, [np.exp(-2) / 4, np.exp(-1 / 2) / 4, 1 / 4, np.exp(-1 / 2) / 4]),
    ],
)
def test_predictive_local_attention_is_a_gaussian_in_a_window(window, expected):
    layer = LuongLocalAttention(window)
    layer.build((1, 1, 3), (1, 4, 3))
    layer.set_weights([np.zeros_like(weight) for weight in layer.get_weights()])
    query, value = random(1, 1, 3), random(1, 4, 3, seed=1)
    output, weights = attend(layer, query, value)
    np.testing.assert_allclose(weights, [[expected]], atol=1e-6)
    np.testing.assert_allclose(output, weights @ value, atol=1e-6)
    # The centre is relative to the valid steps, at any place.
    for pad in ((0, 3), (3, 0)):
        mask = np.pad(np.ones((1, 4), bool), ((0, 0), pad))
        padded = np.pad(value, ((0, 0), pad, (0, 0)))
        again = attend(layer, query, padded, value_mask=mask)[1]
        np.testing.assert_allclose(again[0, 0][mask[0]], expected, atol=1e-6)


def test_predictive_local_attention_computes_its_equation():
    query, key = random(2, 3, 4), random(2, 9, 6, seed=1)
    layer = LuongLocalAttention(window=3, units=5)
    layer.build(query.shape, key.shape)
    weights = {weight.name: ops.convert_to_numpy(weight) for weight in layer.weights}
    hidden = np.tanh(query @ weights["position_kernel"]) @ weights["position_scale"]
    distance = np.arange(9) - 9 / (1 + np.exp(-hidden))
    scores = query @ weights["kernel"] @ key.transpose(0, 2, 1)
    aligned = softmax(np.where(np.abs(distance) <= 3, scores, -np.inf))
    expected = aligned * np.exp(-(distance**2) / (2 * 1.5**2))
    np.testing.assert_allclose(attend(layer, query, key)[1], expected, atol=1e-5)


def test_the_centre_of_monotonic_attention_is_the_target_step():
    layer = LuongLocalAttention(window=1, alignment="monotonic")
    weights = attend(layer, np.zeros((2, 5, 3), "float32"), random(2, 4, 3))[1]
    near = np.array(
        [[1, 1, 0, 0], [1, 1, 1, 0], [0, 1, 1, 1], [0, 0, 1, 1], [0, 0, 1, 1]]
    )  # the last target step is past the source: its centre is the last source step
    np.testing.assert_allclose(
        weights, np.stack([near / near.sum(-1, keepdims=True)] * 2), atol=1e-6
    )


@pytest.mark.parametrize("value_dim", [None, 3])
@pytest.mark.parametrize("causal", [False, True])
def test_multi_head_equals_keras_own(value_dim, causal):
    query, value, key = random(2, 4, 6), random(2, 5, 7, seed=1), random(2, 5, 9, seed=2)
    mask = np.array([[True] * 5, [True, True, True, False, False]])
    stock = keras.layers.MultiHeadAttention(2, 4, value_dim=value_dim)
    stock.build(query.shape, value.shape, key.shape)
    stock.set_weights([random(*weight.shape, seed=3) for weight in stock.get_weights()])
    output, weights = stock(
        query,
        value,
        key,
        attention_mask=mask[:, None],
        use_causal_mask=causal,
        return_attention_scores=True,
    )
    for per_head in (True, False):
        ours = MultiHeadAttention(2, 4, value_dim=value_dim, per_head_scores=per_head)
        ours.build(query.shape, value.shape, key.shape)
        ours.set_weights(stock.get_weights())
        our_output, our_weights = attend(
            ours, query, value, key, value_mask=mask, use_causal_mask=causal
        )
        expected = ops.convert_to_numpy(weights)
        expected = expected if per_head else expected.mean(1)
        np.testing.assert_allclose(our_weights, expected, atol=1e-5)
        np.testing.assert_allclose(our_output, ops.convert_to_numpy(output), atol=1e-5)


def test_multi_head_may_have_its_own_output_size_and_no_biases():
    layer = MultiHeadAttention(2, 4, output_units=5, use_bias=False)
    assert layer(random(1, 2, 6), random(1, 3, 7)).shape == (1, 2, 5)
    assert [weight.shape for weight in layer.get_weights()] == [
        (6, 2, 4),
        (7, 2, 4),
        (7, 2, 4),
        (2, 4, 5),
    ]


# The base class


@every_attention
def test_weights_sum_to_one_and_a_fully_masked_row_is_zero(make):
    query, value = random(2, 3, 8), random(2, 5, 8, seed=1)
    mask = np.array([[True, True, False, True, False], [False] * 5])
    layer = make()
    output, weights = attend(layer, query, value, value_mask=mask)
    assert np.all(weights[0][:, ~mask[0]] == 0) and np.all(weights[0] >= 0)
    if not (isinstance(layer, LuongLocalAttention) and layer.alignment == "predictive"):
        np.testing.assert_allclose(weights[0].sum(-1), 1, atol=1e-6)
    assert np.all(weights[1] == 0) and np.all(output[1] == 0)


@every_attention
def test_extreme_scores_stay_finite(make):
    layer = make()
    for scale in (1e4, 1e-30):
        output, weights = attend(layer, scale * random(1, 2, 8), scale * random(1, 3, 8, seed=1))
        assert np.all(np.isfinite(output)) and np.all(np.isfinite(weights))


def test_key_mask_and_value_mask_are_combined():
    query, value = random(1, 2, 4), random(1, 3, 4, seed=1)
    masks = {
        "value_mask": np.array([[True, True, False]]),
        "key_mask": np.array([[False, True, True]]),
    }
    weights = attend(ScaledDotProductAttention(), query, value, **masks)[1]
    np.testing.assert_allclose(weights, [[[0, 1, 0]] * 2], atol=1e-6)


def test_the_output_of_masked_queries_is_zero():
    mask = np.array([[True, False]])
    output = attend(
        ScaledDotProductAttention(), random(1, 2, 4), random(1, 3, 4, seed=1), query_mask=mask
    )[0]
    assert np.any(output[0, 0] != 0) and np.all(output[0, 1] == 0)


def test_the_mask_of_an_embedding_is_used():
    embed = keras.layers.Embedding(9, 4, mask_zero=True)
    query, value = embed(np.array([[1, 2, 0]])), embed(np.array([[3, 4, 0, 0]]))
    output, weights = attend(ScaledDotProductAttention(), query, value)
    assert np.all(weights[..., 2:] == 0) and np.all(output[0, 2] == 0)
    assert np.all(weights[..., :2] > 0)


def test_keys_may_differ_from_values():
    query, value, key = random(1, 2, 4), random(1, 3, 5, seed=1), random(1, 3, 4, seed=2)
    output, weights = attend(ScaledDotProductAttention(), query, value, key)
    expected = softmax(query @ key.transpose(0, 2, 1) / 2)
    np.testing.assert_allclose(weights, expected, atol=1e-5)
    np.testing.assert_allclose(output, expected @ value, atol=1e-5)


@every_attention
@pytest.mark.parametrize("own_key", [False, True])
def test_projected_keys_give_the_same_output(make, own_key):
    query, value = random(2, 3, 8), random(2, 5, 8, seed=1)
    key = random(2, 5, 8, seed=2) if own_key else None
    layer = make()
    once = attend(layer, query, value, key)
    keys = layer.project_keys(ops.convert_to_tensor(value if key is None else key), value)
    again = attend(layer, query, value, projected_keys=keys)
    for x, y in zip(once, again, strict=True):
        np.testing.assert_allclose(x, y, atol=1e-6)


@every_attention
def test_a_causal_mask_masks_later_steps(make):
    sequence, layer = random(2, 6, 8), make()
    output, weights = attend(layer, sequence, sequence, use_causal_mask=True)
    assert np.all(weights[:, np.triu_indices(6, 1)[0], np.triu_indices(6, 1)[1]] == 0)
    changed = sequence.copy()
    changed[:, 4:] += 10
    again = attend(layer, changed, changed, use_causal_mask=True)[0]
    np.testing.assert_allclose(again[:, :4], output[:, :4], atol=1e-5)
    assert np.abs(again[:, 4:] - output[:, 4:]).max() > 1e-2


@every_attention
def test_an_attention_mask_masks_pairs_beside_the_other_masks(make):
    query, value, layer = random(2, 4, 8), random(2, 5, 8, seed=1), make()
    pairs = np.random.default_rng(2).random((2, 4, 5)) < 0.6
    pairs[0, 0] = False
    valid = np.array([[True] * 5, [True, True, True, False, False]])
    both = attend(layer, query, value, value_mask=valid, attention_mask=pairs)
    once = attend(layer, query, value, attention_mask=pairs & valid[:, None])
    assert np.all(both[1][~(pairs & valid[:, None])] == 0) and np.all(both[1][0, 0] == 0)
    lower = np.tril(np.ones((1, 5, 5), bool))  # the same for all rows
    by_mask = attend(layer, value, value, attention_mask=lower)
    causal = attend(layer, value, value, use_causal_mask=True)
    for one, other in zip((*both, *by_mask), (*once, *causal), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)


@every_attention
@pytest.mark.parametrize("causal", [False, True])
def test_step_by_step_equals_all_steps_at_once(make, causal):
    query, value, layer = random(2, 5, 8), random(2, 5, 8, seed=1), make()
    mask = np.array([[True] * 5, [True, True, True, False, False]])
    options = {"value_mask": mask, "use_causal_mask": causal}
    whole = attend(layer, query, value, **options)
    keys = layer.project_keys(ops.convert_to_tensor(value))
    for position in (lambda t: t, lambda t: np.array([t, t]), lambda t: np.array([[t], [t]])):
        for step in range(5):
            one = query[:, step : step + 1]
            options["position"] = position(step)
            for x, y in zip(
                attend(layer, one, value, projected_keys=keys, **options), whole, strict=True
            ):
                np.testing.assert_allclose(x, y[:, step : step + 1], atol=1e-5)


@every_attention
def test_an_empty_batch_gives_an_empty_output(make):
    layer = make()
    layer(random(1, 2, 8), random(1, 3, 8))
    mask = np.ones((0, 3), bool)
    output, weights = attend(layer, random(0, 2, 8), random(0, 3, 8), value_mask=mask)
    assert output.shape == (0, 2, 8) and weights.shape == (0, 2, 3)


@pytest.mark.parametrize("dtype", ["mixed_bfloat16", "float64"])
def test_weights_are_float32_or_wider(dtype):
    layer = ScaledDotProductAttention(dropout=0.1, dtype=dtype)
    if dtype == "float64" and keras.backend.backend() != "tensorflow":
        pytest.skip("Keras has no whole float64 here: promotions end in float32.")
    output, weights = layer(
        random(1, 2, 4), random(1, 300, 4, seed=1), return_attention_scores=True, training=True
    )
    expected = ("bfloat16", "float32") if dtype == "mixed_bfloat16" else ("float64", "float64")
    assert expected == tuple(keras.backend.standardize_dtype(x.dtype) for x in (output, weights))
    np.testing.assert_allclose(ops.convert_to_numpy(weights).sum(-1), 1, atol=1e-5)


def test_dropout_acts_on_weights_in_training_and_not_on_returned_weights():
    layer = ScaledDotProductAttention(dropout=0.5)
    query, value = random(50, 3, 4), np.ones((50, 7, 1), "float32")
    key = random(50, 7, 4, seed=1)
    still = attend(layer, query, value, key)[0]
    dropped, weights = attend(layer, query, value, key, training=True)
    np.testing.assert_allclose(still, 1, atol=1e-5)
    np.testing.assert_allclose(weights.sum(-1), 1, atol=1e-5)
    assert dropped.std() > 0.1
    np.testing.assert_allclose(dropped.mean(), 1, atol=0.15)  # the expectation is unchanged


def test_a_subclass_needs_a_score_only(tmp_path):
    query, value = random(2, 3, 4), random(2, 3, 4, seed=1)
    mask = np.array([[True, True, False], [True, True, True]])
    unit = [x / np.linalg.norm(x, axis=-1, keepdims=True) for x in (query, value)]
    scores = unit[0] @ unit[1].transpose(0, 2, 1)
    allowed = mask[:, None] & np.tri(3, dtype=bool)
    expected = softmax(np.where(allowed, scores, -np.inf))
    options = {"use_causal_mask": True, "return_attention_scores": True}
    inputs = [keras.Input((None, 4)), keras.Input((None, 4)), keras.Input((None,), dtype="bool")]
    layer = Cosine(dropout=0.5)
    model = keras.Model(inputs, layer(inputs[0], inputs[1], value_mask=inputs[2], **options))
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    for call in (model, loaded):
        output, weights = call([query, value, mask])
        np.testing.assert_allclose(ops.convert_to_numpy(weights), expected, atol=1e-5)
        np.testing.assert_allclose(ops.convert_to_numpy(output), expected @ value, atol=1e-5)


@every_attention
def test_symbolic_shapes_equal_those_of_the_outputs(make):
    query, value = keras.Input((3, 8)), keras.Input((None, 8))
    mask = keras.Input((5,), dtype="bool")
    output, weights = make()(query, value, value_mask=mask, return_attention_scores=True)
    assert output.shape == (None, 3, 8) and weights.shape == (None, 3, None)
    assert make()(query, value).shape == (None, 3, 8)


# Errors


@every_attention
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"value_mask": np.ones((2, 4), bool)},
            r"`value_mask` must have the shape .* of `value`.*\(2, 4\).*\(2, 5, 8\)",
        ),
        ({"key_mask": np.ones((2, 1, 5), bool)}, r"`key_mask` must.*\(2, 1, 5\).*\(2, 5, 8\)"),
        (
            {"attention_mask": np.ones((2, 5), bool)},
            r"`attention_mask` must.*`value_mask`.*\(2, 5\), expected \(2, 3, 5\)",
        ),
        ({"query_mask": np.ones((2, 5), bool)}, r"`query_mask` must.*\(2, 5\).*\(2, 3, 8\)"),
        ({"key": random(2, 4, 8)}, r"`key` must.*\(2, 4, 8\), value of shape \(2, 5, 8\)"),
        ({"value": random(3, 5, 8)}, r"`value` must have the batch size of `query`.*\(3, 5, 8\)"),
        ({"query": random(2, 8)}, r"single step as `query\[:, None\]`.*\(2, 8\)"),
    ],
)
def test_wrong_shapes_are_errors_with_both_shapes(make, arguments, message):
    arguments = {"query": random(2, 3, 8), "value": random(2, 5, 8)} | arguments
    with pytest.raises(ValueError, match=message):
        make()(**arguments)


@pytest.mark.parametrize("kind", [LuongDotAttention, ScaledDotProductAttention])
def test_a_dot_product_of_unequal_sizes_is_an_error_with_both_shapes(kind):
    with pytest.raises(ValueError, match=r"one size.*General.*\(2, 3, 4\).*\(2, 5, 6\)"):
        kind()(random(2, 3, 4), random(2, 5, 6))


def test_projected_keys_of_another_length_are_an_error():
    layer = BahdanauAttention(4)
    layer.build((2, 3, 8), (2, 5, 8))
    keys = layer.project_keys(ops.convert_to_tensor(random(2, 4, 8)))
    with pytest.raises(ValueError, match=r"belong to this value.*\(2, 3, 4\).*\(2, 5, 8\)"):
        layer(random(2, 3, 8), random(2, 5, 8), projected_keys=keys)


def test_a_subclass_must_define_its_score():
    with pytest.raises(NotImplementedError, match="Attention must define `score"):
        Attention()(random(1, 2, 4), random(1, 3, 4))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: BahdanauAttention(0), "`units` must be at least 1. Received: units=0"),
        (lambda: LuongConcatAttention(-1), "units=-1"),
        (lambda: LuongLocalAttention(0), "`window` must be at least 1"),
        (lambda: LuongLocalAttention(2, "diagonal"), "'monotonic'. Received: .*'diagonal'"),
        (lambda: MultiHeadAttention(0, 4), "`num_heads` must be at least 1"),
        (lambda: make_attention("bahdano", 4), "one of .*'bahdanau'.*Received: name='bahdano'"),
        (lambda: make_attention("multi_head", 6), "divisible .*units=6, num_heads=4"),
    ],
)
def test_wrong_arguments_are_errors(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_make_attention_makes_the_class_of_each_name():
    expected = {
        "bahdanau": BahdanauAttention,
        "luong_dot": LuongDotAttention,
        "luong_general": LuongGeneralAttention,
        "luong_concat": LuongConcatAttention,
        "luong_local": LuongLocalAttention,
        "scaled_dot": ScaledDotProductAttention,
        "multi_head": MultiHeadAttention,
    }
    assert {name: type(make_attention(name, 8, dropout=0.5)) for name in expected} == expected
    heads = make_attention("multi_head", 8, num_heads=2, dropout=0.5)
    assert (heads.num_heads, heads.key_dim, heads.dropout) == (2, 4, 0.5)
    assert make_attention("luong_local", 8, window=3).get_config()["window"] == 3
