"""Attention to past states, and a Transformer without memory: spans, states, masks."""

import keras
import numpy as np
import pytest
from keras import ops

from tests.weights import assign_normal
from zoo.decoding import compiled
from zoo.layers import CausalTransformer, PastAttention

HIDDEN = np.random.default_rng(0).normal(size=(2, 6, 4)).astype("float32")


def test_outputs_are_those_of_the_equation():
    layer = PastAttention("scaled_dot", span=2)
    layer.build(HIDDEN.shape)
    assign_normal(layer.weights)
    outputs, weights = map(ops.convert_to_numpy, compiled(layer.call, [layer], xla=False)(HIDDEN))
    kernel = ops.convert_to_numpy(layer.combine.kernel)
    for row in range(2):
        for t in range(6):
            past = HIDDEN[row, max(t - 2, 0) : t]
            scores = np.exp(past @ HIDDEN[row, t] / 2)  # the root of 4 units
            shares = scores / max(scores.sum(), 1e-9)
            context = shares @ past if len(past) else np.zeros(4)
            expected = np.tanh(np.concatenate([context, HIDDEN[row, t]]) @ kernel)
            np.testing.assert_allclose(outputs[row, t], expected, atol=1e-5)
            np.testing.assert_allclose(weights[row, t, max(t - 2, 0) : t], shares, atol=1e-5)
            assert weights[row, t].sum() == pytest.approx(min(len(past), 1), abs=1e-5)


def test_a_state_holds_the_last_states_of_each_row():
    layer = PastAttention("bahdanau", span=3)
    layer.build(HIDDEN.shape)
    state = layer.initial_state(2)
    mask = np.arange(6)[None] < np.array([[5], [1]])
    _, _, state = compiled(lambda *arguments: layer(*arguments), [layer], xla=False)(
        HIDDEN, state, mask
    )
    memory = ops.convert_to_numpy(state["memory"])
    np.testing.assert_allclose(memory[0], HIDDEN[0, 2:5])
    np.testing.assert_allclose(memory[1, 2], HIDDEN[1, 0])
    assert ops.convert_to_numpy(state["count"]).tolist() == [3, 1]


@pytest.mark.once
def test_a_transformer_without_memory_is_keras_hubs():
    import keras_hub

    layer = CausalTransformer(1, num_heads=2, intermediate_dim=6)
    layer.build(HIDDEN.shape)
    assign_normal(layer.weights)
    theirs = keras_hub.layers.TransformerDecoder(
        6, 2, normalize_first=True, layer_norm_epsilon=1e-3
    )
    theirs.build(HIDDEN.shape)
    ours = {
        weight.path.partition("layer_0/")[2]: weight
        for weight in layer.weights
        if "layer_0/" in weight.path
    }
    for weight in theirs.weights:
        weight.assign(ours[weight.path.partition("/")[2]])
    outputs, weights = layer(HIDDEN)
    expected = ops.convert_to_numpy(layer.norm(theirs(HIDDEN)))
    np.testing.assert_allclose(ops.convert_to_numpy(outputs), expected, atol=1e-5)
    assert not np.triu(ops.convert_to_numpy(weights), 1).any()


@pytest.mark.once
def test_layers_are_functional():
    inputs = keras.Input((None, 4))
    for layer in (PastAttention("multi_head", num_heads=2), CausalTransformer(1, 2, 4)):
        outputs, weights = layer(inputs)
        assert (outputs.shape, weights.shape) == ((None, None, 4), (None, None, None))
        assert type(layer).from_config(layer.get_config()).get_config() == layer.get_config()
        state = keras.tree.map_structure(
            lambda x: keras.Input(batch_shape=x.shape, dtype=x.dtype),
            layer.initial_state(2, 8)
            if isinstance(layer, CausalTransformer)
            else layer.initial_state(2),
        )
        step = keras.Input(batch_shape=(2, 1, 4))
        outputs, weights, after = layer(step, state=state)
        assert outputs.shape == (2, 1, 4)
        keras.tree.assert_same_structure(after, state)
