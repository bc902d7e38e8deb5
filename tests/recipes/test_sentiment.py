"""Sentiment recipe: schema, `init_from`, examples, report."""

import shutil
from pathlib import Path
from types import SimpleNamespace

import keras
import keras_hub
import numpy as np
import pytest

import zoo
from recipes import sentiment
from recipes.sentiment.recipe import SentimentRecipe
from recipes.sentiment.report import draw_confusion, report
from recipes.sentiment.schema import SentimentConfig
from tests.small_recipe import SMALL, load_data
from zoo import presets
from zoo.models import (
    CausalLM,
    CausalLMBackbone,
    CausalLMPreprocessor,
    Seq2SeqLM,
    TextClassifier,
    TextClassifierBackbone,
)
from zoo.tokenizers import train_character_tokenizer, train_subword_tokenizer
from zoo.training import pretrained
from zoo.training import run as run_recipe
from zoo.training.config import ConfigError, read_yaml, resolve
from zoo.training.optimizer import compile_model

FOLDER = Path(__file__).parents[2] / "recipes"
TINY = ["data.options={train: 40, dev: 10, test: 0}", *SMALL[1:]]


def recipe(*overrides):
    values = read_yaml((FOLDER / "sentiment" / "quickstart.yaml").read_text("utf-8"))
    return SentimentRecipe(resolve(SentimentConfig, values, [*TINY, *overrides], source="test"))


def built(one, dataset):
    return one.build(dataset, one.prepare(dataset), "float32")


@pytest.fixture(scope="module")
def start(tmp_path_factory):
    """A preset to start from, with a lower-casing preprocessor."""
    one = recipe("tokenizer.lowercase=true")
    dataset = load_data(one.config)
    directory = tmp_path_factory.mktemp("start") / "preset"
    presets.save(built(one, dataset), directory, name="start", dataset=dataset, dtype="float32")
    return directory


def test_init_from_copies_tokenizer_and_weights(start):
    one = recipe(f"training.init_from={start}", "tokenizer.vocabulary_size=300")
    model, expected = built(one, load_data(one.config)), zoo.load(start)
    assert model.preprocessor.tokenizer.proto == expected.preprocessor.tokenizer.proto
    assert model.preprocessor.lowercase is True
    for mine, other in zip(model.get_weights(), expected.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, other)
    assert pretrained.differences(expected, model, "it") == []


@pytest.mark.once
def test_init_from_with_other_labels_copies_backbone_and_pooling(start):
    one = recipe(f"training.init_from={start}")
    dataset = SimpleNamespace(splits=load_data(one.config).splits, labels=("bad", "fair", "good"))
    model, expected = built(one, dataset), zoo.load(start)
    for part in ("backbone", "pool"):
        mine, other = getattr(model, part).get_weights(), getattr(expected, part).get_weights()
        assert all(np.array_equal(a, b) for a, b in zip(mine, other, strict=True))
    assert model.output_shape == (None, 3)
    assert pretrained.differences(expected, model, "it") == [
        "labels bad, fair, good in place of negative, positive of it",
        "new layers, without weights of it: logits",
        "layers of it that are left behind: logits",
    ]


@pytest.mark.once
def test_init_from_with_another_pooling_copies_the_backbone(start):
    one = recipe(f"training.init_from={start}", "model.pooling=mean")
    model, expected = built(one, load_data(one.config)), zoo.load(start)
    mine, other = model.backbone.get_weights(), expected.backbone.get_weights()
    assert all(np.array_equal(a, b) for a, b in zip(mine, other, strict=True))
    assert pretrained.differences(expected, model, "it") == [
        "new layers, without weights of it: logits",
        "layers of it that are left behind: pooling, logits",
    ]


