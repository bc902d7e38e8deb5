"""A tracking server that goes away in mid-training, and `zoo track push` when it is back."""

import os
import shutil
import socket
import subprocess
import sys
import time
from urllib.request import urlopen

import pytest

from zoo.cli import main
from zoo.tracking import StoreError
from zoo.tracking.run import Run

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
    assert "(sentiment/quickstart): would be sent" in capsys.readouterr().out
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


def test_an_interrupted_training_is_not_sent(run, capsys, monkeypatch):
    from zoo.training import loop

    def stop(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(loop._Steps, "on_train_batch_begin", stop, raising=True)
    with pytest.raises(KeyboardInterrupt):
        run("training.checkpoint_every=1")
    assert main(["track", "push"]) == 0
    assert "Nothing to send" in capsys.readouterr().out
