"""`zoo ls` and `zoo show`."""

import json

import pytest

from zoo import presets
from zoo.cli import main, output

pytestmark = pytest.mark.once


def test_ls_prints_a_table_that_is_not_cut_in_a_pipe(cards, capsys):
    assert main(["ls"]) == 0
    shown = capsys.readouterr().out
    line = next(line for line in shown.splitlines() if "tiny_ko" in line)
    assert line.split() == (
        "tiny_ko text_classifier ko reviews 1,234,567 2.5 MB test/accuracy 0.8750".split()
    )


def test_ls_json(cards, capsys):
    assert main(["ls", "--json", "--task", "text_classifier"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["metrics"] == {"test/accuracy": 0.875}


def test_ls_refuses_an_unknown_task(cards, capsys):
    assert main(["ls", "--task", "cooking"]) == 2
    assert "Received: task='cooking'\nnext: zoo ls\n" in capsys.readouterr().err


def test_ls_without_models_hints_at_training(cards, capsys):
    cards.clear()
    assert main(["ls"]) == 0
    said = capsys.readouterr()
    assert said.out == "" and "zoo run sentiment/quickstart" in said.err
    assert main(["ls", "--json"]) == 0
    assert capsys.readouterr().out == "[]\n"


@pytest.fixture
def preset(tmp_path, cards, make_preset, monkeypatch):
    """A preset directory with a backbone's configuration and a card."""
    config = {"units": 64, "cell": "lstm", "dtype": {"config": {}}, "name": "backbone"}
    make_preset(tmp_path, "text_classifier", **config)
    (tmp_path / "task.json").unlink()
    monkeypatch.setattr(presets, "resolve", lambda source: tmp_path)
    return tmp_path


def test_show_prints_card_and_configuration(preset, capsys):
    assert main(["show", "tiny_en"]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("tiny_en\nA stand-in.\n")
    for line in ("parameters  1,234,567", "test/accuracy  0.8750", "seed  42", "units  64"):
        assert f"  {line}\n" in shown
    assert "dtype" not in shown
    assert shown.endswith('next: zoo infer tiny_en "…"\n')


def test_show_json(preset, capsys):
    assert main(["show", "tiny_en", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["card"]["name"] == "tiny_en"
    assert shown["configuration"] == {"backbone": {"units": 64, "cell": "lstm"}}
    assert shown["path"] == str(preset)


def test_show_without_a_card(preset, capsys):
    (preset / "card.json").unlink()
    assert main(["show", str(preset)]) == 0
    said = capsys.readouterr()
    assert "has no card.json" in said.err and "units" in said.out


@pytest.mark.parametrize(
    "value, shown",
    [
        (None, "–"),
        ((), "–"),
        (0, "0"),
        (True, "yes"),
        (1234, "1,234"),
        (0.5, "0.5000"),
        (["en", "ko"], "en, ko"),
        ({"train": 6920, "dev": None}, "train 6,920, dev –"),
    ],
)
def test_format_value(value, shown):
    assert output.format_value(value) == shown


@pytest.mark.parametrize(
    "count, shown",
    [(999, "999 B"), (1500, "1.5 kB"), (9_600_000, "9.6 MB"), (2_340_000_000, "2,340.0 MB")],
)
def test_size(count, shown):
    assert output.size(count) == shown
