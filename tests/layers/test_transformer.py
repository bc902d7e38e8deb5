"""The Transformer decoder, compared with KerasHub's."""

import keras
import keras_hub
import numpy as np
import pytest
from keras import ops

from zoo.layers import TransformerDecoder

RANDOM = np.random.default_rng(0)
INPUTS = RANDOM.normal(size=(2, 4, 8)).astype("float32")
MEMORY = RANDOM.normal(size=(2, 5, 8)).astype("float32")
MASK = np.array([[True] * 5, [True, True, False, False, False]])


def assert_close(found, expected):
    np.testing.assert_allclose(ops.convert_to_numpy(found), expected, atol=1e-5)


@pytest.fixture(scope="module")
def decoder():
    layer = TransformerDecoder(2, num_heads=2, intermediate_dim=6)
    layer.build(INPUTS.shape, MEMORY.shape)
    for weight in layer.weights:
        weight.assign(RANDOM.normal(size=weight.shape) / 2)
    return layer


def test_outputs_equal_those_of_keras_hub(decoder):
    expected = INPUTS
    for layer in decoder.layers:
        theirs = keras_hub.layers.TransformerDecoder(
            6, 2, normalize_first=True, layer_norm_epsilon=1e-3
        )
        theirs.build(INPUTS.shape, MEMORY.shape)
        ours = {
            weight.path.partition("layer_")[2].partition("/")[2]: weight for weight in layer.weights
        }
        for weight in theirs.weights:
            weight.assign(ours[weight.path.partition("/")[2]])
        expected = theirs(expected, MEMORY, encoder_padding_mask=MASK)
    expected = ops.convert_to_numpy(decoder.norm(expected))
    assert_close(decoder(INPUTS, MEMORY, memory_mask=MASK), expected)


def test_steps_agree_with_all_at_once_and_beams_share_the_memory(decoder):
    expected, weights = decoder(INPUTS, MEMORY, memory_mask=MASK, return_attention_scores=True)
    state, constants = decoder.start(MEMORY, MASK, max_length=6)
    beams = keras.tree.map_structure(lambda x: ops.repeat(x, 3, axis=0), state)
    expected, weights = map(ops.convert_to_numpy, (expected, weights))
    for step in range(4):
        output, state, scores = decoder.step(INPUTS[:, step], state, constants)
        assert_close(output, expected[:, step])
        assert_close(scores, weights[:, step])
        inputs = np.repeat(INPUTS[:, step], 3, axis=0)
        output, beams, _ = decoder.step(inputs, beams, constants)
        assert_close(output, np.repeat(expected[:, step], 3, axis=0))


def test_weights_sum_to_one_over_valid_steps(decoder):
    _, weights = decoder(INPUTS, MEMORY, memory_mask=MASK, return_attention_scores=True)
    weights = ops.convert_to_numpy(weights)
    np.testing.assert_allclose(weights.sum(-1), 1, atol=1e-5)
    assert not weights[1, :, 2:].any()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_layers": 0}, "num_layers=0"),
        ({"num_heads": 3}, "divisible.*num_heads=3"),
    ],
)
def test_wrong_sizes_are_errors(options, message):
    with pytest.raises(ValueError, match=message):
        layer = TransformerDecoder(
            **{"num_layers": 1, "num_heads": 2, "intermediate_dim": 4, **options}
        )
        layer.build(INPUTS.shape, MEMORY.shape)
