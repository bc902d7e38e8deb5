"""Paths of a user's files in a run that is resumed in another folder, and in printed commands."""

import json

import keras
import pytest

from recipes import sentiment, translation
from recipes.captioning import RECIPE as CAPTIONING
from tests.small_recipe import SMALL
from zoo.training import loop, resolve
from zoo.training import run as run_recipe

pytestmark = pytest.mark.once
OWN = ["data.name=null", "data.options={}", "data.train=mine.csv", "evaluation.metric=accuracy"]


def test_paths_of_existing_files_are_absolute(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("a.de", "a.en", "b.tsv", "images"):
        (tmp_path / name).touch()
    pair = ["data.name=null", "data.options={}", "data.train=[a.en, a.de]", "data.dev=b.tsv"]
    found = resolve(translation.RECIPE, "quickstart", [*pair, "data.test=none.tsv"]).data
    assert found.train == [str(tmp_path / "a.en"), str(tmp_path / "a.de")]
    assert found.dev == str(tmp_path / "b.tsv") and found.test == "none.tsv"
    tables = ["data.name=null", "data.options={}", "data.train=b.tsv", "data.images=images"]
    found = resolve(CAPTIONING, "quickstart", tables).data
    assert (found.train, found.images) == (str(tmp_path / "b.tsv"), str(tmp_path / "images"))
    assert resolve(sentiment.RECIPE).data.train is None
    (tmp_path / "mine").mkdir()
    (tmp_path / "lstm_wikitext2_en").mkdir()  # the name of a pretrained model, which goes first
    pair = ["training.init_from=[mine, lstm_wikitext2_en]"]
    found = resolve(sentiment.RECIPE, "quickstart", pair).training.init_from
    assert found == [str(tmp_path / "mine"), "lstm_wikitext2_en"]
    (tmp_path / "small.txt").write_text("good 0.1 0.2\nbad 0.3 0.4\n")
    words = ["model.word_vectors=small.txt", "model.embedding_dim=2"]
    found = resolve(sentiment.RECIPE, "quickstart", words).model.word_vectors
    assert found == str(tmp_path / "small.txt")


def test_an_interrupted_run_is_resumed_in_another_folder(client, home, tmp_path, monkeypatch):
    first, second = tmp_path / "my first", tmp_path / "second"
    for folder in (first, second):
        folder.mkdir()
    rows = "".join(f"a {word} film {i},{word}\n" for i in range(60) for word in ("good", "bad"))
    (first / "mine.csv").write_text("text,label\n" + rows)
    monkeypatch.chdir(first)
    small = [it for it in SMALL if not it.startswith("data.")]

    class Interrupted(Exception):
        pass

    evaluate = loop.train

    def interrupted(*arguments, **options):
        evaluate(*arguments, **options)
        raise Interrupted

    monkeypatch.setattr("zoo.training.session.train", interrupted)
    with pytest.raises(Interrupted) as caught:
        run_recipe(sentiment.RECIPE, "quickstart", [*small, *OWN], progress=False)
    (folder,) = (home / "checkpoints").iterdir()
    command = f"zoo run sentiment/quickstart --resume {folder.name[:8]} --backend "
    assert caught.value.hint == command + keras.backend.backend()
    monkeypatch.setattr("zoo.training.session.train", evaluate)
    monkeypatch.chdir(second)
    output = second / "preset"
    result = run_recipe(
        sentiment.RECIPE, "quickstart", resume=folder.name, output=output, progress=False
    )
    assert result.metrics["dev/accuracy"] >= 0
    card = (output / "card.json").read_text("utf-8")
    assert "data.train=mine.csv" in json.loads(card)["training"]["command"]
    assert str(tmp_path) not in card


def test_a_run_that_starts_from_a_model_is_resumed_in_another_folder(
    run, client, home, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    run("training.max_steps=1", output="start", progress=False)
    second = tmp_path / "second"
    second.mkdir()
    count = loop._Steps.on_train_batch_end

    def stopping(self, batch, logs=None):
        count(self, batch, logs)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(loop._Steps, "on_train_batch_end", stopping)
        changes = ["training.init_from=start", "evaluation.beat_initial=true", "description=''"]
        run(*changes, "training.checkpoint_every=1", "training.max_steps=3", progress=False)
    (folder,) = (home / "checkpoints").iterdir()
    monkeypatch.chdir(second)
    output = second / "preset"
    result = run_recipe(
        sentiment.RECIPE, "quickstart", resume=folder.name, output=output, progress=False
    )
    (before,) = client.get_metric_history(folder.name, "initial/accuracy")
    (gate,) = result.gates
    assert f"{before.value:.4g}"[:5] in str(gate)
    assert "starting from start" in result.card.description
    assert str(tmp_path) not in (output / "card.json").read_text("utf-8")
