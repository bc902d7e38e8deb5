"""The default store, databases and servers."""

import logging
import os
import socket
import subprocess
import sys
import time
import traceback
from pathlib import Path

import pytest

from zoo import tracking_store as store
from zoo.tracking import StoreError, prepare_store, tracking_uri

pytestmark = pytest.mark.once

ROOT = Path(__file__).parents[2]

# Eight processes create the same store; they are forked, so that MLflow is imported once.
EIGHT_FIRST_RUNS = """
import multiprocessing
import mlflow.store.tracking.sqlalchemy_store
from mlflow import MlflowClient
from mlflow.entities import Metric
from zoo.tracking import prepare_store
from zoo.tracking.lifecycle import get_experiment

def first_run(number):
    client = MlflowClient(prepare_store())
    experiment = get_experiment(client, "shared")
    run = client.create_run(experiment.experiment_id, run_name=f"run {number}")
    for step in range(20):
        client.log_batch(run.info.run_id, metrics=[Metric("train/loss", number, step, step)])
    client.set_terminated(run.info.run_id)

context = multiprocessing.get_context("fork")
processes = [context.Process(target=first_run, args=(i,)) for i in range(8)]
for process in processes:
    process.start()
for process in processes:
    process.join()
print([process.exitcode for process in processes])
"""


def test_default_store_is_in_the_home(home):
    assert tracking_uri() == f"sqlite:///{home}/runs/mlflow.db"
    assert store.artifact_root(tracking_uri()) == home / "runs" / "artifacts"


@pytest.mark.parametrize("name", ["집 c#d what?x=1 100%", "%3F"])
def test_a_home_of_any_name_is_used(monkeypatch, tmp_path, name):
    import mlflow
    from mlflow import MlflowClient

    monkeypatch.setenv("ZOO_HOME", str(tmp_path / name))
    uri = prepare_store()
    assert store.sqlite_file(uri) == tmp_path / name / "runs" / "mlflow.db"
    assert mlflow.get_tracking_uri() == uri == tracking_uri()
    client = MlflowClient(uri)
    experiment = client.create_experiment(
        "any", artifact_location=(store.artifact_root(uri) / "any").as_uri()
    )
    run = client.create_run(experiment).info.run_id
    client.log_text(run, "text", "a.txt")
    assert [it.path for it in client.list_artifacts(run)] == ["a.txt"]
    assert list((tmp_path / name).rglob("a.txt"))
    assert list(tmp_path.rglob("mlflow.db")) == [tmp_path / name / "runs" / "mlflow.db"]


def test_environment_variable_is_used(monkeypatch, tmp_path):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", " http://localhost:5001 ")
    assert tracking_uri() == "http://localhost:5001"
    assert store.is_server(tracking_uri()) and store.artifact_root(tracking_uri()) is None
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mine.db")
    assert store.artifact_root(tracking_uri()) == tmp_path / "artifacts"


def test_artifacts_of_a_database_server_are_in_the_home(home):
    uri = "postgresql://someone@localhost/mlflow"
    assert not store.is_server(uri)
    assert store.artifact_root(uri) == home / "runs" / "artifacts"


def test_prepare_store_sets_mlflow_and_the_environment(client, home):
    import mlflow

    assert mlflow.get_tracking_uri() == os.environ["MLFLOW_TRACKING_URI"] == tracking_uri()
    assert client.get_experiment("0").artifact_location.startswith("file:")


def test_another_home_is_another_store(client, monkeypatch, tmp_path):
    monkeypatch.setenv("ZOO_HOME", str(tmp_path))
    assert tracking_uri() == f"sqlite:///{tmp_path}/runs/mlflow.db"


def test_second_prepare_store_is_fast_and_silent(client, caplog):
    started = time.monotonic()
    with caplog.at_level(logging.INFO):
        prepare_store()
    assert time.monotonic() - started < 2
    assert caplog.text == ""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
def test_eight_parallel_first_runs(home):
    environment = os.environ | {"ZOO_HOME": str(home), "PYTHONPATH": str(ROOT)}
    finished = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", EIGHT_FIRST_RUNS],
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert finished.stdout.strip() == str([0] * 8), finished.stderr
    from mlflow import MlflowClient

    client = MlflowClient(prepare_store())
    experiments = [e for e in client.search_experiments() if e.name == "shared"]
    assert len(experiments) == 1
    runs = client.search_runs([experiments[0].experiment_id])
    assert sorted(run.data.metrics["train/loss"] for run in runs) == list(range(8))
    assert all(len(client.get_metric_history(r.info.run_id, "train/loss")) == 20 for r in runs)


def test_missing_server(monkeypatch):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        uri = f"http://127.0.0.1:{unused.getsockname()[1]}"
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
        started = time.monotonic()
        with pytest.raises(StoreError, match="refused.* or unset it .*Received: .*" + uri):
            prepare_store()
    assert time.monotonic() - started < 10
    assert "MLFLOW_HTTP_REQUEST_TIMEOUT" not in os.environ


