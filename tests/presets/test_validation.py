"""Hostile and damaged presets are refused before Keras reads them, and none of their code runs."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import zoo
from zoo.presets import PresetError, read_card, resolve
from zoo.presets.card import digest_of
from zoo.presets.validation import hash_files

pytestmark = pytest.mark.once


def sign(directory):
    """Updates the checksums of the card, as the author of a hostile preset would."""
    card = json.loads((directory / "card.json").read_text())
    card["files"] = hash_files(directory)
    card["sha256"] = digest_of(card["files"])
    (directory / "card.json").write_text(json.dumps(card))


def edit(directory, file, change):
    path = directory / file
    content = json.loads(path.read_text())
    content = change(content) or content
    path.write_text(json.dumps(content))
    sign(directory)


@pytest.fixture
def untouched(monkeypatch):
    """Fails the test if Keras deserialises anything, or a process is started."""
    import keras

    def forbidden(*args, **kwargs):
        pytest.fail("a refused preset reached Keras or the system")

    monkeypatch.setattr(keras.saving, "deserialize_keras_object", forbidden)
    monkeypatch.setattr(keras.layers, "deserialize", forbidden)
    monkeypatch.setattr(os, "system", forbidden)


def an_object(name, module=None, registered=None, config=None):
    return {
        "class_name": name,
        "module": module,
        "registered_name": registered,
        "config": {} if config is None else config,
    }


HOSTILE = {
    "foreign class": an_object("Popen", "subprocess", "Popen"),
    "foreign package": an_object("Evil", "evil.layers", "evil>Evil"),
    "our name, foreign module": an_object("Evil", "evil.layers", "zoo>Evil"),
    "keras name, foreign registration": an_object("Dense", "keras.layers", "evil>Evil"),
    "os.system": an_object("function", "os", "system", "system"),
    "builtin": an_object("function", "builtins", "eval", "eval"),
    "get_file": an_object("function", "keras.utils", "get_file", "get_file"),
    "get_file as a class": an_object("get_file", "keras.utils"),
    "load_model": an_object("load_model", "keras.models"),
    "optimizer": an_object("Adam", "keras.optimizers"),
    "lambda layer": an_object("Lambda", "keras.layers", None, {"function": "4wEAAAAA"}),
    "lambda layer, old form": {
        "class_name": "Lambda",
        "config": {"function": ["4wE=", None, None]},
    },
    "lambda": an_object("__lambda__", None, None, {"value": "4wEAAAAA"}),
    "typespec": an_object("__typespec__", "os", "system"),
    "SavedModel": an_object("TFSMLayer", "keras.layers", None, {"filepath": "/tmp/model"}),
    "pickled module": an_object("TorchModuleWrapper", "keras.layers"),
    "no class": {"registered_name": "zoo>TextClassifier", "config": {}},
    "class that is no word": {"class_name": ["Dense"], "config": {}},
    "compiled": an_object("Dense", "keras.layers") | {"compile_config": {"loss": "mse"}},
    "file of a tokenizer": {"proto": "/etc/passwd"},
    "vocabulary by address": {"vocabulary": "https://example.com/v.txt"},
    "assets from elsewhere": {"config_file": "../../tokenizer.json"},
}


@pytest.mark.parametrize("file", ["task.json", "config.json", "tokenizer.json", "OTHER.JSON"])
@pytest.mark.parametrize("hostile", HOSTILE.values(), ids=HOSTILE)
def test_hostile_objects_are_refused(preset, untouched, file, hostile):
    (preset / "OTHER.JSON").write_text(json.dumps({"config": {}}))
    edit(preset, file, lambda content: content["config"].update(deep=[{"er": hostile}]))
    with pytest.raises(PresetError, match=f"nothing was loaded. Received: .* in {file}"):
        zoo.load(preset)


def test_hostile_objects_are_refused_without_a_card(preset, untouched):
    edit(preset, "task.json", lambda content: content["config"].update(x=HOSTILE["lambda layer"]))
    (preset / "card.json").unlink()
    with pytest.raises(PresetError, match="may contain no code"):
        zoo.load(preset)


def test_lambdas_are_refused_even_with_unsafe_deserialization(preset, untouched):
    import keras
    from keras.src.backend.common import global_state

    before = global_state.get_global_attribute("safe_mode_saving")
    keras.config.enable_unsafe_deserialization()
    try:
        edit(preset, "task.json", lambda content: content["config"].update(x=HOSTILE["lambda"]))
        with pytest.raises(PresetError, match="may contain no code"):
            zoo.load(preset)
    finally:
        global_state.set_global_attribute("safe_mode_saving", before)


@pytest.mark.parametrize(
    "registered",
    ["zoo>Nothing", "zoo>TextClassifierBackbone", "keras_hub>TextClassifier", "zoo", 7],
)
def test_task_must_be_of_the_zoo(preset, untouched, registered):
    edit(preset, "task.json", lambda content: content.update(registered_name=registered))
    with pytest.raises(PresetError, match="registered_name="):
        zoo.load(preset)


def test_refusal_imports_neither_keras_nor_the_foreign_module(preset, tmp_path):
    (tmp_path / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    hostile = an_object("Evil", "evil", "evil>Evil")
    edit(preset, "task.json", lambda content: content["config"].update(backbone=hostile))
    script = (
        "import sys, zoo\n"
        f"try: zoo.load({str(preset)!r})\n"
        "except ValueError as error: print(error)\n"
        "print(sorted({'keras', 'tensorflow', 'numpy', 'evil'} & set(sys.modules)))"
    )
    root = Path(zoo.__file__).parents[1]
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": f"{root}{os.pathsep}{tmp_path}"},
        check=True,
    )
    message, modules = done.stdout.splitlines()
    assert "nothing was loaded" in message and "evil" in message
    assert modules == "[]"
    assert not (tmp_path / "ran").exists()


def test_truncated_file_is_found(preset, untouched):
    weights = preset / "model.weights.h5"
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(PresetError, match="damaged or was changed.*model.weights.h5"):
        zoo.load(preset)


def test_truncated_weights_without_a_card_raise_a_preset_error(preset):
    (preset / "card.json").unlink()
    weights = preset / "model.weights.h5"
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(PresetError, match="must be readable HDF5.*model.weights.h5"):
        zoo.load(preset)


@pytest.mark.filterwarnings("ignore:Skipping variable loading for optimizer")
def test_plain_kerashub_directory_loads_with_a_warning(model, tmp_path):
    model.save_to_preset(str(tmp_path / "plain"))
    with pytest.warns(UserWarning, match="could not be verified"):
        loaded = zoo.load(tmp_path / "plain", compile=True)
    assert loaded.infer(["a good film"])[0].label == model.infer(["a good film"])[0].label


def test_changed_byte_is_found(preset):
    path = preset / "assets" / "tokenizer" / "vocabulary.spm"
    content = bytearray(path.read_bytes())
    content[50] ^= 1
    path.write_bytes(content)
    with pytest.raises(PresetError, match="vocabulary.spm"):
        resolve(preset)


def test_missing_file_is_found(preset):
    (preset / "tokenizer.json").unlink()
    with pytest.raises(PresetError, match="no tokenizer.json"):
        resolve(preset)


@pytest.mark.parametrize(
    "name", ["image_converter.json", "new.JSON", "new.weights.h5", "assets/tokenizer/x"]
)
def test_files_that_keras_reads_must_be_listed(preset, name):
    (preset / name).write_text("{}")
    with pytest.raises(PresetError, match=f"card does not list.*{name}"):
        resolve(preset)


def test_other_files_are_ignored(preset):
    (preset / "README.md").write_text("changed")
    (preset / ".gitattributes").write_text("")
    (preset / "notes.txt").write_text("")
    assert resolve(preset) == preset.resolve()


@pytest.mark.parametrize(
    "name", ["../outside", "/etc/passwd", "a/../../b", "a\\..\\b", "./a", "a//b", "C:x", "", "."]
)
def test_card_with_a_path_outside_is_refused(preset, name):
    card = json.loads((preset / "card.json").read_text())
    card["files"][name] = "0" * 64
    card["sha256"] = digest_of(card["files"])
    (preset / "card.json").write_text(json.dumps(card))
    with pytest.raises(PresetError, match="paths inside the preset"):
        resolve(preset)


@pytest.mark.parametrize("name", ["model.weights.h5", "assets"])
def test_links_are_refused(preset, tmp_path, name):
    target = tmp_path / "elsewhere"
    (preset / name).rename(target)
    (preset / name).symlink_to(target)
    with pytest.raises(PresetError, match=f"no links.*{name}"):
        resolve(preset)


def test_preset_directory_may_be_a_link(preset, tmp_path):
    (tmp_path / "link").symlink_to(preset)
    assert resolve(tmp_path / "link") == preset.resolve()


def test_weight_shards_must_be_in_the_same_directory(preset):
    shards = preset / "model.weights.json"
    shards.write_text(json.dumps({"weight_map": {"a": ["../../other.weights.h5"]}}))
    sign(preset)
    with pytest.raises(PresetError, match="may name only files in its own directory"):
        resolve(preset)
    shards.write_text(json.dumps({"weight_map": {"a": ["model_00000.weights.h5"]}}))
    sign(preset)
    resolve(preset)


@pytest.mark.parametrize("content", ["", "{", "[]", "7", "\udcff", "[" * 100_000])
def test_invalid_json_raises_a_preset_error(preset, content):
    for name in ("task.json", "card.json"):
        path = preset / name
        before = path.read_bytes()
        path.write_bytes(content.encode(errors="surrogateescape"))
        if name == "task.json":
            sign(preset)
        with pytest.raises(PresetError, match="JSON"):
            resolve(preset)
        path.write_bytes(before)


def test_digest_of_a_card(preset):
    card = read_card(preset)
    listing = sorted(f"{digest}  {name}\n" for name, digest in card.files.items())
    assert card.sha256 == hashlib.sha256("".join(listing).encode()).hexdigest()
    values = card.to_dict() | {"sha256": "0" * 64}
    with pytest.raises(PresetError, match="digest of `files`"):
        zoo.Card.from_dict(values)


@pytest.mark.parametrize("missing", ["config.json", "task.json"])
def test_both_configurations_are_required(preset, missing):
    (preset / missing).unlink()
    sign(preset)
    with pytest.raises(PresetError, match=f"needs the file {missing}"):
        resolve(preset)
