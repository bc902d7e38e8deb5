"""Language modelling recipe: carried state, resuming, report, bad input."""

import json
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from keras import ops

from recipes import language_modeling
from recipes.language_modeling.brackets import accuracy, bracket_outcomes, draw_outcomes
from recipes.language_modeling.carried_state import CarriedState
from recipes.language_modeling.long_range import gradient_flow
from recipes.language_modeling.recipe import LanguageModelingRecipe
from recipes.language_modeling.report import beginnings
from recipes.language_modeling.schema import LanguageModelingConfig
from tests.small_recipe import load_data
from zoo import presets
from zoo.data.batches import Batches
from zoo.data.generated_brackets import closing_brackets
from zoo.data.planning import plan_batches
from zoo.training import run as run_recipe
from zoo.training.checkpoint import Checkpoint
from zoo.training.config import ConfigError, read_yaml, resolve

FOLDER = Path(__file__).parents[2] / "recipes" / "language_modeling"
SMALL = [
    "data.options={train: 60, dev: 10, test: 0}",
    "model.embedding_dim=4",
    "model.units=6",
    "model.sequence_length=8",
    "training.epochs=2",
    "training.batch_size=16",
    "evaluation.gate=null",
    "evaluation.test=false",
    "evaluation.samples=0",
]

KILLED_OVERRIDES = [
    *SMALL,
    "training.checkpoint_every=5",
    "model.dropout=0.2",
    "model.num_layers=2",
]
KILLED = f"""
from zoo.cli.backend import others_hidden
with others_hidden():  # whose import takes seconds
    import keras_hub
import os, signal
from recipes.language_modeling import RECIPE
from zoo.training import loop, run
count = loop._Steps.on_train_batch_end
def count_and_kill(self, batch, logs=None):
    count(self, batch, logs)
    if self.progress.step == 7:  # the checkpoint is of step 5
        os.kill(os.getpid(), signal.SIGKILL)
loop._Steps.on_train_batch_end = count_and_kill
run(RECIPE, "quickstart", {KILLED_OVERRIDES})
"""


def recipe(*overrides):
    values = read_yaml((FOLDER / "quickstart.yaml").read_text("utf-8"))
    return LanguageModelingRecipe(
        resolve(LanguageModelingConfig, values, [*SMALL, *overrides], source="test")
    )


def built(one, dataset):
    return one.build(dataset, one.prepare(dataset), "float32")


@pytest.fixture(scope="module")
def model():
    one = recipe()
    return built(one, load_data(one.config))


def test_each_batch_goes_on_where_the_last_one_ended(model):
    tokens = np.random.default_rng(0).integers(4, 12, (3, 24)).astype("int32")
    whole, _ = model.call_with_state(tokens, model.backbone.initial_state(3))
    carried = CarriedState(model, lanes=3)
    go_on, start = np.zeros(3, "float32"), np.ones(3, "float32")
    parts = [
        carried({"token_ids": tokens[:, first : first + 8], "is_start": go_on}, training=False)
        for first in (0, 8, 16)
    ]
    parts = np.concatenate([ops.convert_to_numpy(part) for part in parts], axis=1)
    np.testing.assert_allclose(parts, ops.convert_to_numpy(whole), atol=1e-5)
    again = carried({"token_ids": tokens[:, :8], "is_start": start}, training=False)
    np.testing.assert_allclose(ops.convert_to_numpy(again), parts[:, :8], atol=1e-5)


def test_fit_trains_on_windows_in_order():
    """The state that `fit` leaves is that of each lane since its last text began with a window."""
    one = recipe("training.optimizer=sgd", "training.learning_rate=1e-30")
    dataset = load_data(one.config)
    model = built(one, dataset)
    examples = one.examples(model, dataset.splits["train"], epoch=0)
    assert examples.in_order and set(examples.lengths) == {8}
    assert sum(examples.tokens) == sum(len(text) + 1 for text in dataset.splits["train"]["text"])
    plan = plan_batches(examples.lengths, [8], 16)[:6]
    trained = one.training_model(model)
    trained.compile("sgd", **one.compile_options(model))
    trained.optimizer.learning_rate = 0.0
    keras.Model.fit(trained, Batches(plan, examples.collate), verbose=0)
    batches = [examples.collate(batch.indices, 8)[0] for batch in plan]
    tokens = np.concatenate([batch["token_ids"] for batch in batches], axis=1)
    starts = np.stack([batch["is_start"] for batch in batches])  # [batches, lanes]
    first = len(plan) - 1 - starts[::-1].argmax(axis=0)  # batch of the last start of each lane
    assert len(set(first)) > 1
    mine = [ops.convert_to_numpy(state) for state in trained.carried]
    for lane in range(16):
        since = np.repeat(tokens[lane : lane + 1, 8 * first[lane] :], 2, axis=0)
        _, state = model.call_with_state(since, model.backbone.initial_state(2))
        for one, expected in zip(mine, keras.tree.flatten(state), strict=True):
            np.testing.assert_allclose(one[lane], ops.convert_to_numpy(expected)[0], atol=1e-5)


