"""The card, the README generated from it, and the list of built-in models."""

import subprocess
import sys

import pytest
import yaml

import zoo
import zoo.presets
from zoo.presets import Card, PresetError, builtin, readme
from zoo.presets.card import digest_of

pytestmark = pytest.mark.once


def a_card(**values):
    files = {"config.json": "a" * 64, "model.weights.h5": "b" * 64}
    return Card(
        **{
            "name": "gru_ko",
            "task": "text_classifier",
            "dataset": "nsmc",
            "languages": ("ko",),
            "parameters": 1_234_567,
            "bytes": 2_500_000,
            "sha256": digest_of(files),
            "licence": "CC0-1.0",
            "metrics": {"test/accuracy": 0.87654, "dev/accuracy": 0.9},
            "description": "Reads reviews.",
            "recipe": "sentiment/gru_ko",
            "citation": "Park, 2016.\nNSMC.",
            "training": {"command": "zoo run a|b", "versions": {"keras": "3.15.1"}, "seed": 7},
            "files": files,
            **values,
        }
    )


@pytest.fixture
def pretrained(tmp_path, monkeypatch):
    import json

    for name, task in (("gru_ko", "text_classifier"), ("bilstm_en", "text_classifier")):
        (tmp_path / name).mkdir()
        content = json.dumps(a_card(name=name, task=task).to_dict())
        (tmp_path / name / "card.json").write_text(content)
    monkeypatch.setattr(builtin, "PRETRAINED", tmp_path)
    return tmp_path


BEHAVIOUR = {
    "dataset": "behaviour_ko",
    "kinds": {"plain": {"n": 24, "right": 21}, "double_negation": {"n": 20, "right": 10}},
    "pairs": 14,
    "pairs_agree": 13,
}


def test_behaviour_is_in_the_card_and_the_readme():
    card = a_card(behaviour=BEHAVIOUR)
    assert Card.from_dict(card.to_dict()) == card
    text = readme(card)
    assert "| plain | 21 of 24 |" in text and "| double negation | 10 of 20 |" in text
    assert "| **all** | **31 of 44**, 70.5% |" in text and "same answer: 13 of 14." in text
    assert "## Behaviour" not in readme(a_card())
    for wrong in ([], {"kinds": {}}, BEHAVIOUR | {"kinds": {"plain": {"n": 2}}}):
        with pytest.raises(PresetError, match="`behaviour` of a card must be counts by kind"):
            a_card(behaviour=wrong)


def test_card_json_round_trip():
    card = a_card()
    assert Card.from_dict(card.to_dict()) == card
    assert Card.from_dict(card.to_dict() | {"of_a_later_version": 1}) == card
    assert isinstance(card.to_dict()["languages"], list)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"name": "a/b"}, "`name` of a card"),
        ({"name": ".hidden"}, "`name` of a card"),
        ({"task": None}, "`task` of a card must be a string. Received: None"),
        ({"languages": "ko"}, "`languages` of a card"),
        ({"parameters": -1}, "`parameters` of a card"),
        ({"bytes": True}, "`bytes` of a card"),
        ({"metrics": {"accuracy": "87"}}, "`metrics` of a card"),
        ({"metrics": {"accuracy": float("inf")}}, "`metrics` of a card"),
        ({"training": []}, "`training` of a card"),
        ({"files": {"a": "not a checksum"}}, "SHA-256 checksums. Received: 'not a checksum'"),
    ],
)
def test_wrong_values_are_refused(values, message):
    with pytest.raises(PresetError, match=message):
        a_card(**values)


def test_missing_keys_are_named():
    values = a_card().to_dict()
    del values["licence"], values["bytes"]
    with pytest.raises(PresetError, match="without bytes, licence"):
        Card.from_dict(values)


def test_readme_has_the_front_matter_of_hugging_face():
    text = readme(a_card())
    front, _, body = text.removeprefix("---\n").partition("---\n")
    front = yaml.safe_load(front)
    assert front["license"] == "cc0-1.0"
    assert front["language"] == ["ko"]
    assert front["pipeline_tag"] == "text-classification"
    result = front["model-index"][0]["results"][0]
    assert result["metrics"][0] == {
        "type": "accuracy",
        "name": "test/accuracy",
        "value": 0.87654,
    }
    assert "| test/accuracy | 0.8765 |" in body
    assert "| parameters | 1,234,567 |" in body
    assert "| size | 2.5 MB |" in body
    assert "| command | zoo run a\\|b |" in body
    assert "| versions | keras 3.15.1 |" in body
    assert 'zoo.load("gru_ko")' in body
    assert "Park, 2016.\nNSMC." in body
    assert a_card().sha256 in body


def test_readme_names_an_unusual_licence():
    front = readme(a_card(licence="Data of example.com")).split("---\n")[1]
    assert yaml.safe_load(front)["license"] == "other"
    assert yaml.safe_load(front)["license_name"] == "Data of example.com"


def test_models_are_sorted_by_task_and_name(pretrained):
    assert [card.name for card in zoo.list_models()] == ["bilstm_en", "gru_ko"]
    assert len(zoo.list_models("text_classifier")) == 2


def test_unknown_task_is_an_error(pretrained):
    with pytest.raises(ValueError, match="Did you mean `text_classifier`.*task='text_clasifier'"):
        zoo.list_models("text_clasifier")


@pytest.mark.parametrize("name", ["generation", "no_such_task"])
def test_folder_without_a_task_is_not_one(pretrained, name):
    with pytest.raises(ValueError, match=f"must be one of .* Received: task='{name}'"):
        zoo.list_models(name)


def test_unknown_name_is_an_error_with_suggestions(pretrained):
    with pytest.raises(PresetError, match="Did you mean `gru_ko`.*`zoo ls`.*'gru_kr'"):
        zoo.load("gru_kr")
    with pytest.raises(PresetError, match="`zoo ls`"):
        zoo.load("")


def test_built_in_presets_are_complete():
    for card in zoo.list_models():
        directory = zoo.presets.resolve(card.name)
        assert directory.name == card.name
        assert (directory / "README.md").read_text("utf-8") == readme(card)


def test_listing_imports_nothing_heavy():
    script = (
        "import sys, zoo; zoo.list_models(); zoo.Card; dir(zoo)\n"
        "heavy = 'keras tensorflow keras_hub mlflow matplotlib sklearn pandas numpy yaml'\n"
        "print(sorted(set(heavy.split()) & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        cwd=builtin.PRETRAINED.parents[2],
        check=True,
    )
    assert done.stdout == "[]\n"


def test_public_names_of_the_package():
    assert {"load", "list_models", "Card", "__version__"} <= set(dir(zoo))
    with pytest.raises(AttributeError, match="no attribute 'lode'"):
        zoo.lode  # noqa: B018


@pytest.mark.parametrize(
    ("metric", "tag"),
    [("bleu", "translation"), ("rouge_l", "summarization"), ("distinct_1", "translation")],
)
def test_the_pipeline_tag_depends_on_what_is_measured(metric, tag):
    card = a_card(task="seq2seq_lm", metrics={f"test/{metric}": 1.0, "test/loss": 2.0})
    assert f"pipeline_tag: {tag}\n" in readme(card)
