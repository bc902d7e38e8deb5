"""`zoo data` and `zoo ui`, with stand-ins for the datasets and the server."""

import json
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from zoo import data
from zoo.cli import main

pytestmark = pytest.mark.once


@dataclass(frozen=True)
class DatasetCard:
    name: str
    task: str = "text_classifier"
    languages: tuple = ("en",)
    licence: str = "CC0-1.0"
    splits: dict = field(default_factory=lambda: {"train": 6920, "dev": None})
    files: tuple = ("a.tsv",)


@pytest.fixture
def datasets(monkeypatch):
    """Three datasets: `here` is on this machine, `away` is not, `made` is generated."""
    cards = [DatasetCard("here"), DatasetCard("away"), DatasetCard("made", files=())]
    monkeypatch.setattr(data, "list_datasets", lambda: cards)
    monkeypatch.setattr(data, "path", lambda name: Path("/d/here") if name == "here" else None)
    monkeypatch.setattr(data, "get", lambda name: Path("/got") / name)


def test_ls_prints_a_table(datasets, capsys):
    assert main(["data", "ls"]) == 0
    rows = {line.split()[0]: line for line in capsys.readouterr().out.splitlines() if "CC0" in line}
    assert rows["here"].rstrip().endswith("/d/here")
    assert rows["away"].rstrip().endswith("not downloaded")
    assert rows["made"].rstrip().endswith("generated")
    assert "train 6,920, dev –" in rows["here"]


def test_ls_json(datasets, capsys):
    assert main(["data", "ls", "here", "--json"]) == 0
    (card,) = json.loads(capsys.readouterr().out)
    assert card["path"] == "/d/here" and card["splits"] == {"train": 6920, "dev": None}


def test_a_dataset_in_the_library_has_a_path(capsys):
    assert main(["data", "path", "nsmc_mini"]) == 0
    folder = Path(capsys.readouterr().out.rstrip("\n"))
    assert (folder / "train.tsv.gz").is_file()
    assert main(["data", "ls", "nsmc_mini"]) == 0
    assert "train 6,000, dev 1,000, test 1,000" in (said := capsys.readouterr().out)
    assert "generated" not in said


def test_get_and_path_print_only_paths(datasets, capsys):
    assert main(["data", "get", "here", "away"]) == 0
    assert capsys.readouterr().out == "/got/here\n/got/away\n"
    assert main(["data", "path", "here"]) == 0
    assert capsys.readouterr().out == "/d/here\n"


def test_path_of_missing_dataset_fails(datasets, capsys):
    assert main(["data", "path", "away"]) == 1
    said = capsys.readouterr()
    assert said.out == "" and said.err.endswith("next: zoo data get away\n")


@pytest.mark.parametrize(
    "words, message",
    [
        (["get", "hree"], "There is no dataset `hree`. Did you mean `here`?"),
        (["get"], "`zoo data get` needs the name of one or more datasets."),
        (["path", "made"], "is generated when it is loaded"),
        (["fetch", "here"], "invalid choice: 'fetch'"),
        ([], "required: action"),
    ],
)
def test_wrong_arguments(datasets, words, message, capsys):
    assert main(["data", *words]) == 2
    assert message in capsys.readouterr().err


def test_ui_passes_its_options(monkeypatch):
    from zoo.tracking import ui

    served = []
    monkeypatch.setattr(ui, "serve", lambda *given, **options: served.append((*given, options)))
    assert main(["ui"]) == 0
    assert main(["ui", "--port", "5001", "--no-browser", "--private"]) == 0
    assert served == [
        (5000, {"open_browser": True, "private": False}),
        (5001, {"open_browser": False, "private": True}),
    ]


def _end(question):
    raise EOFError


@pytest.mark.parametrize(
    ("uri", "answer", "entered"),
    [
        ("sqlite:////x", lambda question: "", 1),
        ("sqlite:////x", lambda question: "n", 0),
        ("sqlite:////x", _end, 0),
        ("http://localhost:1", None, 0),  # a server is not asked about
    ],
)
def test_ui_offers_the_models_for_an_empty_store(monkeypatch, capsys, uri, answer, entered):
    from zoo import tracking
    from zoo.cli.verbs import presets
    from zoo.tracking import ui

    calls = {"serve": 0, "enter": 0}
    monkeypatch.setattr(tracking, "prepare_store", lambda: uri)
    monkeypatch.setattr(ui, "is_empty", lambda uri: True)
    monkeypatch.setattr(ui, "serve", lambda *_, **options: calls.update(serve=1))
    monkeypatch.setattr(presets, "enter", lambda cards: calls.update(enter=1))
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("builtins.input", answer)
    assert main(["ui"]) == 0
    assert calls == {"serve": 1, "enter": entered}
    assert ("zoo presets import" in capsys.readouterr().err) == (answer is None)


def test_ui_refuses_an_invalid_port(capsys):
    assert main(["ui", "--port", "70000"]) == 2
    assert "between 1 and 65535" in capsys.readouterr().err
