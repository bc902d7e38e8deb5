"""Serves the MLflow UI for `zoo ui`."""

import os
import secrets
import socket
import subprocess
import sys
import time
import webbrowser
from pathlib import Path
from urllib.error import URLError
from urllib.parse import quote
from urllib.request import ProxyHandler, build_opener

from zoo.home import home
from zoo.tracking.experiments import VIEW, VIEW_TAG
from zoo.tracking.server import LOCKED
from zoo.tracking.signals import termination_raises
from zoo.tracking_store import database_root, is_server, prepare_store, without_passwords

HOST = "127.0.0.1"
HOSTS = ",".join(f"{name}{port}" for name in (HOST, "localhost") for port in ("", ":*"))
START_TIMEOUT_SECONDS = 90
MAX_PORTS = 20


def serve(port: int = 5000, open_browser: bool = True, private: bool = False) -> None:
    """Serves the runs until Ctrl-C.

    Starts `zoo.tracking.server` with one worker, on the loopback interface, for the store of
    `zoo.tracking.tracking_uri`; if the store is a server, opens that server. The page is that of
    the latest experiment, in MLflow's mode for training runs: in a new browser MLflow starts in
    the mode for language-model applications, which shows neither runs nor models.

    Args:
        port: Port of the server, or the next free port. Defaults to `5000`.
        open_browser: Whether to open the page in the browser after printing its URL. Defaults to
            `True`.
        private: Whether all addresses begin with a random token, without which the server answers
            404: for machines of several users. Defaults to `False`.

    Raises:
        StoreError: if the store cannot be used.
        RuntimeError: if no port is free, or the server does not start.
    """
    uri = prepare_store()
    page = start_page(uri)
    if is_server(uri):
        if private:
            raise ValueError(
                "`--private` is for the server that `zoo ui` starts itself; the server of "
                "MLFLOW_TRACKING_URI decides who may read it. Leave it out, or unset the variable. "
                "Received: --private, and a server in MLFLOW_TRACKING_URI"
            )
        _show(f"{uri.rstrip('/')}/{page}", open_browser)
        return
    port = _free_port(port)
    # In the path, not in a cookie, which a browser would send to every port of this host.
    prefix = f"/{secrets.token_urlsafe(32)}" if private else ""
    address = f"http://{HOST}:{port}{prefix}"
    log = home() / "runs" / "ui.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with (
        termination_raises(),
        log.open("w") as output,
        subprocess.Popen(
            _command(port),
            env=_environment(uri, prefix),
            stdout=output,
            stderr=subprocess.STDOUT,
        ) as server,
    ):
        try:
            _wait(server, address, log)
            _show(f"{address}/{page}", open_browser)
            print("Press Ctrl-C to stop the server.", flush=True)
            server.wait()
        except KeyboardInterrupt:
            pass
        finally:
            _stop(server)


def start_page(uri: str) -> str:
    """The path of the page with the runs of the latest experiment, after the server's URL."""
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=uri)
    experiments = [e.experiment_id for e in client.search_experiments(max_results=1000)]
    latest = client.search_runs(experiments, order_by=["start_time DESC"], max_results=1)
    if not latest:
        return "#/experiments?workflowType=machine_learning"
    experiment = client.get_experiment(latest[0].info.experiment_id)
    view = f"&viewStateShareKey={VIEW}" if VIEW_TAG in experiment.tags else ""
    path = f"/{quote(experiment.experiment_id)}/runs"
    return f"#/experiments{path}?workflowType=machine_learning{view}"


def is_empty(uri: str) -> bool:
    """True if a store has neither runs nor registered models."""
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=uri)
    experiments = [e.experiment_id for e in client.search_experiments(max_results=1000)]
    runs = client.search_runs(experiments, max_results=1)
    return not runs and not client.search_registered_models(max_results=1)


def _command(port: int) -> list[str]:
    return [
        *(sys.executable, "-m", "uvicorn", "--factory", "zoo.tracking.server:create_app"),
        *("--host", HOST, "--port", str(port), "--log-level", "warning"),
    ]


def _environment(uri: str, prefix: str) -> dict[str, str]:
    """The settings of the server; other users of the machine can read command lines, not these."""
    from mlflow.server import constants
    from mlflow.server.handlers import STATIC_PREFIX_ENV_VAR

    return (
        os.environ
        | LOCKED
        | {
            constants.BACKEND_STORE_URI_ENV_VAR: uri,
            constants.REGISTRY_STORE_URI_ENV_VAR: uri,
            constants.ARTIFACT_ROOT_ENV_VAR: database_root(uri).as_uri(),
            STATIC_PREFIX_ENV_VAR: prefix,
            "MLFLOW_LOGGING_LEVEL": "WARNING",
            "MLFLOW_SERVER_ALLOWED_HOSTS": HOSTS,
            "MLFLOW_SERVER_CORS_ALLOWED_ORIGINS": "",
        }
    )


def _free_port(port: int) -> int:
    for candidate in range(port, min(port + MAX_PORTS, 65536)):
        with socket.socket() as probe:
            if os.name != "nt":  # on Windows the option would share a port in use
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, candidate))
            except OSError:
                continue
            return candidate
    raise RuntimeError(
        f"No port is free from {port} to {port + MAX_PORTS - 1}. Choose another one: "
        f"`zoo ui --port {(port + 1000) % 64000 + 1024}`. Received: port={port}"
    )


def _wait(server: subprocess.Popen, address: str, log: Path) -> None:
    opener = build_opener(ProxyHandler({}))  # no proxy for the loopback interface
    deadline = time.monotonic() + START_TIMEOUT_SECONDS
    while time.monotonic() < deadline:
        if server.poll() is not None:
            last = "\n".join(log.read_text(errors="replace").splitlines()[-5:])
            raise RuntimeError(
                f"The server exited during startup; see {log}.\n{without_passwords(last)}\n"
                f"Received: exit code {server.returncode}"
            )
        try:
            opener.open(f"{address}/health", timeout=2).close()
            return
        except (URLError, OSError):
            time.sleep(0.2)
    raise RuntimeError(f"The server did not answer within {START_TIMEOUT_SECONDS} s; see {log}.")


def _show(address: str, open_browser: bool) -> None:
    print(f"Runs, charts and models: {address}", flush=True)
    if open_browser:
        webbrowser.open(address)


def _stop(server: subprocess.Popen) -> None:
    server.terminate()
    try:
        server.wait(timeout=10)
    except subprocess.TimeoutExpired:
        server.kill()
