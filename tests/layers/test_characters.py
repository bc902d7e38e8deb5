"""Character-level features of words."""

import keras
import numpy as np
import pytest
from keras import ops

from zoo.layers import CharacterFeatures

WORDS = np.array([[[5, 6, 7, 5, 0], [8, 0, 0, 0, 0]], [[6, 8, 0, 0, 0], [0, 0, 0, 0, 0]]], "int32")


def features(layer, words):
    return np.asarray(ops.convert_to_numpy(layer(words)))


def make(kind, **options):
    keras.utils.set_random_seed(0)
    return CharacterFeatures(9, kind, embedding_dim=4, units=6, **options)


def test_cnn_features_are_maxima_of_a_convolution():
    layer = make("cnn", kernel_size=3)
    found = features(layer, WORDS)
    table = ops.convert_to_numpy(layer.embedding.embeddings)
    kernel, bias = (ops.convert_to_numpy(w) for w in (layer.reader.kernel, layer.reader.bias))
    embedded = np.pad(table[WORDS[0, 0, :4]], ((1, 1), (0, 0)))
    expected = [np.einsum("kd,kdu->u", embedded[i : i + 3], kernel) + bias for i in range(4)]
    np.testing.assert_allclose(found[0, 0], np.max(expected, axis=0), atol=1e-5)


def test_lstm_features_are_the_last_states_of_the_word():
    layer = make("lstm")
    found = features(layer, WORDS)
    states, _ = layer.reader(layer.embedding(WORDS[0, :1, :4]))  # the word alone
    states = ops.convert_to_numpy(states)
    expected = np.concatenate([states[0, -1, :3], states[0, 0, 3:]])
    np.testing.assert_allclose(found[0, 0], expected, atol=1e-5)


@pytest.mark.parametrize("kind", ["cnn", "lstm"])
def test_features_do_not_depend_on_padding_and_other_words(kind):
    layer = make(kind)
    found = features(layer, WORDS)
    longer = np.pad(WORDS, ((0, 0), (0, 3), (0, 200)))
    np.testing.assert_allclose(features(layer, longer)[:, :2], found, atol=1e-5)
    np.testing.assert_allclose(features(layer, WORDS[1:, :1])[0, 0], found[1, 0], atol=1e-5)
    assert not found[1, 1].any() and np.isfinite(found).all()


@pytest.mark.once
@pytest.mark.parametrize("kind", ["cnn", "lstm"])
def test_a_model_learns_from_characters(kind):
    """The label is whether a word contains the character 7."""
    words = np.random.default_rng(0).integers(1, 9, (64, 3, 5)).astype("int32")
    truth = (words == 7).any(axis=-1).astype("float32")[..., None]
    inputs = keras.Input((None, None), dtype="int32")
    model = keras.Model(inputs, keras.layers.Dense(1, "sigmoid")(make(kind)(inputs)))
    model.compile(keras.optimizers.Adam(0.05), "binary_crossentropy")
    assert model.fit(words, truth, epochs=25, verbose=0).history["loss"][-1] < 0.35


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kind": "gru"}, "must be one of .*kind='gru'"),
        ({"kind": "lstm", "units": 5}, "even.*units=5"),
        ({"kernel_size": 0}, "kernel_size=0"),
    ],
)
def test_wrong_arguments_are_errors(options, message):
    with pytest.raises(ValueError, match=message):
        CharacterFeatures(9, **options)
