"""Pretrained encoders in recipes: loading, refusals, learning rates by layer, frozen layers."""

import json
from pathlib import Path
from types import SimpleNamespace

import keras
import keras_hub
import numpy as np
import pytest

import zoo
from recipes import sentiment
from recipes.sentiment.recipe import SentimentRecipe
from recipes.sentiment.schema import SentimentConfig
from recipes.tagging.recipe import TaggingRecipe
from recipes.tagging.schema import TaggingConfig
from tests.small_recipe import SMALL, load_data
from tests.tiny_bert import save_tiny_bert, tiny_encoder
from zoo.models import TextClassifier, TextClassifierBackbone, TokenClassifierBackbone
from zoo.training import backbones
from zoo.training import run as run_recipe
from zoo.training.config import ConfigError, load
from zoo.training.optimizer import compile_model
from zoo.training.schema import TrainingConfig

FOLDER = Path(sentiment.__file__).parent
TINY = [one for one in SMALL if not one.startswith(("model", "tokenizer"))]
TINY += ["model.pooling=mean", "model.sequence_length=24"]


@pytest.fixture(scope="module")
def bert(tmp_path_factory):
    """The directory of a preset with an encoder and its tokenizer."""
    folder = tmp_path_factory.mktemp("bert")
    keras.utils.set_random_seed(0)
    save_tiny_bert(folder)
    return folder


def recipe(*overrides):
    config = load(SentimentConfig, FOLDER / "quickstart.yaml", [*TINY, *overrides])
    return SentimentRecipe(config)


def tagger(*overrides):
    changes = ["data.name=generated_slots", "data.options={train: 40, dev: 8, test: 0}"]
    changes += ["evaluation.test=false", "training.batch_size=16", *overrides]
    return TaggingRecipe(load(TaggingConfig, FOLDER.parent / "tagging/quickstart.yaml", changes))


def built(one):
    dataset = load_data(one.config)
    return one.build(dataset, one.prepare(dataset), "float32")


def tensors(layer):
    return [np.array(keras.ops.convert_to_numpy(weight)) for weight in layer.weights]


@pytest.mark.once
@pytest.mark.parametrize("task", ["sentiment", "tagging"])
def test_one_step_trains_what_is_not_frozen(task, bert, fit_one_batch):
    settings = ["training.trainable_layers=1", "training.layer_decay=0.5"]
    one = (recipe if task == "sentiment" else tagger)(f"model.backbone={bert}", *settings)
    loss, unchanged = fit_one_batch(one)
    assert np.isfinite(loss)
    assert [path for path in unchanged if "key/bias" not in path] == []  # a softmax ignores it


@pytest.mark.once
def test_a_run_trains_the_last_layer_and_is_loaded(bert, client):
    overrides = [
        f"model.backbone={bert}",
        "training.trainable_layers=1",
        "training.layer_decay=0.5",
        "training.warmup_steps=0",
        "training.epochs=1",
        "data.options={train: 32, dev: 8, test: 0}",
    ]
    before = built(recipe(*overrides)).backbone
    result = run_recipe(sentiment.RECIPE, "quickstart", [*TINY, *overrides], progress=False)
    model = zoo.load(result.model_uri)
    assert model.score({"text": ["good film"], "label": ["positive"]})["loss"] > 0
    trained = model.backbone.get_layer("encode_tokens")
    start = before.get_layer("encode_tokens")
    for name, moved in (("transformer_layer_0", False), ("transformer_layer_1", True)):
        pairs = zip(tensors(trained.get_layer(name)), tensors(start.get_layer(name)), strict=True)
        assert any(not np.allclose(a, b, atol=1e-3) for a, b in pairs) == moved, name


