"""Resolution of every kind of source to a checked directory."""

import os
import shutil
import sys

import pytest
import yaml

import zoo
from zoo.extras import MissingExtra
from zoo.presets import PresetError, builtin, read_card, resolve, update_card

pytestmark = pytest.mark.once


@pytest.fixture
def logged(preset, tmp_path, monkeypatch):
    """A model as MLflow downloads it, which a test may modify."""
    import mlflow.artifacts

    model = tmp_path / "logged"
    shutil.copytree(preset, model / "preset")
    flavors = {"zoo": {"preset": "preset"}, "python_function": {"loader_module": "os"}}
    (model / "MLmodel").write_text(yaml.safe_dump({"flavors": flavors}))

    def download(artifact_uri, dst_path, tracking_uri):
        assert (artifact_uri, tracking_uri) == ("models:/tiny@champion", "sqlite:///runs.db")
        return shutil.copytree(model, f"{dst_path}/model")

    monkeypatch.setattr(mlflow.artifacts, "download_artifacts", download)
    monkeypatch.setattr("zoo.tracking_store.prepare_store", lambda: "sqlite:///runs.db")
    return model


def test_names_and_directories(preset, monkeypatch):
    monkeypatch.setattr(builtin, "PRETRAINED", preset.parent)
    monkeypatch.chdir(preset.parent)
    for source in ("tiny", "./tiny", "tiny/", str(preset), preset):
        assert resolve(source) == preset.resolve()


def test_pretrained_model_precedes_a_directory_of_its_name(preset, tmp_path, monkeypatch):
    monkeypatch.setattr(builtin, "PRETRAINED", preset.parent)
    (tmp_path / "here" / "tiny").mkdir(parents=True)
    shutil.copytree(preset, tmp_path / "here" / "mine")
    monkeypatch.chdir(tmp_path / "here")
    assert resolve("tiny") == preset.resolve()
    assert resolve("mine") == (tmp_path / "here" / "mine").resolve()


@pytest.mark.parametrize("source", ["no/such", "./nothing", "ftp://host/x", "s3://b/x", "hf:/a/b"])
def test_unknown_sources_are_refused(source):
    with pytest.raises(PresetError, match="Received: .*" + source.strip("./")):
        resolve(source)


def test_logged_model_is_cached_by_content(logged, home):
    directory = resolve("models:/tiny@champion")
    assert directory.parent == home / "models"
    assert resolve("models:/tiny@champion") == directory
    (directory / "model.weights.h5").unlink()
    assert (resolve("models:/tiny@champion") / "model.weights.h5").is_file()
    assert os.listdir(home / "models") == [directory.name]
    update_card(logged / "preset", licence="CC-BY-4.0")
    assert read_card(resolve("models:/tiny@champion")).licence == "CC-BY-4.0"


def test_logged_model_may_be_plain_files(logged):
    (logged / "MLmodel").unlink()
    with pytest.raises(PresetError, match="contains a file MLmodel"):
        resolve("models:/tiny@champion")
    shutil.copytree(logged / "preset", logged, dirs_exist_ok=True)
    shutil.rmtree(logged / "preset")
    assert read_card(resolve("models:/tiny@champion")).name == "tiny"


@pytest.mark.parametrize("inside", ["..", "../preset", "/etc", "nothing", 7, None])
def test_preset_outside_the_logged_model_is_refused(logged, inside):
    (logged / "MLmodel").write_text(yaml.safe_dump({"flavors": {"zoo": {"preset": inside}}}))
    with pytest.raises(PresetError, match="must be a folder inside the model"):
        resolve("models:/tiny@champion")


