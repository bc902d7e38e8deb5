import numpy as np
import pytest
from keras import ops

from zoo.layers import (
    Attention,
    BahdanauAttention,
    LuongGeneralAttention,
    ScaledDotProductAttention,
)


def random(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def weights_of(layer, query, value, **arguments):
    _, weights = layer(query, value, return_attention_scores=True, **arguments)
    return ops.convert_to_numpy(weights)


def softmax(scores):
    exponentials = np.exp(scores - scores.max(-1, keepdims=True))
    return exponentials / exponentials.sum(-1, keepdims=True)


def test_scaled_dot_product_reproduces_the_textbook_example():
    # q·k is 112 and 96 with d = 64: scaled 14 and 12, weights 0.88 and 0.12.
    query = np.ones((1, 1, 64), "float32")
    keys = np.stack([np.full(64, 1.75), np.full(64, 1.5)])[None].astype("float32")
    layer = ScaledDotProductAttention()
    np.testing.assert_allclose(ops.convert_to_numpy(layer.score(query, keys)), [[[14.0, 12.0]]])
    np.testing.assert_allclose(weights_of(layer, query, keys), [[[0.88, 0.12]]], atol=1e-2)


def test_the_output_is_the_weighted_sum():
    # A weight of 0.7 on (0.8, 0.2) contributes (0.56, 0.14).
    class Fixed(Attention):
        def score(self, query, key):
            return ops.log(ops.convert_to_tensor([[[0.7, 0.3]]]))

    values = np.array([[[0.8, 0.2], [0.0, 0.0]]], "float32")
    output = Fixed()(np.zeros((1, 1, 2), "float32"), values)
    np.testing.assert_allclose(ops.convert_to_numpy(output), [[[0.56, 0.14]]], atol=1e-6)


def test_bahdanau_score_is_its_equation():
    query, key = random(2, 3, 4), random(2, 5, 6, seed=1)
    layer = BahdanauAttention(units=7)
    layer.build(query.shape, key.shape)
    w, u, v = layer.get_weights()
    expected = np.tanh((query @ w)[:, :, None] + (key @ u)[:, None]) @ v
    np.testing.assert_allclose(weights_of(layer, query, key), softmax(expected[..., 0]), atol=1e-5)


def test_luong_general_score_is_its_equation():
    query, key = random(2, 3, 4), random(2, 5, 6, seed=1)
    layer = LuongGeneralAttention()
    layer.build(query.shape, key.shape)
    (w,) = layer.get_weights()
    expected = query @ w @ key.transpose(0, 2, 1)
    np.testing.assert_allclose(weights_of(layer, query, key), softmax(expected), atol=1e-5)


def test_masked_keys_get_no_weight_and_a_fully_masked_row_is_zero():
    query, value = random(2, 3, 4), random(2, 5, 4, seed=1)
    mask = np.array([[True, True, False, True, False], [False] * 5])
    output, weights = ScaledDotProductAttention()(
        query, value, value_mask=mask, return_attention_scores=True
    )
    output, weights = ops.convert_to_numpy(output), ops.convert_to_numpy(weights)
    assert np.all(weights[0][:, [2, 4]] == 0)
    np.testing.assert_allclose(weights[0].sum(-1), 1, atol=1e-6)
    assert np.all(weights[1] == 0) and np.all(output[1] == 0)


def test_masked_queries_give_zero():
    output = ScaledDotProductAttention()(
        random(1, 2, 4), random(1, 3, 4, seed=1), query_mask=np.array([[True, False]])
    )
    output = ops.convert_to_numpy(output)
    assert np.any(output[0, 0] != 0) and np.all(output[0, 1] == 0)


def test_keys_may_differ_from_values():
    query, value, key = random(1, 2, 4), random(1, 3, 5, seed=1), random(1, 3, 4, seed=2)
    layer = ScaledDotProductAttention()
    output, weights = layer(query, value, key, return_attention_scores=True)
    expected = softmax(query @ key.transpose(0, 2, 1) / 2)
    np.testing.assert_allclose(ops.convert_to_numpy(weights), expected, atol=1e-5)
    np.testing.assert_allclose(ops.convert_to_numpy(output), expected @ value, atol=1e-5)


def test_weights_are_float32_under_mixed_precision():
    layer = ScaledDotProductAttention(dtype="mixed_bfloat16")
    output, weights = layer(
        random(1, 2, 4), random(1, 300, 4, seed=1), return_attention_scores=True
    )
    assert "bfloat16" in str(output.dtype) and "float32" in str(weights.dtype)
    np.testing.assert_allclose(ops.convert_to_numpy(weights).sum(-1), 1, atol=1e-5)


def test_dropout_drops_weights_in_training_and_reports_them_whole():
    layer = ScaledDotProductAttention(dropout=0.9)
    query, value = random(4, 3, 4), random(4, 5, 4, seed=1)
    still = ops.convert_to_numpy(layer(query, value))
    dropped, weights = layer(query, value, return_attention_scores=True, training=True)
    assert np.abs(ops.convert_to_numpy(dropped) - still).max() > 1e-3
    np.testing.assert_allclose(ops.convert_to_numpy(weights).sum(-1), 1, atol=1e-5)


def test_a_mechanism_must_define_its_score():
    with pytest.raises(NotImplementedError, match="Attention must define `score"):
        Attention()(random(1, 2, 4), random(1, 3, 4))