@pytest.mark.once
def test_tagging_starts_from_a_model_with_an_encoder(bert, tmp_path):
    one = tagger(f"model.backbone={bert}", "model.pieces=mean", "model.attention=scaled_dot")
    first, dataset = built(one), load_data(one.config)
    assert first.preprocessor.sequence_length == 24  # the encoder's positions
    assert not one.examples_vary_by_epoch
    examples = one.examples(first, dataset.splits["train"], 0)
    x, y = examples.collate(np.arange(3), 24)
    assert y["tags"].shape == x["padding_mask"].shape == (3, 24)
    assert x["padding_mask"].sum() == sum(examples.tokens[:3]) < sum(examples.lengths[:3])
    folder = tmp_path / "preset"
    zoo.presets.save(first, folder, name="first", dataset=dataset, dtype="float32")
    second = built(tagger(f"training.init_from={folder}", "training.trainable_layers=0"))
    assert (second.preprocessor.pieces, second.backbone.attention) == ("mean", "scaled_dot")
    for a, b in zip(first.get_weights(), second.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert not any("encode_tokens" in it.path for it in second.trainable_variables)
    with pytest.raises(ConfigError, match="set backbone. Received: pieces='mean'"):
        tagger("model.pieces=mean")


@pytest.mark.once
def test_init_from_a_model_with_an_encoder(bert, tmp_path):
    dataset = load_data(recipe().config)
    first = built(recipe(f"model.backbone={bert}"))
    folder = tmp_path / "preset"
    zoo.presets.save(first, folder, name="first", dataset=dataset, dtype="float32")
    one = recipe(f"training.init_from={folder}", "training.layer_decay=0.9")
    second = built(one)
    assert type(second.preprocessor) is type(first.preprocessor)
    assert second.preprocessor.sequence_length == 24
    for a, b in zip(first.get_weights(), second.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert len(one.rate_factors(second)) > 10


@pytest.mark.once
@pytest.mark.parametrize(
    ("kind", "options"),
    [
        (TextClassifierBackbone, {"encoder": "transformer", "embedding_dim": 4}),
        (TextClassifierBackbone, {"vector_dim": 3}),
        (TokenClassifierBackbone, {"character_vocabulary_size": 9, "attention": "bahdanau"}),
    ],
)
def test_layers_of_encoders_of_the_zoo(kind, options):
    backbone = kind(vocabulary_size=20, num_layers=2, units=4, **options)
    factors = backbones.rate_factors(SimpleNamespace(backbone=backbone), 0.5)
    assert set(factors.values()) == {0.5, 0.25, 0.125}
    left = {it.path for it in backbone.trainable_variables} - set(factors)
    assert all("attention" in path for path in left) and bool(left) == ("attention" in options)


def classifier():
    return TextClassifier(TextClassifierBackbone(encoder=tiny_encoder()), pooling="mean")


@pytest.mark.once
def test_rates_decay_from_the_last_layer_to_the_embeddings():
    model = classifier()
    factors = backbones.rate_factors(model, 0.5)
    found = {
        factors.get(variable.path, 1.0): variable.path for variable in model.trainable_variables
    }
    assert sorted(found) == [0.125, 0.25, 0.5, 1.0]
    assert "logits" in found[1.0]
    assert "transformer_layer_1" in found[0.5] and "transformer_layer_0" in found[0.25]
    embeddings = [path for path, factor in factors.items() if factor == 0.125]
    assert len(embeddings) == 5  # tokens, positions, segments, scale and shift
    assert backbones.rate_factors(model, None) is None


@pytest.mark.once
@pytest.mark.parametrize(("layers", "groups"), [(None, 4), (2, 3), (1, 2), (0, 1)])
def test_freezing_keeps_the_last_layers(layers, groups):
    model = classifier()
    total = len(model.trainable_variables)
    backbones.freeze(model.backbone, layers)
    assert len(model.trainable_variables) == {4: total, 3: 34, 2: 18, 1: 2}[groups]
    assert total == 39
    with pytest.raises(ValueError, match="has 2 layers: set training.trainable_layers .* Rec.*: 3"):
        backbones.freeze(model.backbone, 3)


@pytest.mark.parametrize("name", ["adamw", "sgd"])
def test_factors_scale_the_first_step(name):
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2), keras.layers.Dense(2)])
    settings = TrainingConfig(optimizer=name, learning_rate=0.01, clip_norm=None)
    before = tensors(model)
    steps = {}
    for factor in (1.0, 0.25):
        model.set_weights(before)
        factors = {model.layers[0].kernel.path: factor}
        compile_model(model, settings, 10, factors, loss="mse")
        model.fit(np.eye(3), np.ones((3, 2)), batch_size=3, verbose=0)
        steps[factor] = [new - old for new, old in zip(tensors(model), before, strict=True)]
    (scaled, *others), (whole, *same) = steps[0.25], steps[1.0]
    np.testing.assert_allclose(scaled, 0.25 * whole, rtol=1e-2, atol=1e-7)
    assert np.abs(scaled).max() > 1e-5
    for one, other in zip(others, same, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-7)


def write(folder, name, content):
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(json.dumps(content), "utf-8")


@pytest.mark.once
def test_sources_that_are_no_encoder_are_refused(tmp_path, monkeypatch):
    def refused(source, *parts):
        with pytest.raises(ValueError) as raised:
            built(recipe(f"model.backbone={source}"))
        for part in (*parts, "Received: "):
            assert part in str(raised.value)

    refused(tmp_path / "none", "there is no such directory")
    refused("no_such_preset", "the name of a KerasHub preset, or hf://OWNER/NAME")
    for name in ("ResNetBackbone", "MobileNetBackbone"):
        content = {"class_name": name, "registered_name": f"keras_hub>{name}", "config": {}}
        write(tmp_path / name, "config.json", content)
        refused(tmp_path / name, "must be a text encoder", name)
    write(tmp_path / "other", "config.json", {"model_type": "other"})
    refused(tmp_path / "other", "must be a text encoder")

    def offline(*arguments, **options):
        raise OSError("no route to host")

    monkeypatch.setattr(keras_hub.tokenizers.Tokenizer, "from_preset", offline)
    refused("hf://none/none", "check the address and the network, or copy its files", "no route")


@pytest.mark.once
def test_sequences_longer_than_the_positions_are_refused(bert):
    with pytest.raises(ValueError, match="model.sequence_length, to at most 24. Received: 25"):
        built(recipe(f"model.backbone={bert}", "model.sequence_length=25"))
    lengths = ["model.sequence_length=8", "evaluation.sequence_lengths=[8, 24, 30]"]
    with pytest.raises(ValueError, match="to at most 24. Received: 30"):
        built(recipe(f"model.backbone={bert}", *lengths))


@pytest.mark.once
def test_settings_that_do_not_go_with_a_backbone_are_refused(bert):
    quickstart = FOLDER / "quickstart.yaml"
    with pytest.raises(ConfigError) as raised:
        load(SentimentConfig, quickstart, [
            f"model.backbone={bert}", "model.units=5", "tokenizer.sampling=0.2",
            "training.init_from=x",
        ])  # fmt: skip
    assert "leave out model.units" in str(raised.value)
    assert "leave out tokenizer.sampling" in str(raised.value)
    assert "give one of them" in str(raised.value)
    with pytest.raises(ConfigError, match="set model.backbone or training.init_from. Rec"):
        load(SentimentConfig, quickstart, ["training.layer_decay=0.9"])
    config = load(SentimentConfig, quickstart, [f"model.backbone={bert}"])
    assert config.model.pooling == "bahdanau" and config.tokenizer.vocabulary_size == 8000
    assert load(SentimentConfig, quickstart, ["training.layer_decay=0.9", "training.init_from=x"])