@pytest.mark.parametrize(
    "content",
    [
        "flavors: {python_function: {loader_module: os}}",
        "flavors: {zoo: preset}",
        "a: [",
        "",
        "!!python/object/apply:os.mkdir [ran]",
    ],
)
def test_model_without_the_flavor_is_refused(logged, content, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (logged / "MLmodel").write_text(content)
    with pytest.raises(PresetError, match="must have the flavor 'zoo'"):
        resolve("models:/tiny@champion")
    assert not (tmp_path / "ran").exists()


def test_damaged_logged_model_is_refused(logged, home):
    path = logged / "preset" / "task.weights.h5"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(PresetError, match="damaged or was changed"):
        zoo.load("models:/tiny@champion")


def test_links_in_a_cache_are_followed(preset, tmp_path, monkeypatch, home):
    import huggingface_hub

    blobs = tmp_path / "blobs"
    snapshot = tmp_path / "snapshot"
    shutil.copytree(preset, blobs)
    for path in blobs.rglob("*"):
        link = snapshot / path.relative_to(blobs)
        link.mkdir(parents=True) if path.is_dir() else (
            link.parent.mkdir(exist_ok=True, parents=True),
            link.symlink_to(path),
        )
    asked = []

    def download(name, allow_patterns):
        asked.append(name)
        assert "*.py" not in allow_patterns
        return str(snapshot)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    directory = resolve("hf://owner/tiny")
    assert asked == ["owner/tiny"]
    assert directory.parent == home / "models"
    assert not any(path.is_symlink() for path in directory.rglob("*"))
    assert zoo.load("hf://owner/tiny").labels == ("negative", "positive")


def test_kaggle_source(preset, monkeypatch):
    import kagglehub

    monkeypatch.setattr(kagglehub, "model_download", {"o/n/keras/v": str(preset)}.__getitem__)
    assert read_card(resolve("kaggle://o/n/keras/v")) == read_card(preset)
    with pytest.raises(PresetError, match="could not be downloaded.*kaggle://o/n/keras/w"):
        resolve("kaggle://o/n/keras/w")


@pytest.mark.parametrize("source", ["hf://name", "hf://a/b/c", "kaggle://o/n"])
def test_invalid_uris_are_refused(source):
    with pytest.raises(PresetError, match=f"has the form .* Received: {source}"):
        resolve(source)


def test_missing_package_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(MissingExtra, match=r'hf://owner/name.*pip install "seqzoo\[huggingface\]"'):
        resolve("hf://owner/name")


def test_unreachable_hub_is_an_error_and_leaves_no_files(monkeypatch, home):
    import huggingface_hub

    def download(name, allow_patterns):
        raise OSError("no route to host")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    with pytest.raises(PresetError, match="check the URI, the network.*no route to host"):
        resolve("hf://owner/tiny")
    assert list((home / "models").iterdir()) == []


def test_mlflow_registry(preset, tmp_path):
    import mlflow

    from zoo.tracking import prepare_store

    uri = prepare_store()
    client = mlflow.MlflowClient(tracking_uri=uri)
    run = client.create_run(
        client.create_experiment("test", artifact_location=(tmp_path / "artifacts").as_uri())
    )
    client.log_artifacts(run.info.run_id, str(preset), "model/preset")
    client.log_text(
        run.info.run_id, yaml.safe_dump({"flavors": {"zoo": {"preset": "preset"}}}), "model/MLmodel"
    )
    client.create_registered_model("tiny")
    client.create_model_version("tiny", f"{run.info.artifact_uri}/model", run.info.run_id)
    client.set_registered_model_alias("tiny", "champion", "1")
    card = read_card(preset)
    for source in (f"runs:/{run.info.run_id}/model", "models:/tiny/1", "models:/tiny@champion"):
        assert read_card(resolve(source)) == card
    for unknown in ("models:/tiny/2", "models:/other@champion", "runs:/abc/model"):
        with pytest.raises(PresetError, match=f"store has no such model: .*{unknown}") as raised:
            resolve(unknown)
        assert raised.value.hint == ("zoo ui" if unknown[0] == "r" else "zoo registry ls")
    assert not os.path.exists("mlruns")