@pytest.mark.once
def test_killed_run_goes_on_with_the_carried_state(client, home, monkeypatch):
    """A run that receives SIGKILL within an epoch and is resumed ends like a whole one."""
    monkeypatch.setattr(Checkpoint, "remove", lambda self: None)  # keeps the last state
    whole = run_recipe(language_modeling.RECIPE, "quickstart", KILLED_OVERRIDES).run_id

    killed = subprocess.run([sys.executable, "-c", KILLED], capture_output=True, text=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    (cut,) = {path.name for path in (home / "checkpoints").iterdir()} - {whole}
    assert Checkpoint(cut).progress().batch == 5
    run_recipe(language_modeling.RECIPE, "quickstart", resume=cut)

    # TensorFlow may sum in another order in another process.
    tolerance = 1e-6 if keras.config.backend() == "tensorflow" else 0
    for file in ("state.npz", "best.npz"):
        one, other = (np.load(home / "checkpoints" / it / file) for it in (whole, cut))
        assert one.files == other.files
        for name in set(one.files) - {"progress"}:
            np.testing.assert_allclose(one[name], other[name], rtol=0, atol=tolerance, err_msg=name)


def test_a_transformer_is_trained_on_windows_in_any_order():
    one = recipe("model.decoder=transformer", "model.units=4", "model.num_heads=2")
    dataset = load_data(one.config)
    model = built(one, dataset)
    examples = one.examples(model, dataset.splits["train"], epoch=0)
    assert not examples.in_order and one.training_model(model) is model
    inputs, targets, weights = examples.collate(np.array([3, 1]), 8)
    assert inputs["padding_mask"].all() and targets.shape == weights.shape == (2, 8)


@pytest.mark.once
def test_windows_begin_elsewhere_in_each_epoch():
    one = recipe()
    dataset = load_data(one.config)
    model = built(one, dataset)
    first, second, again = (
        one.examples(model, dataset.splits["train"], epoch).collate(np.arange(16), 8)[0]
        for epoch in (0, 1, 1)
    )
    assert not np.array_equal(first["token_ids"], second["token_ids"])
    np.testing.assert_array_equal(second["token_ids"], again["token_ids"])
    assert first["is_start"].all()


@pytest.mark.once
@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["training.batch_size=512"], "a batch has at most 16,384 tokens"),
        (["training.r_drop=1"], "lanes of one text"),
        (["training.batch_tokens=1024"], "lanes of one text"),
        (["tokenizer.level=subwords", "tokenizer.vocabulary_size=50"], "at least 300"),
        (["model.decoder=transformer", "model.weight_dropout=0.1"], "Transformer"),
        (["model.decoder=transformer", "evaluation.sample_length=400"], "at most 384 tokens"),
        (["model.embedding_cutoffs=[9, 3]"], "embedding_cutoffs must rise"),
        (["model.embedding_cutoffs=[90, 8000]"], "below the size of the vocabulary"),
        (["model.embedding_cutoffs=[9]"], "sorted by falling frequency: set level words"),
        (["evaluation.cache={}", "model.decoder=transformer"], "cache is for recurrent decoders"),
        (["data.name=multi30k"], "name must be one of english_sentences"),
    ],
)
def test_settings_that_do_not_fit(overrides, message):
    with pytest.raises(ConfigError, match=message):
        recipe("model.sequence_length=64", *overrides)


