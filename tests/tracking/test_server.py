"""The tracking server: what it passes on to MLflow, what it answers with 404, and for whom."""

import asyncio
import importlib.metadata
import re
import tomllib
from pathlib import Path

import pytest

from zoo.tracking import server
from zoo.tracking.server import TrackingServer, is_served

pytestmark = pytest.mark.once

ROOT = Path(__file__).parents[2]
# A word of each path that belongs to the assistant, the gateway or jobs.
FORBIDDEN = re.compile(
    r"assistant|gateway|jobs?\b|invoke|scorer|prompt-optimization|promptlab|mcp-servers|webhooks"
)


def ask(path, method="GET", prefix="", host="127.0.0.1:5000", **headers):
    """Status and body of a request; MLflow's place is taken by an app that answers 200."""
    sent = []

    async def mlflow(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"MLflow"})

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "method": method, "path": path}
    scope["headers"] = [(b"host", host.encode())]
    scope["headers"] += [(name.encode(), value.encode()) for name, value in headers.items()]
    app = TrackingServer(mlflow, "<html><head></head></html>", prefix)
    asyncio.run(app(scope, None, send))
    return sent[0]["status"], sent[1]["body"].decode()


@pytest.fixture(scope="module")
def addresses():
    """Every method and path of the installed MLflow, with a word for each parameter."""
    from mlflow.server import app as flask
    from mlflow.server import (
        artifact_router,
        gateway_api,
        job_api,
        mcp_server_api,
        otel_api,
        server_info_api,
    )
    from mlflow.server.assistant import api as assistant

    modules = (artifact_router, gateway_api, job_api, mcp_server_api, otel_api, server_info_api)
    routers = [value for m in (*modules, assistant) for value in vars(m).values()]
    found = [
        (method, route.path)
        for router in routers
        if type(router).__name__ == "APIRouter"
        for route in router.routes
        for method in route.methods
    ]
    found += [(method, rule.rule) for rule in flask.url_map.iter_rules() for method in rule.methods]
    return sorted({(method, re.sub(r"<[^>]+>|\{[^}]+\}", "x", path)) for method, path in found})


def test_assistant_gateway_and_jobs_are_not_found(addresses):
    forbidden = [one for one in addresses if FORBIDDEN.search(one[1])]
    assert len(forbidden) > 150
    for part in ("/assistant/config", "/gateway/secrets/create", "/jobs/cancel/x", "/gateway/x"):
        assert any(part in path for _, path in forbidden)
    for method, path in forbidden:
        if (method, path) == ("GET", "/ajax-api/2.0/mlflow/gateway-proxy"):
            assert ask(path) == (200, '{"endpoints": []}')  # and nothing is asked of MLflow
            continue
        assert ask(path, method) == (404, server._NOT_FOUND), (method, path)


def test_tracking_and_the_registry_are_served(addresses):
    kinds = r"/(ajax-)?api/2\.0/mlflow/(artifacts|experiments|logged-models|metrics|runs)\b"
    kinds += r"|/(ajax-)?api/2\.0/mlflow/(model-versions|registered-models)\b"
    needed = {path for _, path in addresses if re.match(kinds, path) and "promptlab" not in path}
    needed |= {path for _, path in addresses if "/mlflow-artifacts/" in path}
    needed |= {"/", "/health", "/version", "/graphql", "/get-artifact", "/static-files/x"}
    needed |= {"/api/3.0/mlflow/server-info"}
    assert len(needed) > 90
    assert [path for path in sorted(needed) if not is_served(path)] == []


@pytest.mark.parametrize(
    "path",
    [
        "/ajax-api/3.0/mlflow//assistant/config",
        "/ajax-api/3.0/mlflow/runs/../assistant/config",
        "//ajax-api/3.0/mlflow/assistant/config",
        "/AJAX-API/3.0/mlflow/assistant/config",
        "/ajax-api/4.0/mlflow/runs/search",
        "/ajax-api/3.0/mlflow/whatever-comes-next",
        "/metrics",
        "/docs",
    ],
)
def test_other_spellings_and_later_features_are_not_found(path):
    assert ask(path)[0] == 404


def test_only_pages_of_this_server_may_ask():
    path = "/ajax-api/2.0/mlflow/runs/search"
    assert ask(path, "POST", origin="http://127.0.0.1:5000")[0] == 200
    assert ask(path, "POST")[0] == 200  # the Python client
    for origin in ("http://evil.example", "http://127.0.0.1:6000", "null", "http://127.0.0.1"):
        for method in ("GET", "POST"):
            status, said = ask(path, method, origin=origin)
            assert status == 403 and origin in said


def test_sites_that_the_server_allows_may_ask(monkeypatch):
    path, origin = "/ajax-api/2.0/mlflow/runs/search", "https://tracking.example.org"
    assert ask(path, origin=origin, host="server:5000")[0] == 403
    monkeypatch.setenv("MLFLOW_SERVER_CORS_ALLOWED_ORIGINS", f"https://other.example, {origin}")
    assert ask(path, origin=origin, host="server:5000")[0] == 200


def test_token_is_part_of_every_address():
    for path in (
        "/",
        "/health",
        "/tok/health",
        "/tokem/health",
        "/ajax-api/2.0/mlflow/runs/search",
    ):
        assert ask(path, prefix="/token")[0] == 404
    assert ask("/token/health", prefix="/token")[0] == 200
    assert ask("/token/ajax-api/3.0/mlflow/assistant/config", prefix="/token")[0] == 404
    assert ask("/token/", prefix="/token")[1].count("<head>") == 1


def test_panel_of_the_assistant_stays_shut_and_the_mode_is_training():
    status, page = ask("/")
    assert status == 200
    assert 'setItem("mlflow.assistant.fab.autoOpenedOnFirstLoad_v1", "true")' in page
    import mlflow.server

    scripts = Path(mlflow.server.__file__).with_name("js").glob("build/static/js/main.*.js")
    (script,) = [path.read_text("utf-8") for path in scripts]
    assert 'key:"mlflow.assistant.fab.autoOpenedOnFirstLoad",version:1' in script
    assert 'key:"mlflow.assistant.panelOpen",version:1' in script
    assert """setItem("mlflow.workflowType_v1", '"machine_learning"')""" in page
    assert 'key:"mlflow.workflowType",version:1' in script


def test_websockets_are_closed():
    sent = []

    async def send(message):
        sent.append(message)

    asyncio.run(TrackingServer(None, "")({"type": "websocket", "path": "/"}, None, send))
    assert sent == [{"type": "websocket.close", "code": 1008}]


def test_settings_of_mlflow_are_a_second_lock():
    from mlflow import environment_variables

    for name in server.LOCKED:
        assert getattr(environment_variables, name).name == name


def test_mlflow_finds_the_app_by_its_entry_point():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    value = project["entry-points"]["mlflow.app"]["zoo"]
    assert importlib.metadata.EntryPoint("zoo", value, "mlflow.app").load() is server.create_app
