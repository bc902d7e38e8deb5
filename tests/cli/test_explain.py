"""`zoo explain` with a stand-in for the model."""

import json

import pytest

from zoo.cli import main

pytestmark = pytest.mark.once


def test_a_picture_where_it_was_asked_for(loaded, tmp_path, capsys):
    picture = tmp_path / "look.svg"
    assert main(["explain", "tiny_en", "not bad", "-o", str(picture)]) == 0
    assert picture.read_text() == "not bad"
    assert capsys.readouterr().out == f"{picture}\n"


def test_a_picture_where_one_would_look(loaded, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["explain", "tiny_en", "not bad"]) == 0
    assert (tmp_path / "map.png").exists()


def test_weights_instead(loaded, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["explain", "tiny_en", "not bad", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"tokens": ["not", "bad"]}
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "picture, message",
    [
        ("map.bmp", "ending tells what is drawn"),
        ("map", "ending tells what is drawn"),
        ("nowhere/map.png", "There is no such directory"),
    ],
)
def test_a_wrong_file_is_found_before_anything_is_loaded(loaded, picture, message, capsys):
    assert main(["explain", "tiny_en", "not bad", "-o", picture]) == 2
    assert message in capsys.readouterr().err
    assert loaded == []


def test_a_model_that_does_not_attend(loaded, monkeypatch, capsys):
    monkeypatch.setattr("zoo.load", lambda source: object())
    assert main(["explain", "tiny_en", "not bad", "--json"]) == 2
    assert "cannot explain itself" in capsys.readouterr().err
