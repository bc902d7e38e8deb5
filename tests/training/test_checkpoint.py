"""Checkpoints: complete state, atomic writes, damaged files."""

import json
import os
import resource
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import asdict
from types import SimpleNamespace

import keras
import numpy as np
import pytest
import yaml

import zoo
from zoo.models import TextClassifier, TextClassifierBackbone, TextClassifierPreprocessor
from zoo.tokenizers import train_subword_tokenizer
from zoo.training import checkpoint as module
from zoo.training.checkpoint import Checkpoint, CheckpointError, RunManifest, TrainerState
from zoo.training.optimizer import compile_model
from zoo.training.schema import TrainingConfig


def compiled(units=3, seed=0, **settings):
    keras.utils.set_random_seed(seed)
    model = keras.Sequential(
        [keras.Input((4,)), keras.layers.Dense(units), keras.layers.Dropout(0.5)]
    )
    compile_model(model, TrainingConfig(**settings), 10, loss="mse")
    return model


def trained(**settings):
    model = compiled(**settings)
    model.fit(np.ones((8, 4), "float32"), np.ones((8, 3), "float32"), batch_size=2, verbose=0)
    return model


def state(model):
    return [np.array(v) for v in (*model.variables, *model.optimizer.variables)]


@pytest.mark.parametrize("settings", [{}, {"ema": 0.9}, {"optimizer": "sgd"}, {"accumulate": 3}])
def test_restore_returns_the_whole_state(settings):
    model = trained(**settings)
    progress = TrainerState(epoch=2, batch=3, step=11, sums={"loss": 0.5}, boundaries=[8], best=0.7)
    Checkpoint("run").save(model, progress)
    other = compiled(seed=1, **settings)
    assert Checkpoint("run").restore(other) == progress == Checkpoint("run").progress()
    for found, expected in zip(state(model), state(other), strict=True):
        np.testing.assert_array_equal(found, expected)
        assert found.dtype == expected.dtype
    assert int(other.optimizer.iterations) == 4 // settings.get("accumulate", 1)
    assert any("seed" in variable.path for variable in other.variables)


def test_best_weights_are_stored_separately():
    model, checkpoint = trained(), Checkpoint("run")
    checkpoint.save_best(model)
    best = model.get_weights()
    model.set_weights([weight + 1 for weight in best])
    checkpoint.save(model, TrainerState())
    checkpoint.restore_best(model)
    for found, expected in zip(best, model.get_weights(), strict=True):
        np.testing.assert_array_equal(found, expected)


def test_average_of_the_last_epochs():
    model, checkpoint = trained(), Checkpoint("run")
    start = model.get_weights()
    for epoch, added in enumerate([100.0, 1.0, 2.0, 6.0], 1):
        model.set_weights([weight + added for weight in start])
        checkpoint.save_epoch(model, epoch, keep=3)
    assert len(list(checkpoint.folder.iterdir())) == 3  # as many files as epochs are averaged
    assert checkpoint.average_epochs(model) == 3
    for found, weight in zip(model.get_weights(), start, strict=True):
        np.testing.assert_allclose(found, weight + 3, rtol=1e-6)


def test_state_of_another_model_is_refused():
    Checkpoint("run").save(trained(), TrainerState())
    with pytest.raises(CheckpointError, match="belongs to another model"):
        Checkpoint("run").restore(compiled(units=5))


@pytest.mark.once
def test_damaged_state_is_refused(home):
    Checkpoint("run").save(trained(), TrainerState())
    path = home / "checkpoints" / "run" / "state.npz"
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(CheckpointError, match="cannot be read .*again from the start"):
        Checkpoint("run").restore(compiled())


@pytest.mark.once
def test_find_by_id_prefix():
    for run_id in ("abc1", "abd2"):
        Checkpoint(run_id).save(trained(), TrainerState())
    assert Checkpoint.find("abc").run_id == "abc1"
    for wrong in ("ab", "x", ""):
        with pytest.raises(CheckpointError) as raised:
            Checkpoint.find(wrong)
        assert f"with a checkpoint: abc1, abd2. Received: resume={wrong!r}" in str(raised.value)
    Checkpoint("abc1").remove()
    with pytest.raises(CheckpointError, match="with a checkpoint: abd2"):
        Checkpoint.find("abc")


MANIFEST = RunManifest("run", "sentiment/x", ["a.b=c"], "0f", {"description": "한국어", "n": 1e-4})


