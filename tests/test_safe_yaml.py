"""YAML that stands for more than it says is refused, wherever a user's YAML is read."""

import time

import pytest
import yaml

from zoo.cli import main, recipe_files
from zoo.safe_yaml import MAX_ALIASES, read_yaml

pytestmark = pytest.mark.once

LAUGHS = "a0: &a0 [x, x]\n" + "".join(f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]\n" for i in range(1, 40))
REFUSED = {
    "aliases": (LAUGHS, "at most 16 aliases are allowed: write values out.*line 10"),
    "aliases in one line": (
        "{a: &a [1], b: [" + "*a, " * 20 + "]}",
        "at most 16 aliases are allowed",
    ),
    "deep nesting": ("[" * 100_000, "nested at most 32 deep"),
    "deep mappings": ("{a: " * 1000, "nested at most 32 deep"),
    "long": ("a: " + "x" * (1 << 20), "at most 1,048,576 characters. Received: 1,048,579"),
    "no date": ("seed: 2001-99-99", "quote it if it is text"),
    "long number": ("seed: " + "9" * 5000, "quote it if it is text"),
}


@pytest.mark.parametrize("text, message", REFUSED.values(), ids=REFUSED)
def test_refused(text, message):
    start = time.perf_counter()
    with pytest.raises(yaml.YAMLError, match=f"(?s){message}"):
        read_yaml(text)
    assert time.perf_counter() - start < 5


def test_a_few_aliases_are_read():
    text = "base: &base {units: 8}\nmodel: {<<: *base, layers: 2}\nothers: [*base, *base]"
    assert read_yaml(text)["model"] == {"units": 8, "layers": 2}
    assert len(read_yaml("[&a 1" + ", *a" * MAX_ALIASES + "]")) == 1 + MAX_ALIASES


def test_recipe_and_override(tmp_path, capsys):
    file = tmp_path / "my.yaml"
    file.write_text(f"recipe: sentiment\n{LAUGHS}")
    assert main(["run", str(file)]) == 2
    assert recipe_files.read(file) == {"description": "(not valid YAML)"}
    laughs = "{" + LAUGHS.strip().replace("\n", ", ") + "}"
    capsys.readouterr()
    assert main(["run", "sentiment/quickstart", f"data.options={laughs}"]) == 2
    said = capsys.readouterr().err
    assert "data.options: the value is not valid YAML: at most 16 aliases are allowed" in said
    assert len(said) < 3000


def test_manifest_of_a_checkpoint(home):
    from zoo.training.checkpoint import Checkpoint, CheckpointError

    folder = home / "checkpoints" / "abc"
    folder.mkdir(parents=True)
    (folder / "recipe.yaml").write_text(LAUGHS)
    with pytest.raises(CheckpointError):
        Checkpoint("abc").read_manifest()


def test_description_of_a_logged_model(tmp_path, monkeypatch):
    import mlflow.artifacts

    import zoo
    from zoo import tracking_store

    (tmp_path / "MLmodel").write_text(LAUGHS)
    monkeypatch.setattr(tracking_store, "prepare_store", lambda: "sqlite://")
    monkeypatch.setattr(mlflow.artifacts, "download_artifacts", lambda **_: str(tmp_path))
    with pytest.raises(zoo.presets.PresetError, match="not logged by the zoo, or is damaged"):
        zoo.load("models:/laughs/1")
