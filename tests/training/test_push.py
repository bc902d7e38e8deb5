"""A tracking server that goes away in mid-training, and `zoo track push` when it is back."""

import os
import shutil
import socket
import subprocess
import sys
import time
from dataclasses import replace
from urllib.request import urlopen

import pytest

from zoo.cli import backend, main
from zoo.tracking import StoreError
from zoo.tracking.run import Run
from zoo.training import loop
from zoo.training.checkpoint import Checkpoint
from zoo.training.finish import Finish

pytestmark = pytest.mark.once


@pytest.fixture
def server(tmp_path, monkeypatch, empty_store):
    """Function that starts a real server at an address that stays the same; returns its process."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    shutil.copytree(empty_store, tmp_path / "store")
    store = f"sqlite:///{tmp_path}/store/mlflow.db"
    environment = os.environ | {
        "_MLFLOW_SERVER_FILE_STORE": store,
        "_MLFLOW_SERVER_REGISTRY_STORE": store,
        "_MLFLOW_SERVER_ARTIFACT_ROOT": "mlflow-artifacts:/",
        "_MLFLOW_SERVER_ARTIFACT_DESTINATION": str(tmp_path / "files"),
        "_MLFLOW_SERVER_SERVE_ARTIFACTS": "true",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    }
    command = [sys.executable, "-m", "uvicorn", "--factory", "zoo.tracking.server:create_app"]
    command += ["--port", str(port), "--log-level", "warning"]
    started = []

    def start():
        process = subprocess.Popen(command, env=environment, cwd=tmp_path)
        started.append(process)
        for _ in range(1200):
            try:
                with urlopen(f"http://127.0.0.1:{port}/health", timeout=5):
                    return process
            except OSError:
                assert process.poll() is None
                time.sleep(0.1)
        raise AssertionError("the server did not start")

    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{port}")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    yield start
    for process in started:
        process.kill()
        process.wait()


@pytest.mark.slow
def test_training_goes_on_and_what_was_not_sent_is_pushed(server, monkeypatch, capsys):
    from mlflow import MlflowClient

    from recipes import sentiment
    from tests.small_recipe import SMALL
    from zoo.training import run as run_recipe

    process, log_epochs = server(), Run.log_epochs

    def stop_after_the_first(self, epochs):
        if epochs and epochs[-1][0] == 2:
            process.kill()
            process.wait()
        log_epochs(self, epochs)

    monkeypatch.setattr(Run, "log_epochs", stop_after_the_first)
    changes = [*SMALL, "training.epochs=4", "evaluation.gate=0"]
    with pytest.raises(StoreError, match="can no longer be tracked") as raised:
        run_recipe(sentiment.RECIPE, "quickstart", changes, progress=False)
    assert raised.value.hint == "zoo track push"
    said = capsys.readouterr().err
    assert said.count("training goes on, and the metrics") == 3 and "epoch 4/4" in said

    assert main(["track", "push"]) == 1  # the server is still away
    assert "The tracking server cannot be used" in capsys.readouterr().err
    monkeypatch.setattr(Run, "log_epochs", log_epochs)
    server()
    assert main(["track", "push", "--dry-run"]) == 0
    would = f"(sentiment/quickstart, trained on {backend.current()}): would be sent"
    assert would in capsys.readouterr().out
    assert main(["track", "push"]) == 0
    assert "registered: quickstart version 1, champion" in capsys.readouterr().out
    client = MlflowClient()
    experiment = client.get_experiment_by_name("sentiment")
    (run,) = client.search_runs([experiment.experiment_id])
    assert run.info.status == "FINISHED"
    history = client.get_metric_history(run.info.run_id, "train/loss")
    assert [point.step for point in history] == [1, 2, 3, 4]
    assert main(["track", "push"]) == 0
    assert "Nothing to send" in capsys.readouterr().out


def test_an_interrupted_training_is_not_sent(run, client, home, tmp_path, capsys, monkeypatch):
    from recipes import sentiment
    from zoo.training import run as run_recipe

    def resume(*changes):
        run_recipe(sentiment.RECIPE, "quickstart", changes, resume=run_id, progress=False)

    preset = tmp_path / "preset"
    monkeypatch.chdir(tmp_path)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        stop_at(7, patch)  # in the first epoch, of 13 batches
        run("training.epochs=1", "training.checkpoint_every=5", output="preset")
    (folder,) = (home / "checkpoints").iterdir()
    run_id = folder.name
    assert Checkpoint(run_id).progress().step == 5
    assert main(["track", "push"]) == 0
    assert "Nothing to send" in capsys.readouterr().out

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        stop_at(15, patch)  # in the second epoch
        resume("training.epochs=3", "tracking.register_as=mine")
    progress = Checkpoint(run_id).progress()
    assert (progress.epoch, progress.batch) == (1, 0)
    assert main(["track", "push"]) == 0
    assert "Nothing to send" in capsys.readouterr().out

    with monkeypatch.context() as patch, pytest.raises(StoreError):
        patch.setattr(Finish, "run", raise_store_error)
        resume("training.epochs=1")
    manifest = Checkpoint(run_id).read_manifest()
    assert manifest.output == str(preset)
    assert manifest.config["tracking"]["register_as"] == "mine"
    assert manifest.overrides[-3:] == [
        "training.epochs=3",
        "tracking.register_as=mine",
        "training.epochs=1",
    ]
    assert main(["track", "push", "--dry-run"]) == 0
    would = f"(sentiment/quickstart, trained on {backend.current()}): would be sent"
    assert would in capsys.readouterr().out

    other = "jax" if manifest.backend != "jax" else "torch"
    Checkpoint(run_id).write_manifest(replace(manifest, backend=other))
    assert main(["track", "push"]) == 1
    said = capsys.readouterr().err
    assert f"choose it with --backend {other}. Received: backend={manifest.backend}" in said
    assert f"zoo track push --backend {other}" in said
    Checkpoint(run_id).write_manifest(manifest)

    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path / "other")
    assert main(["track", "push"]) == 0
    assert (preset / "card.json").is_file() and not folder.exists()
    assert client.get_run(run_id).info.status == "FINISHED"


def stop_at(step, monkeypatch):
    """Makes training stop at a step, before the checkpoint of that step."""
    count = loop._Steps.on_train_batch_end

    def stopping(self, batch, logs=None):
        if self.step_before + batch + 1 == step:
            raise KeyboardInterrupt
        count(self, batch, logs)

    monkeypatch.setattr(loop._Steps, "on_train_batch_end", stopping)


def raise_store_error(*arguments):
    raise StoreError("the server is away")