@pytest.mark.once
@pytest.mark.parametrize("vector_dim", [0, 3])
def test_smaller_embeddings_are_the_nearest_for_the_encoder(start, tmp_path, vector_dim):
    """Of embeddings that vary in two dimensions two are enough, and the answers stay the same."""
    source = zoo.load(start)
    config = source.backbone.get_config() | {"num_layers": 2, "vector_dim": vector_dim}
    backbone = TextClassifierBackbone.from_config(config)
    source = TextClassifier(backbone, source.preprocessor, labels=source.labels)
    table, *others = source.backbone.token_embedding.get_weights()
    random = np.random.default_rng(0)
    table = random.normal(size=(len(table), 2)) @ random.normal(size=(2, table.shape[1]))
    source.backbone.token_embedding.set_weights([table, *others])
    presets.save(source, tmp_path / "wide", name="wide", dataset="none", dtype="float32")
    sizes = ["model.embedding_dim=2", "model.num_layers=2"]
    one = recipe(f"training.init_from={tmp_path / 'wide'}", *sizes)
    dataset = load_data(one.config)
    model = built(one, dataset)
    texts = dataset.splits["train"]["text"][:9]
    assert model.backbone.embedding_dim == 2 < table.shape[1]
    np.testing.assert_allclose(
        model.probabilities(texts), source.probabilities(texts), rtol=1e-4, atol=1e-6
    )
    (line,) = one.differences(model)
    assert line == f"embeddings of 2 dimensions in place of the {table.shape[1]} of {tmp_path}/wide"
    one = recipe(f"training.init_from={tmp_path / 'wide'}", "model.embedding_dim=99", sizes[1])
    with pytest.raises(ValueError, match="set model.embedding_dim=.* Received: .*=99"):
        built(one, dataset)


@pytest.mark.once
def test_init_from_of_other_sizes_names_the_settings(start):
    one = recipe(f"training.init_from={start}", "model.units=7", "model.encoder=gru")
    with pytest.raises(ValueError) as raised:
        built(one, load_data(one.config))
    assert str(raised.value) == (
        "The sizes of the model must be those of training.init_from: set model.encoder=lstm "
        "model.units=5. Received: model.encoder=gru model.units=7"
    )


@pytest.mark.once
def test_a_changed_model_to_start_from_is_noticed(start, tmp_path):
    copy = shutil.copytree(start, tmp_path / "copy")
    one = recipe(f"training.init_from={copy}")
    (before,) = one.model_digests()
    assert recipe(f"training.init_from={start}").model_digests() == [before]
    presets.update_card(copy, metrics={"dev/accuracy": 0.5})
    assert one.model_digests() == [before]  # its weights are the same
    presets.save(
        zoo.load(start), copy, name="it", dataset="reviews", dtype="float16", overwrite=True
    )
    assert recipe(f"training.init_from={copy}").model_digests() != [before]


@pytest.mark.once
def test_init_from_brings_sizes_along(start):
    values = read_yaml((FOLDER / "sentiment" / "quickstart.yaml").read_text("utf-8"))
    overrides = [f"training.init_from={start}", "model.dropout=0.2", TINY[0]]
    one = SentimentRecipe(resolve(SentimentConfig, values, overrides, source="test"))
    settings = one.config.model
    assert (settings.embedding_dim, settings.units, settings.sequence_length) == (6, 5, 64)
    assert (settings.dropout, settings.pooled_dropout) == (0.2, 0.1)
    assert built(one, load_data(one.config)).count_params() == zoo.load(start).count_params()
    resumed = SentimentRecipe(resolve(SentimentConfig, one.config.model_dump(), source="test"))
    assert resumed.config == one.config and "initial_model" not in vars(resumed)


@pytest.mark.once
def test_init_from_of_another_task_is_refused(start):
    with pytest.raises(ValueError, match="name a Seq2SeqLM; `zoo ls --task seq2seq_lm` lists them"):
        pretrained.load(str(start), Seq2SeqLM)
    with pytest.raises(ValueError, match="name a Other. Received: .*, a TextClassifier"):
        pretrained.load(str(start), type("Other", (keras_hub.models.Task,), {}))


def save_language_model(directory, tokenizer, dataset, backward=False, **sizes):
    backbone = CausalLMBackbone(tokenizer.vocabulary_size(), dropout=0.5, **sizes)
    model = CausalLM(backbone, CausalLMPreprocessor(tokenizer, 8, backward=backward))
    presets.save(model, directory, name="lm", dataset=dataset, dtype="float32")
    return directory


@pytest.fixture(scope="module")
def language_model(tmp_path_factory):
    """A preset of a language model of subwords with two layers."""
    dataset = load_data(recipe().config)
    tokenizer = train_subword_tokenizer(dataset.splits["train"]["text"], 300)
    sizes = {"decoder": "gru", "embedding_dim": 6, "units": 5, "num_layers": 2}
    folder = tmp_path_factory.mktemp("language_model") / "forward"
    return save_language_model(folder, tokenizer, dataset, **sizes)