def test_server_that_never_answers(monkeypatch):
    monkeypatch.setattr(store, "TIMEOUT_SECONDS", 1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        uri = f"http://127.0.0.1:{silent.getsockname()[1]}"
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
        started = time.monotonic()
        with pytest.raises(ConnectionError, match="timed out|timeout"):
            prepare_store()
    assert time.monotonic() - started < 5


@pytest.mark.parametrize("uri", ["./mlruns", "file:///tmp/mlruns", "/tmp/mlruns"])
def test_folders_are_refused(monkeypatch, uri):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    with pytest.raises(ValueError, match="sqlite:////absolute.*Received: MLFLOW_TRACKING_URI="):
        prepare_store()


def test_database_in_an_unwritable_place(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/file/runs.db")
    with pytest.raises(StoreError, match="cannot be opened.*Received: sqlite"):
        prepare_store()


def test_file_that_is_not_a_database(monkeypatch, tmp_path):
    (tmp_path / "runs.db").write_text("not a database " * 100)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/runs.db")
    with pytest.raises(StoreError, match="not a database"):
        prepare_store()


def test_database_of_another_mlflow_version(client, home):
    import sqlite3

    with sqlite3.connect(home / "runs" / "mlflow.db") as database:
        database.execute("UPDATE alembic_version SET version_num = '0'")
    database.close()
    with pytest.raises(StoreError, match="out-of-date.*copy of it.*mlflow db upgrade"):
        prepare_store()


@pytest.mark.parametrize(
    "uri",
    [
        "sqlite://",
        "sqlite:///",
        "sqlite:///:memory:",
        "sqlite+pysqlite://",
        "sqlite:///file::memory:?uri=true",
        "sqlite:///file:x?mode=memory&cache=shared&uri=true",
    ],
)
def test_databases_in_memory_are_refused(monkeypatch, uri):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    with pytest.raises(ValueError, match="lost when the process ends.*sqlite:////absolute"):
        prepare_store()


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ("http://me:secret@host:5000/x", "http://me:***@host:5000/x"),
        ("postgresql://me:se@cr:et/@host/runs", "postgresql://me:***@host/runs"),
        ("failed: http://me:secret@host/a and more", "failed: http://me:***@host/a and more"),
        ("mysql://host/runs?user=me&password=secret", "mysql://host/runs?user=me&password=***"),
        ("http://me:12/34#5@host/a", "http://me:***@host/a"),
        ("http://host:5000/#/a/b", "http://host:5000/#/a/b"),
        ("sqlite:////a:b@c/mlflow.db", "sqlite:////a:b@c/mlflow.db"),
    ],
)
def test_texts_without_passwords(uri, shown):
    assert store.without_passwords(uri) == shown


@pytest.fixture
def account(monkeypatch):
    for name in ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD"):
        monkeypatch.setenv(name, "")  # restored after the test
        monkeypatch.delenv(name)


def test_password_of_a_server_is_in_no_address_and_no_error(monkeypatch, account):
    import mlflow

    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{unused.getsockname()[1]}"
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://me:se%40cret@{address}")
        with pytest.raises(StoreError) as raised:
            prepare_store()
    everything = "".join(traceback.format_exception(raised.value))
    assert "refused" in everything and "cret" not in everything
    assert f"MLFLOW_TRACKING_URI=http://{address}" in str(raised.value)

    requests = []
    monkeypatch.setattr(store, "_ask_server", requests.append)
    assert prepare_store() == mlflow.get_tracking_uri() == f"http://{address}" == requests[0]
    assert os.environ["MLFLOW_TRACKING_USERNAME"] == "me"
    assert os.environ["MLFLOW_TRACKING_PASSWORD"] == "se@cret"


def test_full_disk_is_said_in_one_line(client, home, caplog, capfd):
    """SQLite is told that its file must not grow."""
    from sqlalchemy import event
    from sqlalchemy.engine import Engine

    from zoo.tracking import start_run

    def full(connection, cursor, statement, *more):
        if statement.startswith("INSERT INTO metrics"):
            cursor.execute("PRAGMA max_page_count = 1")  # the number of pages it has

    event.listen(Engine, "before_cursor_execute", full)
    try:
        with pytest.raises(StoreError) as raised, start_run("x", "y", config={}) as run:
            run.log_metrics({f"{'m' * 200}{i}": i for i in range(900)}, 1)
    finally:
        event.remove(Engine, "before_cursor_execute", full)
    assert str(raised.value) == (
        "The run can no longer be tracked: database or disk is full. Free disk space, or set "
        "MLFLOW_TRACKING_URI or ZOO_HOME to another disk, then resume the run. Received: "
        f"sqlite:///{home}/runs/mlflow.db"
    )
    said = caplog.text + "".join(capfd.readouterr())
    assert "Traceback" not in said and "sqlalche.me" not in said


def test_passwords_are_not_shown(monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "nosuchdb://me:secret@127.0.0.1/runs")
    with pytest.raises(StoreError) as caught:
        prepare_store()
    assert "secret" not in str(caught.value)
    assert "me:***@127.0.0.1" in str(caught.value)
