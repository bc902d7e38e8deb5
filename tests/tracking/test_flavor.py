"""The MLflow flavor `zoo`, with a stand-in for the model."""

import json
from dataclasses import asdict, dataclass, field

import numpy as np
import pandas as pd
import pytest
import yaml
from mlflow.types import DataType

import zoo
from zoo.tracking import flavor

pytestmark = pytest.mark.once


@dataclass
class Answer:
    label: str
    probability: float
    probabilities: dict = field(default_factory=lambda: {"나쁨": 0.25, "좋음": 0.75})

    def to_dict(self):
        return asdict(self)


class FakeModel:
    """A classifier of the length of a text."""

    def __init__(self):
        self.asked = []

    def infer(self, texts, batch_size=0):
        self.asked.append((texts, batch_size))
        return [Answer("long" if len(t) > 3 else "short", len(t) / 10) for t in texts]


@pytest.fixture
def fake(monkeypatch):
    model = FakeModel()
    loaded = []
    monkeypatch.setattr(zoo, "load", lambda path: loaded.append(path) or model, raising=False)
    model.loaded = loaded
    return model


@pytest.fixture
def directory(preset, tmp_path):
    flavor.save_model(preset, tmp_path / "model", task="text_classifier")
    return tmp_path / "model"


def test_directory_holds_the_preset_and_no_code(directory, preset):
    names = {p.relative_to(directory).as_posix() for p in directory.rglob("*") if p.is_file()}
    inside = {p.relative_to(preset).as_posix() for p in preset.rglob("*") if p.is_file()}
    described = {"MLmodel", "requirements.txt", "conda.yaml", "python_env.yaml"}
    assert names == described | {f"preset/{name}" for name in inside}


def test_mlmodel_file(directory):
    description = yaml.safe_load((directory / "MLmodel").read_text())
    assert description["flavors"]["zoo"]["preset"] == "preset"
    assert description["flavors"]["zoo"]["task"] == "text_classifier"
    function = description["flavors"]["python_function"]
    assert function["loader_module"] == "zoo.tracking.flavor"
    assert function["data"] == "preset"
    assert not {"code", "python_model", "cloudpickle_version"} & set(function)
    assert description["signature"]["inputs"] is None
    outputs = json.loads(description["signature"]["outputs"])
    assert [column["name"] for column in outputs] == ["label", "probability", "probabilities"]
    requirements = (directory / "requirements.txt").read_text()
    assert "keras==" in requirements and "mlflow==" in requirements and "/" not in requirements


@pytest.mark.parametrize(
    "backend, task, expected",
    [
        ("torch", "text_classifier", ["torch==2.13.0"]),
        ("jax", "text_classifier", ["jax==0.10.2"]),
        ("tensorflow", "text_classifier", ["tensorflow==2.21.0", "tensorflow-text"]),
        ("torch", "speech_to_text", ["torch==2.13.0", "soundfile==0.14.0", "soxr"]),
    ],
)
def test_requirements_are_those_of_the_backend(
    preset, tmp_path, monkeypatch, backend, task, expected
):
    versions = {"seqzoo": "0.1.0", "mlflow": "3.17.2", "keras": "3.15.1", "keras-hub": "0.32.0"}
    versions |= {"torch": "2.13.0+cpu", "jax": "0.10.2", "tensorflow": "2.21.0"}
    versions |= {"soundfile": "0.14.0"}
    monkeypatch.setattr(flavor, "package_version", versions.get)
    monkeypatch.setattr(flavor.backends, "current", lambda: backend)
    directory = tmp_path / "model"
    flavor.save_model(preset, directory, task=task)
    *notes, found = (directory / "requirements.txt").read_text().split("seqzoo==0.1.0")
    assert found.split() == ["mlflow==3.17.2", "keras==3.15.1", "keras-hub==0.32.0", *expected]
    told = 'Without it: pip install --no-deps "keras-hub' in notes[0]
    assert told == (backend != "tensorflow")
    *_, conda = yaml.safe_load((directory / "conda.yaml").read_text())["dependencies"]
    assert conda == {"pip": ["seqzoo==0.1.0", *found.split()]}
    flavors = yaml.safe_load((directory / "MLmodel").read_text())["flavors"]
    assert flavors["zoo"]["backend"] == backend
    assert flavors["python_function"]["config"] == {"backend": backend}