@pytest.fixture(scope="module")
def language_models(language_model):
    """That preset, and one of a backward language model."""
    tokenizer = zoo.load(language_model).preprocessor.tokenizer
    sizes = {"decoder": "gru", "embedding_dim": 7, "units": 5, "num_layers": 2}
    folder = language_model.parent / "backward"
    return [
        language_model,
        save_language_model(folder, tokenizer, load_data(recipe().config), backward=True, **sizes),
    ]


def from_language_model(source, *overrides):
    source = list(map(str, source)) if isinstance(source, list) else str(source)
    values = {"data": {"name": "generated_reviews"}, "training": {"init_from": source}}
    return SentimentRecipe(resolve(SentimentConfig, values, [TINY[0], *overrides], source="test"))


def test_a_language_model_starts_a_classifier_with_its_states(language_model):
    one = from_language_model(language_model)
    settings = one.config.model
    assert (settings.encoder, settings.bidirectional, settings.num_layers) == ("gru", False, 2)
    assert (settings.dropout, settings.sequence_length) == (0.3, 128)  # the recipe's own
    dataset = load_data(one.config)
    model, source = built(one, dataset), zoo.load(language_model)
    assert model.preprocessor.tokenizer.proto == source.preprocessor.tokenizer.proto
    encoded = model.preprocessor.encode(dataset.splits["dev"]["text"][:3])
    assert max(map(len, encoded)) > 8  # the window of the language model
    x = model.preprocessor.collate(encoded, 24)
    states, expected = (it.backbone.predict_on_batch(x) for it in (model, source))
    np.testing.assert_allclose(states, expected, atol=1e-6)
    assert np.abs(states).max() > 0.01
    assert one.differences(model) == [
        f"the embeddings and the encoder are those of {language_model}; new layers: pooling, logits"
    ]


@pytest.mark.once
def test_a_forward_and_a_backward_language_model_start_both_directions(language_models):
    one = from_language_model(language_models)
    dataset = load_data(one.config)
    model, sources = built(one, dataset), list(map(zoo.load, language_models))
    assert (model.backbone.embedding_dim, model.backbone.bidirectional) == (13, True)
    texts = sorted(dataset.splits["dev"]["text"], key=len)[:3]
    encoded = model.preprocessor.encode(texts)
    states = model.backbone.predict_on_batch(model.preprocessor.collate(encoded, 96))
    for direction, source in enumerate(sources):
        ids = source.preprocessor.encode(texts)
        x = model.preprocessor.collate(ids, 96)
        for row, expected in enumerate(source.backbone.predict_on_batch(x)):
            found = states[row, : len(ids[row]), 5 * direction : 5 * direction + 5]
            found = found[::-1] if direction else found
            np.testing.assert_allclose(found, expected[: len(ids[row])], atol=1e-6)


@pytest.mark.once
def test_smaller_embeddings_of_two_language_models(language_models):
    one = from_language_model(language_models, "model.embedding_dim=9")
    model, sources = built(one, load_data(one.config)), list(map(zoo.load, language_models))
    first = model.backbone.get_layer("recurrent").stack[0]
    kernels = np.concatenate([layer.get_weights()[0] for layer in first], axis=1)
    (embeddings,) = model.backbone.token_embedding.get_weights()
    assert embeddings.shape[1] == len(kernels) == 9
    products = [
        source.backbone.token_embedding.get_weights()[0]
        @ source.backbone.stack.stack[0][0].get_weights()[0]
        for source in sources
    ]
    left, values, right = np.linalg.svd(np.concatenate(products, axis=1), full_matrices=False)
    nearest = left[:, :9] * values[:9] @ right[:9]
    np.testing.assert_allclose(embeddings @ kernels, nearest, atol=1e-4)
    with pytest.raises(ValueError, match="set model.embedding_dim=13. Received: .*=14"):
        larger = from_language_model(language_models, "model.embedding_dim=14")
        built(larger, load_data(larger.config))


