"""The names that configs use: built in, registered, and of an installed plugin."""

import importlib
import subprocess
import sys

import keras
import numpy as np
import pytest

from recipes.sentiment.schema import SentimentConfig
from recipes.translation.schema import TranslationConfig
from zoo import choices
from zoo.choices import (
    ATTENTIONS,
    CELLS,
    DECODER_ATTENTIONS,
    ENCODERS,
    POOLINGS,
    TAGGER_ATTENTIONS,
    register_attention,
    register_cell,
)
from zoo.conflicts import Conflict, check, head_conflicts
from zoo.layers import Attention, LuongDotAttention, RecurrentEncoder
from zoo.models.seq2seq_lm import Seq2SeqLMBackbone
from zoo.models.text_classifier import TextClassifier, TextClassifierBackbone
from zoo.training.config import ConfigError, resolve

PLUGIN = """
import keras
from keras import ops

from zoo.choices import register_attention, register_cell
from zoo.layers import Attention


def unit(vectors):
    return vectors * ops.rsqrt(ops.sum(vectors * vectors, axis=-1, keepdims=True) + 1e-6)


@register_attention("cosine", needs_one_size=True)
@keras.saving.register_keras_serializable("weather")
class CosineAttention(Attention):
    def score(self, query, keys):
        return ops.einsum("btd,bsd->bts", unit(query), unit(keys))


class LeakyCell(keras.layers.Layer):
    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.units = self.state_size = self.output_size = units

    def build(self, shape):
        self.kernel = self.add_weight((shape[-1] + self.units, self.units), name="kernel")

    def call(self, inputs, states, training=None):
        both = ops.concatenate([inputs, states[0]], axis=-1)
        hidden = (states[0] + ops.tanh(ops.matmul(both, self.kernel))) / 2
        return hidden, [hidden]


@register_cell("leaky")
class Leaky(keras.layers.RNN):
    def __init__(self, units, dtype=None, **kwargs):
        super().__init__(LeakyCell(units, dtype=dtype), dtype=dtype, **kwargs)
"""


@pytest.fixture
def registries(monkeypatch):
    """Forgets after the test what it registered."""
    for registry in (CELLS, ATTENTIONS):
        monkeypatch.setattr(registry, "_choices", dict(registry._choices))
    choices.load_plugins.cache_clear()
    yield
    choices.load_plugins.cache_clear()


@pytest.fixture
def plugin(tmp_path, monkeypatch, registries):
    """An installed distribution with an attention and a cell; returns its folder."""
    (tmp_path / "weather_layers.py").write_text(PLUGIN)
    info = tmp_path / "weather-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: weather\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[zoo.plugins]\nweather = weather_layers\n")
    monkeypatch.syspath_prepend(tmp_path)
    importlib.invalidate_caches()
    yield tmp_path
    sys.modules.pop("weather_layers", None)


def translation(**model):
    values = {"data": {"name": "generated_dates"}, "model": model}
    return resolve(TranslationConfig, values, source="test").model


def mistakes(schema, data, **model):
    with pytest.raises(ConfigError) as raised:
        resolve(schema, {"data": {"name": data}, "model": model}, source="test")
    return raised.value.mistakes


@pytest.mark.once
def test_built_in_names_in_their_order():
    for names, expected in (
        (ENCODERS, "simple_rnn lstm gru transformer"),
        (
            DECODER_ATTENTIONS,
            "none bahdanau luong_dot luong_general luong_concat luong_local scaled_dot multi_head "
            "transformer",
        ),
        (TAGGER_ATTENTIONS, "none bahdanau scaled_dot multi_head"),
        (POOLINGS, "last max mean concat bahdanau luong_general scaled_dot multi_head"),
    ):
        assert [name for name in names if name in expected.split()] == expected.split()
    assert "luong_dot" not in POOLINGS and "luong_local" not in TAGGER_ATTENTIONS
    assert CELLS["lstm"] is keras.layers.LSTM
    assert ATTENTIONS["luong_dot"] is LuongDotAttention