@pytest.mark.once
def test_clusters_of_a_model_that_is_trained_further():
    settings = {"embedding_cutoffs": [3000, 12_000]}
    values = {"data": {"name": "wikitext2"}, "training": {"init_from": "lstm_wikitext2_en"}}
    values["model"] = settings
    assert resolve(LanguageModelingConfig, values, source="test").model.embedding_cutoffs


@pytest.mark.once
def test_the_cache_of_a_model_that_is_trained_further(tmp_path):
    one = recipe("evaluation.cache={size: 7}")
    dataset = load_data(one.config)
    start = tmp_path / "start"
    presets.save(built(one, dataset), start, name="start", dataset=dataset, dtype="float32")
    for overrides, size in ([], 7), (["evaluation.cache={size: 5}"], 5):
        again = built(recipe(f"training.init_from={start}", *overrides), dataset)
        assert again.cache.size == size


@pytest.mark.once
def test_words_are_not_counted_where_there_is_no_space():
    config = recipe("evaluation.metric=word_perplexity").config
    (conflict,) = config.data_conflicts(load_data(config))
    assert "set metric bits_per_character" in str(conflict)


@pytest.mark.once
def test_text_that_is_shorter_than_a_window_of_each_lane(tmp_path):
    file = tmp_path / "short.txt"
    file.write_text("a line\n" * 10)
    one = recipe("data.name=null", "data.options={}", f"data.train={file}")
    dataset = load_data(one.config)
    with pytest.raises(ValueError, match="16 lanes with at least one window of 8 tokens"):
        one.examples(built(one, dataset), dataset.splits["train"], 0)


@pytest.mark.once
def test_prefixes_of_unknown_characters():
    one = recipe("evaluation.prefixes=[(a, z]")
    with pytest.raises(ValueError, match="must have characters that train has: leave out 'z'"):
        one.prepare(load_data(one.config))


@pytest.mark.once
def test_beginnings_of_lines():
    texts = ["one two three four five six\n\nseven eight\nnine", "ten"]
    assert beginnings(texts, 4) == ["one two three four", "seven", "ni", "t"]
    assert beginnings(texts, 1) == ["one two three four"]


@pytest.mark.once
def test_brackets_are_compared_with_each_other_only(model):
    texts = ["(ab[c]d)", "{a}"]
    outcomes = bracket_outcomes(model, texts)
    assert [it.bracket for it in outcomes] == [
        it for text in texts for it in closing_brackets(text)
    ]
    assert 0 <= accuracy(outcomes) <= 1
    figure = draw_outcomes(outcomes)
    assert len(figure.axes) == 2


@pytest.mark.once
def test_study_compares_memory_and_gradients(model):
    logged = []
    run = SimpleNamespace(log_figure=lambda figure, name: logged.append(name))
    texts = load_data(recipe().config).splits["dev"]
    one = recipe("model.decoder=simple_rnn", "model.attention=scaled_dot")
    models = {"lstm": model, "attention": built(one, load_data(one.config))}
    table = one.compare(models, texts, run)
    assert logged == ["figures/memory.png"]
    assert all(len(values) == 2 for values in table.values())
    assert {"perplexity", "brackets right", "gradient 64 steps back, new"} <= set(table)
    flow = gradient_flow(model, texts["text"])
    assert flow.shape == (65,) and flow[0] == 1
    assert flow[64] < flow[16] < flow[1] < 1  # of a new LSTM, whose gates are half open


@pytest.mark.once
def test_run_logs_texts_along_training(client):
    overrides = [*SMALL, "training.epochs=1", "evaluation.samples=2", "evaluation.sample_length=4"]
    run_id = run_recipe(language_modeling.RECIPE, "quickstart", overrides).run_id
    artifacts = {
        file.path
        for folder in (None, "samples", "surprisal", "figures")
        for file in client.list_artifacts(run_id, folder)
    }
    assert {"samples/epoch_0001.json", "samples.json", "surprisal/01.png"} <= artifacts
    assert "figures/brackets.png" in artifacts
    table = json.loads(Path(client.download_artifacts(run_id, "samples.json")).read_text())
    assert table["columns"] == ["prefix", "continuation"] and len(table["data"]) == 2
    metrics = client.get_run(run_id).data.metrics
    assert {"dev/perplexity", "dev/bits_per_character", "brackets/accuracy"} <= set(metrics)
    assert "dev/perplexity_without_state" in metrics