def test_gradual_unfreezing_trains_one_layer_more_at_a_time(language_model):
    settings = ["training.gradual_unfreezing=1", "training.epochs=4", "training.weight_decay=0.1"]
    one = from_language_model(language_model, *settings, "model.pooling=concat")
    dataset = load_data(one.config)
    model = built(one, dataset)
    x, y = one.examples(model, dataset.splits["train"], 0).collate(np.arange(8), 16)
    compile_model(
        model,
        one.config.training,
        4,
        frozen_steps=one.frozen_epochs(model),  # a batch each
        **one.compile_options(model),
    )
    recurrent = model.backbone.get_layer("recurrent").stack
    layers = [model.get_layer("logits"), recurrent[1][0], recurrent[0][0]]
    layers.append(model.backbone.token_embedding)
    before = [layer.get_weights() for layer in layers]
    for epoch in range(4):
        keras.Model.fit(model, x, y, batch_size=8, verbose=0)
        moved = [
            not all(map(np.array_equal, layer.get_weights(), weights))
            for layer, weights in zip(layers, before, strict=True)
        ]
        assert moved == [True] * (epoch + 1) + [False] * (3 - epoch)


@pytest.mark.once
def test_gradual_unfreezing_needs_epochs_and_something_pretrained(language_model):
    settings = ["training.gradual_unfreezing=2", "training.epochs=6"]
    one = from_language_model(language_model, *settings)
    with pytest.raises(ValueError, match="of 2 layers is trained as a whole from epoch 7 on: set "):
        built(one, load_data(one.config))
    with pytest.raises(ConfigError, match="set model.backbone or training.init_from"):
        recipe("training.gradual_unfreezing=1")
    with pytest.raises(ConfigError, match="give one of them. Received: gradual_unfreezing=2, tra"):
        from_language_model(language_model, settings[0], "training.trainable_layers=1")
    with pytest.raises(ConfigError, match="a list of two language models, forward and b"):
        recipe("training.init_from=[one]")


@pytest.mark.once
def test_layer_decay_of_recurrent_layers(language_model):
    one = from_language_model(language_model, "training.layer_decay=0.5")
    model = built(one, load_data(one.config))
    factors = one.rate_factors(model)
    assert factors.pop(model.backbone.token_embedding.embeddings.path) == 0.125
    assert sorted(factors.values()) == [0.25] * 3 + [0.5] * 3


@pytest.mark.once
def test_a_language_model_that_does_not_fit_is_refused(language_model, tmp_path):
    one = from_language_model(language_model, "model.units=7", "model.bidirectional=true")
    with pytest.raises(ValueError, match="set model.units=5 model.bidirectional=False. Received: "):
        built(one, load_data(one.config))
    dataset = load_data(one.config)
    characters = train_character_tokenizer(dataset.splits["train"]["text"])
    names = []
    for i, (options, message) in enumerate(
        (
            ({"decoder": "transformer", "units": 8}, "must be a plain stack .* a causal Transf"),
            ({"attention": "bahdanau"}, "must be a plain stack .* with attention bahdanau"),
            ({"num_layers": 2, "residual": True}, "must be a plain stack .* with residual layers"),
            ({"embedding_cutoffs": (20,)}, "must be a plain stack .* of several sizes"),
            ({}, "must read subwords: .* with a CharacterTokenizer"),
            ({"backward": True}, r"\(backward\)"),
        )
    ):
        sizes = {"embedding_dim": 8, "units": 4} | options
        names.append(save_language_model(tmp_path / str(i), characters, dataset, **sizes))
        with pytest.raises(ValueError, match=message):
            from_language_model(names[-1]).prepare(dataset)
    for pair, message in (
        ([language_model, language_model], r"in this order: .* \(forward\), .* \(forward\)"),
        ([language_model, names[-1]], "the same decoder, units, num_layers: .* 'units': 5"),
        ([names[-2], names[-1]], "must read subwords"),
    ):
        with pytest.raises(ValueError, match=message):
            from_language_model(pair).prepare(dataset)
    with pytest.raises(ValueError, match="a TextClassifier or a CausalLM; .* and .* list them"):
        pretrained.load("lstm_bahdanau_cmudict_g2p_en", TextClassifier, CausalLM)


