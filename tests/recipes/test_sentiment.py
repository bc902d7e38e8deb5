"""Sentiment recipe: schema, `init_from`, examples, report."""

from pathlib import Path
from types import SimpleNamespace

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
from zoo.models import Seq2SeqLM
from zoo.training import pretrained
from zoo.training import run as run_recipe
from zoo.training.config import read_yaml, resolve

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


def test_init_from_with_another_pooling_copies_the_backbone(start):
    one = recipe(f"training.init_from={start}", "model.pooling=mean")
    model, expected = built(one, load_data(one.config)), zoo.load(start)
    mine, other = model.backbone.get_weights(), expected.backbone.get_weights()
    assert all(np.array_equal(a, b) for a, b in zip(mine, other, strict=True))
    assert pretrained.differences(expected, model, "it") == [
        "new layers, without weights of it: logits",
        "layers of it that are left behind: pooling, logits",
    ]


def test_init_from_of_other_sizes_names_the_settings(start):
    one = recipe(f"training.init_from={start}", "model.units=7", "model.encoder=gru")
    with pytest.raises(ValueError) as raised:
        built(one, load_data(one.config))
    assert str(raised.value) == (
        "The sizes of the model must be those of training.init_from: set model.encoder=lstm "
        "model.units=5. Received: model.encoder=gru model.units=7"
    )


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


def test_init_from_of_another_task_is_refused(start):
    with pytest.raises(ValueError, match="name a Seq2SeqLM; `zoo ls --task seq2seq_lm` lists them"):
        pretrained.load(str(start), Seq2SeqLM)
    with pytest.raises(ValueError, match="name a Other. Received: .*, a TextClassifier"):
        pretrained.load(str(start), type("Other", (keras_hub.models.Task,), {}))


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
        self.tables, self.figures = {}, {}

    def log_table(self, columns, name):
        self.tables[name] = columns

    def log_figure(self, figure, name):
        self.figures[name] = figure


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
    assert any(name.startswith("attention/") for name in run.figures)
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