def test_loader_prefers_the_backend_of_the_model(directory, fake, monkeypatch):
    from mlflow import pyfunc

    preferred = []
    monkeypatch.setattr(flavor.backends, "provide_backend", preferred.append)
    pyfunc.load_model(str(directory))
    pyfunc.load_model(str(directory), model_config={"backend": "jax"})
    assert preferred == [flavor.backends.current(), "jax"]


def test_unknown_task_takes_text():
    signature = flavor.signature("translation")
    assert len(signature.inputs.inputs) == 1
    assert signature.outputs is None and signature.params is None


@pytest.mark.parametrize(
    "given",
    [
        ["bad", "splendid"],
        pd.DataFrame({"text": ["bad", "splendid"]}),
        pd.DataFrame({"id": ["1", "2"], "text": ["bad", "splendid"]}),
        pd.Series(["bad", "splendid"], name="review"),
        {"text": ["bad", "splendid"]},
        np.array(["bad", "splendid"]),
    ],
    ids=["list", "frame", "wider frame", "series", "columns", "array"],
)
def test_every_type_of_input(directory, fake, monkeypatch, given):
    from mlflow import pyfunc

    monkeypatch.setenv("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "false")
    model = pyfunc.load_model(str(directory))
    assert fake.loaded == [str(directory / "preset")]
    answer = model.predict(given)
    assert answer["label"].tolist() == ["short", "long"]
    assert answer["probability"].tolist() == [0.3, 0.8]
    assert json.loads(answer["probabilities"][0]) == Answer("", 0).probabilities
    assert fake.asked == [(["bad", "splendid"], 64)]


def test_one_string_with_options(directory, fake):
    from mlflow import pyfunc

    answer = pyfunc.load_model(str(directory)).predict("so?", params={"batch_size": 7})
    assert answer["label"].tolist() == ["short"]
    assert fake.asked == [(["so?"], 7)]


def test_options_name_no_files(preset, tmp_path, fake):
    from mlflow import pyfunc

    flavor.save_model(preset, tmp_path / "recogniser", task="speech_to_text")
    model = pyfunc.load_model(str(tmp_path / "recogniser"))
    for params, message in (
        ({"language_model": "hf://them/model"}, "names no `language_model`.*'hf://them/model'"),
        ({"words": "/etc/passwd"}, "`words` of a request must be one of.*'/etc/passwd'"),
    ):
        with pytest.raises(ValueError, match=message):
            model.predict([b"sound"], params=params)
    assert fake.asked == []


def test_wrong_column_is_refused(directory, fake):
    from mlflow import pyfunc

    model = pyfunc.load_model(str(directory))
    with pytest.raises(ValueError, match="called 'text'.*Received: columns=\\['title', 'id'\\]"):
        model.predict(pd.DataFrame({"title": ["a"], "id": ["b"]}))
    with pytest.raises(ValueError, match="one dimension.*shape \\(1, 2\\)"):
        model.predict(np.array([["a", "b"]]))
    assert fake.asked == []


def test_lists_of_words_are_whole(directory, fake):
    from mlflow import pyfunc

    pyfunc.load_model(str(directory)).predict([["so", "short"]])
    assert fake.asked == [([["so", "short"]], 64)]


def test_text_model_without_mlflow(fake):
    assert flavor.TextModel(fake).predict([]).empty
    assert flavor.to_list(iter(["a"])) == ["a"]
    with pytest.raises(TypeError, match="list of strings. Received: int"):
        flavor.to_list(3)


def test_directory_without_a_preset_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="config.json.*Received: preset="):
        flavor.save_model(tmp_path, tmp_path / "model", task="text_classifier")
    assert not (tmp_path / "model").exists()


def test_images_are_bytes():
    content = b"the bytes of a file"
    frames = [pd.DataFrame({column: [content]}) for column in ("image", 0)]
    for given in (content, [content], *frames):
        assert flavor.to_list(given) == [content]
    made = flavor.signature("image_to_text")
    assert made.inputs.input_types() == [DataType.binary]
    assert made.outputs.input_names() == ["text", "score", "hypotheses"]