def test_examples_vary_by_epoch_only_with_sampling():
    one = recipe()
    columns = load_data(one.config).splits["train"]
    model = SimpleNamespace(
        preprocessor=one.prepare(load_data(one.config)), labels=("negative", "positive")
    )
    assert not one.examples_vary_by_epoch
    assert one.examples(model, columns, 0).lengths == one.examples(model, columns, 1).lengths
    sampled = recipe("tokenizer.sampling=0.1")
    assert sampled.examples_vary_by_epoch
    lengths = [sampled.examples(model, columns, epoch).lengths for epoch in (0, 1, 1)]
    assert lengths[0] != lengths[1] == lengths[2]
    x, y = one.examples(model, columns, 0).collate(np.array([3, 1]), 24)
    assert x["token_ids"].shape == (2, 24) and y.shape == (2, 2)
    assert [model.labels[i] for i in y.argmax(axis=1)] == [columns["label"][i] for i in (3, 1)]


class RecordingRun:
    def __init__(self):
        self.tables, self.figures, self.texts = {}, {}, {}

    def log_table(self, columns, name):
        self.tables[name] = columns

    def log_figure(self, figure, name):
        self.figures[name] = figure

    def log_text(self, text, name):
        self.texts[name] = text


@pytest.mark.once
def test_report_lists_mistakes_first(start):
    model, run = zoo.load(start), RecordingRun()
    texts = ["good", "bad", "", "fine"] * 5
    predicted = [answer.label for answer in model.infer(texts)]
    other = {"negative": "positive", "positive": "negative"}
    # Every second answer is wrong.
    columns = {"text": texts, "label": [x if i % 2 else other[x] for i, x in enumerate(predicted)]}
    report(model, columns, run, samples=6)
    table = run.tables["samples.json"]
    assert list(table)[1] == "predicted" and len(table["text"]) == 6
    wrong = [a != b for a, b in zip(table["predicted"], table["label"], strict=True)]
    assert wrong == sorted(wrong, reverse=True) and sum(wrong) == 3
    assert "figures/confusion.png" in run.figures
    pictures = {name for name in run.figures if name.startswith("attention/")}
    assert pictures and set(run.texts) == {name.replace(".png", ".html") for name in pictures}
    assert all("<" in text for text in run.texts.values())
    report(model, columns, run := RecordingRun(), samples=0)
    assert run.tables == {} and list(run.figures) == ["figures/confusion.png"]


def test_confusion_matrix_shows_counts_and_shares():
    figure = draw_confusion(np.array([[3, 1], [0, 0]]), ("no", "yes"))
    texts = [text.get_text() for text in figure.axes[0].texts]
    assert texts == ["3\n75.0%", "1\n25.0%", "0\n0.0%", "0\n0.0%"]


@pytest.mark.once
def test_korean_quickstart_learns_in_one_epoch(client):
    result = run_recipe(sentiment.RECIPE, "quickstart_ko", ["training.epochs=1"], progress=False)
    assert result.card.dataset == "nsmc_mini" and result.card.languages == ("ko",)
    assert result.metrics["dev/accuracy"] > 0.6 and result.metrics["test/accuracy"] > 0.6


@pytest.mark.once
def test_the_length_that_is_best_on_dev_is_stored_and_calibrated(client, tmp_path):
    overrides = [
        "data.options={train: 600, dev: 100, test: 0}",
        "training.epochs=4",
        "model.sequence_length=10",
        "evaluation={sequence_lengths: [64, 1, 2], calibrate: true}",
    ]
    result = run_recipe(
        sentiment.RECIPE, "quickstart", overrides, output=tmp_path / "preset", progress=False
    )
    tuned = client.get_run(result.run_id).data.metrics
    found = {length: tuned[f"sequence_length/accuracy_at_{length}"] for length in (64, 1, 2)}
    best = max(found, key=found.get)
    assert best == tuned["sequence_length"] and found[best] > found[2]  # which was tried last
    assert zoo.load(tmp_path / "preset").preprocessor.sequence_length == best
    assert result.metrics["dev/accuracy"] == pytest.approx(found[best], abs=0.021)
    # the temperature is that for as many tokens as the stored model reads
    assert result.metrics["dev/loss"] == pytest.approx(tuned["calibration/loss_after"], abs=1e-3)


@pytest.mark.once
def test_a_transformer_reads_no_more_than_it_was_trained_on():
    transformer = ["model.encoder=transformer", "model.embedding_dim=4", "model.units=4"]
    with pytest.raises(ConfigError, match="at most model.sequence_length.*8, 65"):
        recipe(*transformer, "evaluation.sequence_lengths=[8, 65]")
    recipe(*transformer, "evaluation.sequence_lengths=[8, 64]")
