"""`zoo explain` with a stand-in for the model."""

import json
from dataclasses import replace

import pytest

from zoo import presets
from zoo.cli import main

pytestmark = pytest.mark.once


def test_output_file(loaded, tmp_path, capsys):
    picture = tmp_path / "look.svg"
    assert main(["explain", "tiny_en", "not bad", "-o", str(picture)]) == 0
    assert picture.read_text() == "not bad"
    assert capsys.readouterr().out == f"{picture}\n"


def test_default_output_file(loaded, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["explain", "tiny_en", "not bad"]) == 0
    assert (tmp_path / "map.png").exists()


def test_json_prints_weights_and_writes_no_file(loaded, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["explain", "tiny_en", "not bad", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"tokens": ["not", "bad"]}
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "picture, message",
    [
        ("map.bmp", "The suffix of the output must be one of"),
        ("map", "The suffix of the output must be one of"),
        ("nowhere/map.png", "The directory of --output must exist"),
    ],
)
def test_wrong_output_is_refused_before_loading(loaded, picture, message, capsys):
    assert main(["explain", "tiny_en", "not bad", "-o", picture]) == 2
    assert message in capsys.readouterr().err
    assert loaded == []


@pytest.mark.parametrize("task, attention", [("seq2seq_lm", "none"), ("seq2seq_lm", "bahdanau")])
def test_attention_of_a_model_without_is_refused_before_loading(
    loaded, cards, make_preset, monkeypatch, tmp_path, task, attention, capsys
):
    cards[0] = replace(cards[0], task=task)
    preset = make_preset(tmp_path / "preset", task, attention=attention)
    monkeypatch.setattr(presets, "resolve", lambda source: preset)
    refused = attention == "none"
    command = ["explain", "tiny_en", "not bad", "--json"]
    assert main([*command, "--method", "attention"]) == (2 if refused else 0)
    assert ("has no attention to explain" in capsys.readouterr().err) is refused
    assert loaded == ([] if refused else ["preset"])
    assert main(command) == 0  # by leaving words out


def test_method_and_pieces_are_passed_on(loaded, model, capsys):
    assert main(["explain", "tiny_en", "not bad", "--json"]) == 0
    assert model.explained == {}
    command = ["explain", "tiny_en", "not bad", "--json", "--method", "gradient", "--pieces"]
    assert main(command) == 0
    assert model.explained == {"method": "gradient", "pieces": True}


def test_pieces_are_refused_where_there_are_none(loaded, cards, capsys):
    cards[0] = replace(cards[0], task="token_classifier")
    assert main(["explain", "tiny_en", "not bad", "--json", "--pieces"]) == 2
    assert "--pieces is for models that read texts in pieces" in capsys.readouterr().err
    assert loaded == []


def test_what_flips_the_answer_is_said(loaded, tmp_path, capsys):
    assert main(["explain", "tiny_en", "not bad", "-o", str(tmp_path / "map.svg")]) == 0
    assert capsys.readouterr().err.endswith("Without “not” the answer is positive.\n")


@pytest.mark.parametrize(
    "task, given, message",
    [
        ("text_classifier", " ", "An empty text cannot be explained"),
        ("image_to_text", "nowhere.jpg", "takes the path of an image file"),
    ],
)
def test_wrong_input_is_refused_before_loading(loaded, cards, task, given, message, capsys):
    cards[0] = replace(cards[0], task=task)
    assert main(["explain", "tiny_en", given, "--json"]) == 2
    assert message in capsys.readouterr().err
    assert loaded == []


def test_recordings_have_one_drawing(loaded, cards, tmp_path, capsys):
    cards[0] = replace(cards[0], task="speech_to_text")
    assert main(["explain", "tiny_en", "none.wav"]) == 2
    assert "takes the path of an audio file. Received: 'none.wav'" in capsys.readouterr().err
    (tmp_path / "a.wav").touch()
    for option in ("--pieces", "--method=gradient"):
        assert main(["explain", "tiny_en", str(tmp_path / "a.wav"), option]) == 2
        assert "`tiny_en` takes recordings" in capsys.readouterr().err
    assert loaded == []