@pytest.mark.once
def test_listing_names_imports_no_keras():
    code = (
        "import sys\n"
        "from recipes.tagging.schema import TaggingConfig\n"
        "from zoo.choices import ENCODERS\n"
        "print('lstm' in list(ENCODERS), 'keras' in sys.modules)"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.split() == ["True", "False"]


@pytest.mark.once
def test_a_registered_name_counts_everywhere_at_its_place(registries):
    @register_attention("nearest", has_heads=True)
    class Nearest(Attention):
        pass

    assert ATTENTIONS["nearest"] is Nearest
    assert list(DECODER_ATTENTIONS)[-2:] == ["nearest", "transformer"]
    assert "nearest" in POOLINGS and "nearest" in TAGGER_ATTENTIONS
    (mistake,) = mistakes(SentimentConfig, "generated_reviews", pooling="nearst")
    assert mistake.startswith("model.pooling: must be one of last, max, mean, concat, bahdanau, ")
    assert mistake.endswith(", nearest. Did you mean nearest or last? Received: 'nearst'")
    (mistake,) = mistakes(SentimentConfig, "generated_reviews", pooling="nearest", units=31)
    assert "here 62, must be divisible by num_heads" in mistake


@pytest.mark.once
@pytest.mark.parametrize(
    ("register", "name"),
    [
        (register_attention, "bahdanau"),
        (register_attention, "last"),
        (register_attention, "none"),
        (register_cell, "lstm"),
        (register_cell, "transformer"),
    ],
)
def test_a_taken_name_is_refused(registries, register, name):
    with pytest.raises(ValueError, match=f"must be free: .*Received: '{name}', which is taken"):
        register(name)(type("Other", (Attention,), {}))


@pytest.mark.once
def test_a_class_may_be_registered_again(registries):
    for _ in range(2):  # as when its module is reloaded
        cls = register_attention("nearest")(type("Nearest", (Attention,), {}))
    assert ATTENTIONS["nearest"] is cls


@pytest.mark.once
def test_a_conflict_is_an_error_with_the_rule_and_the_values():
    check(head_conflicts(8, 4))
    with pytest.raises(Conflict) as raised:
        check(head_conflicts(6, 4))
    assert str(raised.value) == (
        "Units must be divisible by num_heads. Received: units=6, num_heads=4"
    )


@pytest.mark.once
def test_a_plugin_is_imported_when_a_config_uses_another_name(plugin):
    assert translation(attention="luong_general").cell == "gru"
    assert "weather_layers" not in sys.modules
    model = translation(attention="cosine", cell="leaky", bidirectional=False)
    assert (model.attention, model.cell) == ("cosine", "leaky")
    assert "weather_layers" in sys.modules


@pytest.mark.once
def test_mistakes_name_the_choices_and_rules_of_a_plugin(plugin):
    (mistake,) = mistakes(TranslationConfig, "generated_dates", cell="leeky")
    assert mistake.startswith("model.cell: must be one of simple_rnn, lstm, gru, ")
    assert mistake.endswith(", leaky. Did you mean leaky? Received: 'leeky'")
    (mistake,) = mistakes(TranslationConfig, "generated_dates", attention="cosine")
    assert "a dot product needs encoder and decoder states of one size" in mistake


@pytest.mark.once
def test_a_plugin_that_cannot_be_imported_is_a_warning(plugin):
    (plugin / "weather_layers.py").write_text("import no_such_package")
    with pytest.warns(UserWarning, match="weather_layers cannot be imported: No module"):
        mistakes(TranslationConfig, "generated_dates", cell="leaky")


@pytest.mark.once
def test_states_of_another_size_than_the_output_are_refused(registries):
    @register_cell("wide")
    class Wide(keras.layers.RNN):
        def __init__(self, units, **kwargs):
            super().__init__(keras.layers.GRUCell(2 * units), **kwargs)

    with pytest.raises(ValueError, match=r"`units` features.*units=4, states of \[8\]"):
        RecurrentEncoder("wide", 4)


@pytest.mark.once
def test_models_with_the_layers_of_a_plugin_learn_and_are_saved(plugin, tmp_path):
    options = {"embedding_dim": 8, "units": 8, "bidirectional": False, "dropout": 0.1}
    backbone = Seq2SeqLMBackbone(20, attention="cosine", cell="leaky", num_layers=2, **options)
    assert type(backbone.decoder.attention).__name__ == "CosineAttention"
    ids, mask = np.array([[3, 4, 5, 0], [6, 7, 0, 0]]), np.array([[1, 1, 1, 0], [1, 1, 0, 0]], bool)
    inputs = {
        **{"encoder_token_ids": ids, "encoder_padding_mask": mask},
        **{"decoder_token_ids": ids, "decoder_padding_mask": mask},
    }
    model = keras.Model(backbone.input, backbone.output["decoder_sequence_output"])
    learns(model, inputs, np.ones((2, 4, 8), "float32"))

    backbone = TextClassifierBackbone(20, encoder="leaky", **options)
    classifier = TextClassifier(backbone, None, ["no", "yes"], pooling="cosine")
    inputs = {"token_ids": ids, "padding_mask": mask}
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    learns(classifier, inputs, np.array([0, 1]), loss)
    path = tmp_path / "model.keras"
    classifier.save(path)
    again = keras.models.load_model(path)
    np.testing.assert_allclose(
        *(keras.ops.convert_to_numpy(model(inputs)) for model in (classifier, again)), atol=1e-6
    )


def learns(model, inputs, targets, loss="mse"):
    model.compile(keras.optimizers.SGD(0.1), loss, jit_compile=False)
    before = model.get_weights()
    assert np.isfinite(model.train_on_batch(inputs, targets)).all()
    for weight, start, end in zip(model.weights, before, model.get_weights(), strict=True):
        if weight.trainable and "embedding" not in weight.path:
            assert np.abs(end - start).max() > 0, weight.path
