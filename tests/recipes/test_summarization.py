"""Summarization and dialogue recipes: what they add to translation."""

import keras
import numpy as np
import pytest

import zoo
from recipes import summarization
from recipes.dialogue import report as dialogue_report
from recipes.dialogue.recipe import DialogueRecipe
from recipes.dialogue.schema import DialogueConfig
from recipes.summarization import report as summarization_report
from recipes.summarization.recipe import SummarizationRecipe
from recipes.summarization.schema import SummarizationConfig
from tests.small_recipe import load_data
from zoo.training import run as run_recipe
from zoo.training.config import ConfigError, resolve
from zoo.training.losses import Coverage

TINY = [
    "data.options={train: 120, dev: 4, test: 4}",
    "tokenizer.vocabulary_size=340",
    "model.embedding_dim=8",
    "model.units=8",
    "model.num_heads=2",
    "training.epochs=1",
    "training.batch_size=32",
    "evaluation.gate=null",
    "evaluation.samples=4",
]


def config(*overrides):
    name = {"recipe": "summarization", "data": {"name": "generated_requests"}}
    return resolve(SummarizationConfig, name, [*TINY, "model.copy=true", *overrides], source="test")


@pytest.mark.once
def test_a_summarizer_logs_its_report_and_is_scored_by_rouge(client, monkeypatch):
    monkeypatch.setattr(summarization_report, "NUM_FIGURES", 1)
    result = run_recipe(summarization.RECIPE, "quickstart", TINY, progress=False)
    assert {"dev/rouge_l", "dev/rouge_2_chars", "test/exact", "test/loss"} <= set(result.metrics)
    artifacts = {item.path for item in client.list_artifacts(result.run_id)}
    assert "samples.json" in artifacts
    again = zoo.load(result.model_uri)
    assert again.copy and again.purpose == "summarization"
    text = "Don't let Kelram leave Staivo Inn without the map, please."
    assert again.infer([text]) == result.model.infer([text])
    assert again.explain(text, "attention").copied is not None


class Tables:
    """A run that keeps what it is given."""

    def __init__(self):
        self.tables, self.figures = {}, []

    def log_table(self, columns, file):
        self.tables[file] = columns

    def log_figure(self, figure, file):
        self.figures.append(file)

    def log_text(self, text, file):
        self.figures.append(file)


@pytest.mark.once
def test_a_dialogue_reports_its_answers_and_the_frequent_ones(monkeypatch):
    monkeypatch.setattr(dialogue_report, "NUM_FIGURES", 1)
    small = "data.options={train: 120, dev: 4, test: 0}"
    options = ["data.name=generated_remarks", *TINY, "model.copy=true", small]
    settings = resolve(DialogueConfig, {"recipe": "dialogue"}, options, source="test")
    recipe, dataset = DialogueRecipe(settings), load_data(settings)
    model = recipe.build(dataset, recipe.prepare(dataset), "float32")
    assert model.purpose == "dialogue" and model.copy
    columns = dataset.splits["dev"]
    found = Tables()
    recipe.report(model, columns, found, 3)
    samples = found.tables["samples.json"]
    assert samples["remark"] == [columns["source"][row] for row in (0, 2, 3)]
    assert [len(values) for values in samples.values()] == [3] * 4
    shares = found.tables["frequent_answers.json"]["share"]
    assert sum(shares) == pytest.approx(1, abs=1e-3) and shares == sorted(shares, reverse=True)
    assert found.figures == ["attention/01.png", "attention/01.html"]
    nothing = Tables()
    recipe.report(model, columns, nothing, 0)
    assert not nothing.tables and not nothing.figures


@pytest.mark.once
@pytest.mark.parametrize("attention", ["bahdanau", "transformer"])
def test_one_batch_updates_every_weight(fit_one_batch, attention):
    options = (f"model.attention={attention}", "training.coverage=1.0")
    loss, unchanged = fit_one_batch(SummarizationRecipe(config(*options)))
    assert np.isfinite(loss) and unchanged == []


@pytest.mark.once
@pytest.mark.parametrize(
    "overrides, message",
    [
        (["model.attention=none"], "copying needs attention"),
        (["tokenizer.separate=true"], "copying needs one vocabulary for both"),
        (["model.copy=false", "training.coverage=1"], "the coverage loss is of copying"),
        (["evaluation.metric=bleu"], "evaluation.metric"),
        (
            ["training.coverage=1", "training.teacher=x", "training.teacher_mode=word"],
            "the coverage loss and a teacher's probabilities",
        ),
    ],
)
def test_settings_that_do_not_go_together(overrides, message):
    with pytest.raises(ConfigError, match=message):
        config(*overrides)


def test_the_coverage_loss_is_that_of_the_paper():
    attention = np.random.default_rng(0).dirichlet(np.ones(4), (2, 3)).astype("float32")
    mask = np.array([[True, True, True], [True, False, False]])
    layer = Coverage(2.0)
    logits = keras.ops.zeros((2, 3, 5))
    assert layer(logits, attention, mask) is not None
    expected = 0.0
    for row, step in zip(*np.nonzero(mask), strict=True):
        before = attention[row, :step].sum(axis=0)
        expected += 2.0 * np.minimum(attention[row, step], before).sum() / mask.sum()
    (loss,) = layer.losses
    assert float(loss) == pytest.approx(expected, abs=1e-5)
