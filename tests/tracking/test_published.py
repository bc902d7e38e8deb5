"""Published models in the tracking store, without Keras."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import zoo
from zoo.cli import main
from zoo.cli.verbs import presets as verb
from zoo.presets.builtin import PRETRAINED
from zoo.presets.card import PresetError
from zoo.presets.history import read_history, write_history
from zoo.tracking import experiments, prepare_store, published, ui
from zoo.tracking.champion import aliases_of

pytestmark = pytest.mark.once

NAME = "lstm_shakespeare_char"


@pytest.fixture
def card():
    return next(card for card in zoo.list_models() if card.name == NAME)


def runs_of(client):
    return client.search_runs([it.experiment_id for it in client.search_experiments()])


def test_a_published_model_becomes_a_run_and_a_version(client, capsys):
    assert ui.is_empty(prepare_store())
    assert main(["presets", "import", NAME]) == 0
    assert "1 entered, 0 were there" in capsys.readouterr().out
    (run,) = runs_of(client)
    assert run.info.run_name == NAME and run.info.status == "FINISHED"
    card = next(card for card in zoo.list_models() if card.name == NAME)
    assert {key: run.data.metrics[key] for key in card.metrics} == pytest.approx(card.metrics)
    assert run.data.metrics["model/parameters"] == card.parameters
    assert run.data.tags["source"] == "published" and run.data.params["model.decoder"] == "lstm"
    assert card.training["command"] in run.data.tags["mlflow.note.content"]
    assert run.inputs.dataset_inputs[0].dataset.name == "tiny_shakespeare"
    files = {file.path for file in client.list_artifacts(run.info.run_id)}
    assert {"card.md", "card.json", "config.yaml"} <= files
    assert aliases_of(client, NAME) == {"published": 1}
    version = client.get_model_version(NAME, "1")
    assert version.tags["source"] == "published" and card.sha256 in version.description
    assert zoo.presets.resolve(f"models:/{NAME}@published").is_dir()
    assert not ui.is_empty(prepare_store())
    assert "viewStateShareKey=zoo" in ui.start_page(prepare_store())

    assert main(["presets", "import", NAME, "--json"]) == 0
    assert [it["new"] for it in json.loads(capsys.readouterr().out)] == [False]
    assert len(runs_of(client)) == len(client.search_model_versions(f"name = '{NAME}'")) == 1


@pytest.mark.parametrize("interrupted", ["log_params", "log_text", "log_model"])
def test_what_was_interrupted_is_completed(client, card, monkeypatch, interrupted):
    def interrupt(*arguments, **options):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(published.Run, interrupted, interrupt)
        published.enter(client, PRETRAINED / NAME, card, {"model": {"cell": "lstm"}})
    done = published.enter(client, PRETRAINED / NAME, card, {"model": {"cell": "lstm"}})
    (run,) = runs_of(client)
    assert done.is_new and run.info.status == "FINISHED"
    assert len(client.search_model_versions(f"name = '{NAME}'")) == 1


def test_learning_curves_of_the_preset_become_those_of_the_run(client, card, tmp_path):
    folder = tmp_path / NAME
    shutil.copytree(PRETRAINED / NAME, folder)
    epochs = [(1, {"dev/loss": 2.5, "progress/steps": 9.0}), (2, {"dev/loss": 1.23456789})]
    write_history(folder, [*epochs, (3, {"dev/loss": float("nan")})])
    assert read_history(folder) == [(1, {"dev/loss": 2.5}), (2, {"dev/loss": 1.23457}), (3, {})]
    run_id = published.enter(client, folder, card, {}).run_id
    history = client.get_metric_history(run_id, "dev/loss")
    assert sorted((it.step, it.value) for it in history)[:2] == [(1, 2.5), (2, 1.23457)]


def test_damaged_learning_curves(tmp_path):
    assert read_history(tmp_path) == []
    (tmp_path / "history.json").write_text('{"epochs": [1]}')
    with pytest.raises(PresetError, match="learning curves.*Received: .*history.json"):
        read_history(tmp_path)


def test_every_published_model_has_its_settings():
    for card in zoo.list_models():
        assert verb._config(card)["training"]["epochs"] > 0, card.name


def test_unknown_model(capsys):
    assert main(["presets", "import", "lstm_shakespear"]) == 2
    assert "Did you mean `lstm_shakespeare_char`" in capsys.readouterr().err


def test_keras_is_not_imported():
    code = f"""
import sys
from zoo.cli import main
assert main(["presets", "import", "{NAME}"]) == 0
assert not {{"keras", "torch", "tensorflow", "jax"}} & set(sys.modules)
"""
    root = Path(zoo.__file__).parents[1]
    subprocess.run([sys.executable, "-c", code], cwd=root, check=True)


def test_ui_offers_published_models_to_an_empty_store(client, monkeypatch, capsys):
    entered = []
    monkeypatch.setattr(ui, "serve", lambda *arguments, **options: None)
    monkeypatch.setattr(verb, "enter", entered.extend)
    assert main(["ui"]) == 0  # not on a terminal
    assert "`zoo presets import` enters the published models" in capsys.readouterr().err
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    for answer in ("n", ""):
        monkeypatch.setattr("builtins.input", lambda question, answer=answer: answer)
        assert main(["ui"]) == 0
    assert entered == zoo.list_models()


def test_columns_of_a_table_of_runs(client):
    config = {"evaluation": {"metric": "macro_f1"}, "model": {"pooling": "mean", "units": 8}}
    assert experiments.columns("text_classifier", config)[:6] == [
        "metrics.`test/macro_f1`",
        "metrics.`dev/macro_f1`",
        "metrics.`test/accuracy`",
        "metrics.`dev/accuracy`",
        "params.`model.pooling`",
        "params.`model.units`",
    ]
    experiment = client.get_experiment(client.create_experiment("sentiment"))
    client.set_experiment_tag(experiment.experiment_id, "mlflow.note.content", "Mine.")
    for model in ({"units": 8}, {"cell": "gru"}):
        experiment = client.get_experiment(experiment.experiment_id)
        experiments.describe(client, experiment, "sentiment/x", "text_classifier", {"model": model})
    tags = client.get_experiment(experiment.experiment_id).tags
    assert tags["mlflow.note.content"] == "Mine."
    view = json.loads(tags["mlflow.sharedViewState.zoo"])["selectedColumns"]
    assert {"params.`model.units`", "params.`model.cell`"} < set(view)
    assert view[0] == "metrics.`test/accuracy`" and view[-1] == "tags.`backend`"
