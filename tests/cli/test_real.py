"""The verbs that use a model, with a small real model."""

import json
import os
import shutil
import subprocess
import sys

import keras
import pytest

from zoo.backends import BACKENDS, PACKAGES
from zoo.cli import main

TEXTS = ["a good film", "a bad film", "정말 재미있어요", "not bad at all 🎬"]


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    from zoo import presets
    from zoo.models import TextClassifier, TextClassifierBackbone, TextClassifierPreprocessor
    from zoo.tokenizers import train_subword_tokenizer

    tokenizer = train_subword_tokenizer(TEXTS, 300)
    model = TextClassifier(
        TextClassifierBackbone(tokenizer.vocabulary_size(), embedding_dim=8, units=6),
        TextClassifierPreprocessor(tokenizer, sequence_length=32),
    )
    directory = tmp_path_factory.mktemp("preset") / "tiny"
    presets.save(model, directory, name="tiny", dataset="reviews", metrics={"dev/accuracy": 0.5})
    return directory


@pytest.fixture
def preset(saved, tmp_path):
    """A copy of the preset that a test may modify."""
    return shutil.copytree(saved, tmp_path / "tiny")


def test_infer_is_deterministic(saved, capsys):
    assert main(["infer", str(saved), *TEXTS, ""]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("\t")[2] for line in lines] == [*TEXTS, ""]
    assert {line.split("\t")[0] for line in lines} <= {"negative", "positive"}
    assert main(["infer", str(saved), TEXTS[0], "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert f"{answer['probability']:.4f}" == lines[0].split("\t")[1]
    assert sum(answer["probabilities"].values()) == pytest.approx(1, abs=1e-5)


def test_show_of_a_saved_model(saved, capsys):
    assert main(["show", str(saved), "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["card"]["metrics"] == {"dev/accuracy": 0.5}
    assert shown["configuration"]["backbone"]["units"] == 6
    assert main(["show", str(saved)]) == 0
    assert "pooling  " in capsys.readouterr().out


def test_eval_agrees_with_infer(saved, tmp_path, capsys):
    assert main(["infer", str(saved), *TEXTS]) == 0
    said = [line.split("\t")[0] for line in capsys.readouterr().out.splitlines()]
    file = tmp_path / "mine.jsonl"
    labels = ["negative", "positive", *said[2:]]
    rows = [{"text": t, "label": label} for t, label in zip(TEXTS, labels, strict=True)]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert main(["eval", str(saved), "--dataset", str(file), "--json"]) == 0
    right = sum(map(str.__eq__, said, labels)) / 4
    assert json.loads(capsys.readouterr().out)["metrics"]["accuracy"] == right


def test_explain_writes_a_png(saved, tmp_path):
    picture = tmp_path / "map.png"
    assert main(["explain", str(saved), "정말 재미있어요", "-o", str(picture)]) == 0
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_explain_of_an_empty_text(saved, tmp_path, capsys):
    assert main(["explain", str(saved), "", "-o", str(tmp_path / "map.png")]) == 2
    assert "empty text" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_truncated_weights_are_reported(preset, capsys):
    weights = preset / "model.weights.h5"
    weights.write_bytes(weights.read_bytes()[:-100])
    assert main(["infer", str(preset), "a"]) == 1
    said = capsys.readouterr()
    assert said.out == "" and "model.weights.h5" in said.err


PROGRAM = """
import json, pathlib, sys
from zoo.cli import main
code = main(sys.argv[2:])
pathlib.Path(sys.argv[1]).write_text(json.dumps(sorted(sys.modules)))
sys.exit(code)
"""


def test_process_imports_one_backend_and_prints_only_the_answers(saved, tmp_path):
    """Messages that libraries print when they are imported are suppressed."""
    modules = tmp_path / "modules.json"
    command = [sys.executable, "-c", PROGRAM, str(modules), "infer", str(saved), "--json"]
    environment = {k: v for k, v in os.environ.items() if k != "TF_CPP_MIN_LOG_LEVEL"}
    done = subprocess.run(
        command, input="\n".join(TEXTS).encode(), capture_output=True, env=environment
    )
    assert done.returncode == 0
    assert done.stderr.decode() == ""
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert [answer["text"] for answer in answers] == TEXTS
    used = keras.config.backend()
    others = {name for other in BACKENDS if other != used for name in PACKAGES[other]}
    imported = set(json.loads(modules.read_text()))
    assert {"keras_hub", used} <= imported
    assert not imported & {*others, "mlflow", "sklearn"}
