"""`zoo eval` with a stand-in for the model, on real files."""

import json
from dataclasses import replace
from types import SimpleNamespace

import pytest

from zoo import data, presets
from zoo.cli import main

pytestmark = pytest.mark.once


@pytest.fixture
def carded(tmp_path, loaded, cards, monkeypatch):
    """A model whose card names the dataset `reviews`, of which two of three are easy."""
    (tmp_path / "card.json").touch()
    monkeypatch.setattr(presets, "resolve", lambda source: tmp_path)
    monkeypatch.setattr(presets, "read_card", lambda directory: cards[0])
    splits = {
        "test": {
            "text": ["good", "not good", "bad"],
            "label": ["positive", "negative", "negative"],
        }
    }
    monkeypatch.setattr(
        data, "list_datasets", lambda: [SimpleNamespace(name="reviews", languages=("en",))]
    )
    monkeypatch.setattr(data, "load", lambda name: SimpleNamespace(splits=splits))
    return tmp_path


def test_the_dataset_of_the_card_beside_its_number(carded, capsys):
    assert main(["eval", "tiny_en"]) == 0
    shown = capsys.readouterr().out
    assert "tiny_en on reviews, test: 3 texts" in shown
    row = next(line for line in shown.splitlines() if "accuracy" in line)
    assert row.split() == ["accuracy", "0.6667", "0.8750"]


def test_as_json(carded, capsys):
    assert main(["eval", "tiny_en", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["metrics"]["accuracy"] == pytest.approx(2 / 3)
    assert shown["card"] == {"accuracy": 0.875}
    assert (shown["dataset"], shown["split"], shown["rows"]) == ("reviews", "test", 3)


def test_a_file_of_ones_own(carded, tmp_path, capsys):
    file = tmp_path / "mine.csv"
    file.write_text("review,verdict\nso good,positive\nnot so,negative\nnot good,negative\n")
    words = ["eval", "tiny_en", "--dataset", str(file), "--text", "review", "--label", "verdict"]
    assert main([*words, "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["metrics"]["accuracy"] == 1.0 and shown["rows"] == 3
    assert shown["card"] == {}


def test_a_file_may_hold_one_class(carded, tmp_path, capsys):
    file = tmp_path / "mine.csv"
    file.write_text("text,label\nso good,positive\nnot so,positive\n")
    assert main(["eval", "tiny_en", "--dataset", str(file), "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["metrics"]["accuracy"] == 0.5 and shown["split"] is None


def test_a_file_without_the_named_columns(carded, tmp_path, loaded, capsys):
    file = tmp_path / "mine.csv"
    file.write_text("review,verdict\nso good,positive\n")
    assert main(["eval", "tiny_en", "--dataset", str(file)]) == 1
    assert "review" in capsys.readouterr().err
    assert loaded == []


@pytest.mark.parametrize(
    "words, message",
    [
        (
            ["--dataset", "review"],
            "There is neither a dataset nor a file `review`. Did you mean `reviews`?",
        ),
        (["--dataset", "no.csv"], "There is neither a dataset nor a file `no.csv`."),
        (["--split", "tset"], "has the splits test. Received: --split tset"),
    ],
)
def test_wrong_use_is_found_before_anything_is_loaded(carded, loaded, words, message, capsys):
    assert main(["eval", "tiny_en", *words]) == 2
    assert message in capsys.readouterr().err
    assert loaded == []


def test_a_translator_is_measured_on_its_pair_of_languages(carded, cards, monkeypatch, loaded):
    """Of a dataset with many; and on columns of its own in a file."""
    asked = {}
    card = replace(cards[0], task="seq2seq_lm", languages=("de", "en"))
    monkeypatch.setattr(presets, "read_card", lambda directory: card)
    many = SimpleNamespace(name="reviews", languages=("en", "de", "fr"))
    monkeypatch.setattr(data, "list_datasets", lambda: [many])

    def load(name, **options):
        asked.update(options)
        columns = {"text": ["good"], "label": ["positive"]}  # what the stand-in model reads
        return SimpleNamespace(splits={"test": columns})

    monkeypatch.setattr(data, "load", load)
    assert main(["eval", "tiny_en"]) == 0
    assert asked == {"source": "de", "target": "en"}

    def read_parallel(*arguments):
        asked["file"] = arguments
        return {"text": ["good"], "label": ["positive"]}

    monkeypatch.setattr(data, "read_parallel", read_parallel)
    file = carded / "mine.tsv"
    file.touch()
    assert main(["eval", "tiny_en", "--dataset", str(file), "--label", "english"]) == 0
    assert asked["file"] == (str(file), "source", "english")


def test_a_file_has_no_splits(carded, tmp_path, loaded, capsys):
    file = tmp_path / "mine.csv"
    file.write_text("text,label\nso good,positive\n")
    assert main(["eval", "tiny_en", "--dataset", str(file), "--split", "dev"]) == 2
    said = capsys.readouterr().err
    assert "A file has no splits" in said and f"zoo eval tiny_en --dataset {file}" in said
    assert loaded == []


def test_a_model_without_a_card_needs_a_dataset(carded, capsys):
    (carded / "card.json").unlink()
    assert main(["eval", str(carded)]) == 2
    assert "--dataset must" in capsys.readouterr().err
    assert main(["eval", str(carded), "--dataset", "reviews"]) == 0
