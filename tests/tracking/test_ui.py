"""The server of `zoo ui`."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import ProxyHandler, Request, build_opener

import pytest

from zoo.tracking import prepare_store, ui

pytestmark = pytest.mark.once

ROOT = Path(__file__).parents[2]
OPENER = build_opener(ProxyHandler({}))


def status(address, **headers):
    try:
        return OPENER.open(Request(address, headers=headers), timeout=10).status
    except HTTPError as error:
        return error.code


def test_start_page_is_that_of_the_latest_run(client):
    assert ui.start_page(prepare_store()).startswith("#/experiments?workflowType=machine_learning")
    for name in ("first", "second"):
        experiment = client.create_experiment(name)
    first = client.get_experiment_by_name("first").experiment_id
    client.create_run(experiment, start_time=1000)
    client.create_run(first, start_time=2000)
    assert ui.start_page(prepare_store()) == (
        f"#/experiments/{first}/runs?workflowType=machine_learning"
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


def test_private_is_not_for_a_server_of_others(monkeypatch):
    monkeypatch.setattr(ui, "prepare_store", lambda: "http://127.0.0.1:9/")
    monkeypatch.setattr(ui, "start_page", lambda uri: "#/page")
    with pytest.raises(ValueError, match="Leave it out.*Received: --private, and a server"):
        ui.serve(private=True)


def test_server_that_exits_during_startup(client, monkeypatch):
    command = [sys.executable, "-c", "raise SystemExit('no luck today')"]
    monkeypatch.setattr(ui, "_command", lambda *a: command)
    with pytest.raises(RuntimeError, match="(?s)ui.log.*no luck today.*Received: exit code 1"):
        ui.serve(open_browser=False)


@pytest.mark.skipif(os.name == "nt", reason="no SIGTERM there")
def test_server_runs_until_sigterm(client, home):
    environment = os.environ | {"ZOO_HOME": str(home), "PYTHONPATH": str(ROOT)}
    environment.pop("MLFLOW_TRACKING_URI")
    program = "from zoo.tracking import serve; serve(5000, open_browser=False, private=True)"
    with subprocess.Popen(
        [sys.executable, "-c", program], env=environment, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            address = process.stdout.readline().split()[-1]
            server = address.partition("/#")[0]
            assert OPENER.open(f"{server}/health", timeout=10).read() == b"OK"
            assert b"<title>MLflow" in OPENER.open(f"{server}/", timeout=10).read()
            public, _, token = server.rpartition("/")
            assert len(token) > 40
            command_line = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True)
            assert token not in command_line.stdout and "sqlite:" not in command_line.stdout
            search = "ajax-api/2.0/mlflow/experiments/search?max_results=1"
            assert b"experiments" in OPENER.open(f"{server}/{search}", timeout=10).read()
            assert status(f"{public}/{search}") == status(f"{public}/health") == 404
            assert status(f"{server}/ajax-api/3.0/mlflow/assistant/config") == 404
            assert status(f"{server}/{search}", Host="evil.example") == 403
            assert status(f"{server}/{search}", Host="192.168.0.1:5000") == 403
            assert status(f"{server}/{search}", Origin="http://evil.example") == 403
        finally:
            process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) == 143
    with pytest.raises(OSError):
        OPENER.open(f"{server}/health", timeout=2)