def classifier():
    tokenizer = train_subword_tokenizer(["a good film"], 300)
    return TextClassifier(
        TextClassifierBackbone(tokenizer.vocabulary_size(), embedding_dim=4, units=3),
        TextClassifierPreprocessor(tokenizer, sequence_length=7),
    )


def test_manifest_and_preprocessor_are_restored():
    checkpoint = Checkpoint("run")
    checkpoint.create(MANIFEST, classifier(), "reviews")
    assert checkpoint.read_manifest() == MANIFEST
    assert zoo.load(checkpoint.model).preprocessor.sequence_length == 7


@contextmanager
def full_disk(size):
    """Limits the size of files: a write beyond it fails in the system, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.once
def test_full_disk_at_the_start(home, monkeypatch):
    model, checkpoint = classifier(), Checkpoint("run")
    with full_disk(100), pytest.raises(CheckpointError, match=r"written \(File too large\)"):
        checkpoint.create(MANIFEST, model, "reviews")
    assert os.listdir(checkpoint.folder) == []
    monkeypatch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(free=1 << 20))
    with pytest.raises(CheckpointError, match=r"written \(No space left on device\)"):
        checkpoint.create(MANIFEST, model, "reviews")
    assert os.listdir(checkpoint.folder) == ["recipe.yaml"]


@pytest.mark.once
def test_full_disk_leaves_the_previous_checkpoint(home):
    model, checkpoint = trained(), Checkpoint("run")
    checkpoint.save(model, TrainerState(step=1))
    with full_disk(300):
        with pytest.raises(CheckpointError, match="could not be written .* previous one is intact"):
            checkpoint.save(model, TrainerState(step=2))
        with pytest.raises(CheckpointError, match="there is no previous one"):
            checkpoint.save_best(model)
    assert os.listdir(home / "checkpoints" / "run") == ["state.npz"]
    assert checkpoint.progress().step == 1


@pytest.mark.once
def test_kill_while_writing_leaves_the_previous_checkpoint(home):
    """In a process that receives SIGKILL when half of the file is written."""
    model, checkpoint = trained(), Checkpoint("run")
    checkpoint.save(model, TrainerState(step=1))
    code = (
        "import os, signal, numpy as np\n"
        "from zoo.training import checkpoint\n"
        "def half(path, **arrays):\n"
        "    with open(path, 'wb') as file: file.write(b'PK half')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        "np.savez = half\n"
        "checkpoint.Checkpoint('run')._write('state.npz', {})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True)
    assert done.returncode == -9
    assert checkpoint.progress().step == 1


@pytest.mark.once
def test_progress_is_stored_as_json(home):
    Checkpoint("run").save(trained(), TrainerState(best=0.5))
    with np.load(home / "checkpoints" / "run" / module.STATE_FILE, allow_pickle=False) as file:
        assert json.loads(file["progress"].tobytes())["best"] == 0.5


@pytest.mark.once
@pytest.mark.parametrize(
    "damage",
    [
        lambda folder: (folder / "recipe.yaml").unlink(),
        lambda folder: (folder / "recipe.yaml").write_text("a: ["),
        lambda folder: (folder / "recipe.yaml").write_bytes(b"\xff\xfe\xfa"),
        lambda folder: (folder / "recipe.yaml").write_text("- 1"),
        lambda folder: (folder / "recipe.yaml").write_text("another: version"),
        lambda folder: (folder / "state.npz").write_bytes(b"PK damaged"),
        lambda folder: np.savez(folder / "state.npz", other=np.zeros(1)),
        lambda folder: np.savez(folder / "state.npz", progress=np.zeros(3, "uint8")),
    ],
)
def test_damaged_checkpoints_are_reported_and_skipped(damage):
    manifest = RunManifest("run", "sentiment/quickstart", [], "digest", {"seed": 1})
    checkpoint = Checkpoint("run")
    checkpoint.folder.mkdir(parents=True)
    (checkpoint.folder / "recipe.yaml").write_text(yaml.safe_dump(asdict(manifest)))
    checkpoint.save(trained(), TrainerState())
    assert Checkpoint.of({"seed": 1}, "digest", "jax").run_id == "run"
    damage(checkpoint.folder)
    assert Checkpoint.of({"seed": 1}, "digest", "jax") is None
    with pytest.raises(CheckpointError, match="cannot be read .*run the recipe again"):
        checkpoint.read_manifest()
        checkpoint.progress()
