"""Language models whose states are features of a tagger: which fit, and what starts from one."""

from types import SimpleNamespace
from unittest.mock import Mock

import numpy as np
import pytest

import zoo
from recipes.tagging.recipe import TaggingRecipe
from recipes.tagging.schema import TaggingConfig
from tests.small_recipe import load_data
from tests.weights import assign_normal
from zoo import presets
from zoo.models import CausalLM, CausalLMBackbone, CausalLMPreprocessor
from zoo.tokenizers import train_character_tokenizer, train_spaced_word_tokenizer
from zoo.training import pretrained, string_embeddings
from zoo.training.config import ConfigError, resolve
from zoo.training.string_embeddings import load_language_models, unknown_share

TINY = {
    "data": {"name": "generated_slots", "options": {"train": 40, "dev": 10, "test": 10}},
    "model": {"word_dim": 4, "character_units": 4, "units": 4},
}


def language_model(
    backward=False, text="a play by The.", level="characters", start=None, **options
):
    train = {"characters": train_character_tokenizer, "words": train_spaced_word_tokenizer}[level]
    tokenizer = train([text])
    sizes = {"embedding_dim": 4, "units": 4, "num_heads": 2}
    backbone = CausalLMBackbone(tokenizer.vocabulary_size(), **sizes, **options)
    assign_normal(backbone.weights, scale=2 if backward else 1)
    preprocessor = CausalLMPreprocessor(tokenizer, 8, start=start, backward=backward)
    return CausalLM(backbone, preprocessor)


def recipe(**sections):
    values = {name: TINY.get(name, {}) | sections.get(name, {}) for name in {*TINY, *sections}}
    return TaggingRecipe(resolve(TaggingConfig, values, [], source="test"))


def build(recipe, dataset):
    return recipe.build(dataset, recipe.prepare(dataset), "float32")


@pytest.mark.once
def test_a_tagger_reads_language_models_and_starts_another_one(tmp_path, monkeypatch):
    sources = [str(tmp_path / name) for name in ("forward", "backward")]
    for backward, source in enumerate(sources):
        model = language_model(bool(backward), input_dropout=0.5, temporal_regularization=1.0)
        presets.save(model, source, name="lm", dataset="none", dtype="float32")
    settings = {"model": {"language_models": sources, "language_dim": 3}}
    one = recipe(**settings)
    dataset = load_data(one.config)
    model = build(one, dataset)
    for reader, source in zip(model.backbone.language_models, sources, strict=True):
        expected = zoo.load(source).backbone
        assert reader.input_drop.rate == 0 and reader.penalty is None and not reader.trainable
        for found, weight in zip(reader.get_weights(), expected.get_weights(), strict=True):
            np.testing.assert_array_equal(found, weight)
    assert len(one.model_digests()) == 2
    lines, metrics = one.describe_data(model, dataset)
    assert "(8 a word, frozen)" in lines[-1] and 0 < metrics["language_models/dev_unknown"] < 1
    columns = dataset.splits["train"]
    examples = one.examples(model, columns, 0)
    characters = [len(" ".join(words)) + 1 for words in columns["tokens"]]
    assert list(examples.lengths) == characters
    x, y = examples.collate(np.arange(4), 64)
    assert x["text_ids"].shape == (4, 2, 64) and y["tags"].shape == x["word_ids"].shape == (4, 16)
    assert one.training_model(model) is model
    # In a run they read the sentences once, before the first epoch.
    said = []
    columns = one.training_columns(
        dataset, SimpleNamespace(say=said.append, work=Mock(), batch=Mock())
    )
    assert "reading 40 sentences" in said[0] and "characters/s" in said[1]
    examples = one.examples(model, columns, 0)
    assert list(examples.lengths) == list(map(len, columns["tokens"]))
    x, _ = examples.collate(np.arange(4), 16)
    assert x["text_states"].shape == (4, 16, 8) and set(x) == set(one.training_model(model).input)
    monkeypatch.setattr(string_embeddings, "MAX_STATES", 99)
    assert "text_states" not in recipe(**settings).training_columns(dataset, Mock())

    presets.save(model, tmp_path / "tagger", name="it", dataset=dataset, dtype="float32")
    again = recipe(training={"init_from": str(tmp_path / "tagger")}, model={})
    assert again.config.model.language_dim == 3 and again.config.model.language_models == []
    same = build(again, dataset)
    assert not any("language_model/" in weight.path for weight in same.trainable_weights)
    found, expected = (it.preprocessor.get_config() for it in (same, model))
    assert found | {"name": ""} == expected | {"name": ""}
    answers = (it.infer(columns["tokens"][:3]) for it in (model, same))
    for found, expected in zip(*answers, strict=True):
        np.testing.assert_allclose(found.confidences, expected.confidences, atol=1e-6)


@pytest.mark.once
@pytest.mark.parametrize(
    ("models", "message"),
    [
        ([{"level": "words"}], "of characters: train one with tokenizer.level.*SpacedWord"),
        ([{"decoder": "transformer"}], "must name recurrent language models.*Transformer"),
        ([{"backward": True}], r"a forward language model.*'m0' \(backward\)"),
        ([{}, {}], r"in this order.*'m0' \(forward\), 'm1' \(forward\)"),
        ([{"backward": True}, {}], r"in this order.*'m0' \(backward\), 'm1' \(forward\)"),
        ([{}, {"backward": True, "text": "play it"}], r"the same characters.*lacks '\.', 'T'"),
        ([{}, {"backward": True, "start": "."}], "same token before a text.*None and '.'"),
    ],
)
def test_language_models_that_do_not_fit_are_refused(monkeypatch, models, message):
    made = {f"m{i}": language_model(**options) for i, options in enumerate(models)}
    monkeypatch.setattr(pretrained, "load", lambda source, *_, **__: made[source])
    with pytest.raises(ValueError, match=message):
        load_language_models(list(made))


@pytest.mark.once
def test_settings_that_exclude_each_other_are_refused(tmp_path):
    for sections, message in (
        ({"model": {"language_dim": 3}}, "set these too"),
        (
            {"model": {"language_models": ["a"]}, "training": {"init_from": "b"}},
            "a model to start from has its own language models",
        ),
        (
            {"model": {"language_models": ["a"], "backbone": "bert_tiny_en_uncased"}},
            "leave out .*model.language_models",
        ),
        ({"model": {"language_models": ["a", "b", "c"]}}, "at most 2"),
    ):
        with pytest.raises(ConfigError, match=message):
            resolve(TaggingConfig, sections, [], source="test")


@pytest.mark.once
def test_unknown_share_counts_characters():
    assert unknown_share([language_model()], [["play", "it!"], []]) == pytest.approx(3 / 7)
    assert unknown_share([language_model()], []) == 0
