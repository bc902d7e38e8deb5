"""The server of `zoo ui`."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from urllib.request import ProxyHandler, build_opener

import pytest

from zoo.tracking import prepare_store, ui

pytestmark = pytest.mark.once

ROOT = Path(__file__).parents[2]
ONCE = pytest.mark.skipif(
    os.environ.get("KERAS_BACKEND", "tensorflow") != "tensorflow",
    reason="starts processes without Keras: runs on one backend",
)
OPENER = build_opener(ProxyHandler({}))


def test_start_page_is_that_of_the_latest_run(client):
    assert ui.start_page(prepare_store()).startswith("#/experiments?workflowType=machine_learning")
    for name in ("first", "second"):
        experiment = client.create_experiment(name)
    first = client.get_experiment_by_name("first").experiment_id
    client.create_run(experiment, start_time=1000)
    client.create_run(first, start_time=2000)
    assert ui.start_page(prepare_store()) == (
        f"#/experiments/{first}/runs?workflowType=machine_learning&compareRunsMode=CHART"
    )


def test_next_free_port_is_used():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert port < ui._free_port(port) < port + ui.MAX_PORTS


def test_no_free_port(monkeypatch):
    monkeypatch.setattr(ui, "MAX_PORTS", 1)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        with pytest.raises(RuntimeError, match="zoo ui --port .*Received: port="):
            ui._free_port(taken.getsockname()[1])


def test_remote_server_is_opened(monkeypatch, capsys):
    opened = []
    monkeypatch.setattr(ui, "prepare_store", lambda: "http://127.0.0.1:9/")
    monkeypatch.setattr(ui, "start_page", lambda uri: "#/page")
    monkeypatch.setattr(ui.webbrowser, "open", opened.append)
    monkeypatch.setattr(ui, "_command", lambda *a: pytest.fail("started a server"))
    ui.serve()
    assert opened == ["http://127.0.0.1:9/#/page"]
    assert "http://127.0.0.1:9/#/page" in capsys.readouterr().out


def test_server_that_exits_during_startup(client, monkeypatch):
    command = [sys.executable, "-c", "raise SystemExit('no luck today')"]
    monkeypatch.setattr(ui, "_command", lambda *a: command)
    with pytest.raises(RuntimeError, match="(?s)ui.log.*no luck today.*Received: exit code 1"):
        ui.serve(open_browser=False)


@ONCE
@pytest.mark.skipif(os.name == "nt", reason="no SIGTERM there")
def test_server_runs_until_sigterm(client, home):
    environment = os.environ | {"ZOO_HOME": str(home), "PYTHONPATH": str(ROOT)}
    environment.pop("MLFLOW_TRACKING_URI")
    program = "from zoo.tracking import serve; serve(5000, open_browser=False)"
    with subprocess.Popen(
        [sys.executable, "-c", program], env=environment, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            address = process.stdout.readline().split()[-1]
            server = address.partition("/#")[0]
            assert OPENER.open(f"{server}/health", timeout=10).read() == b"OK"
            assert b"MLflow" in OPENER.open(server, timeout=10).read()
        finally:
            process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) == 143
    with pytest.raises(OSError):
        OPENER.open(f"{server}/health", timeout=2)
