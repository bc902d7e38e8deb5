"""MLflow's server reduced to tracking and the registry: the app behind `zoo ui` and for teams.

MLflow 3.17 also serves an assistant with a shell, an AI gateway that calls other servers with
stored keys, and jobs that run on the machine; on the loopback interface none asks for a password.
Here every address that tracking does not need is answered with 404 before MLflow sees it, and so is
whatever a later version adds. `mlflow server --app-name zoo-accounts` starts it for a team, with
MLflow's accounts, and `--app-name zoo` without, behind a proxy that asks for a password.

Imports MLflow when the app is made, and nothing else of the zoo.
"""

import hmac
import os
import re
from collections.abc import Awaitable, Callable, Collection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

# The settings of MLflow that switch the same parts off: a second lock.
LOCKED = {
    "MLFLOW_ENABLE_AI_GATEWAY": "false",
    "MLFLOW_ENABLE_ASSISTANT_SANDBOX": "true",  # its shell runs in a container or not at all
    "MLFLOW_ENABLE_REMOTE_ASSISTANT": "false",
    "MLFLOW_SERVER_DISABLE_SECURITY_MIDDLEWARE": "false",  # which checks the header `Host`
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
}

_PAGES = re.compile(r"/(|health|version|graphql|get-artifact|model-versions/get-artifact)")
_FILES = re.compile(r"/static-files/.+")
_API = re.compile(r"/(?:ajax-)?api/[23]\.0/(mlflow|mlflow-artifacts)/([a-z-]+)(?:/(.*))?")
_RESOURCES = frozenset(
    "artifacts datasets experiments get-trace-artifact logged-models metrics model-versions "
    "registered-models runs server-info traces upload-artifact".split()
)
_ACCOUNTS = frozenset({"users", "roles"})
_OF_THE_GATEWAY = "create-promptlab-run"  # among the runs
# The page of runs asks for the endpoints of a gateway, and reports an error if it gets none.
_GATEWAYS = "/ajax-api/2.0/mlflow/gateway-proxy"

# The assistant's panel, which MLflow opens for every new browser, stays shut, its button hidden.
# The mode is that of training, until somebody switches it: the other one shows no models.
_START = """\
<script>
localStorage.setItem("mlflow.assistant.fab.autoOpenedOnFirstLoad_v1", "true");
localStorage.setItem("mlflow.assistant.panelOpen_v1", "false");
if (!localStorage.getItem("mlflow.workflowType_v1"))
  localStorage.setItem("mlflow.workflowType_v1", '"machine_learning"');
</script>
<style>[data-assistant-ui] { display: none !important }</style>
"""

_NOT_FOUND = "Not found: this server does tracking and the registry."
_FOREIGN = "Refused: the request comes from a page of another site, {origin}."

Scope = dict[str, Any]
Channel = Callable[..., Awaitable[Any]]


def create_app() -> "TrackingServer":
    """The app, for uvicorn and as the entry point `zoo` of `mlflow server --app-name`."""
    os.environ.update(LOCKED)
    from mlflow.server import fastapi_app

    return _reduced(fastapi_app.app)


def create_app_with_accounts() -> "TrackingServer":
    """The app that asks for an account of MLflow (HTTP basic), the entry point `zoo-accounts`.

    Raises:
        mlflow.exceptions.MlflowException: if there is neither an account nor the password of one to
            create, `MLFLOW_AUTH_ADMIN_PASSWORD`; or no `MLFLOW_FLASK_SERVER_SECRET_KEY`.
    """
    os.environ.update(LOCKED)
    from mlflow.server import auth  # needs mlflow[auth]

    return _reduced(auth.create_app(), accounts=True)


def _reduced(app: "Channel", accounts: bool = False) -> "TrackingServer":
    from mlflow.server import app as flask_app
    from mlflow.server.handlers import STATIC_PREFIX_ENV_VAR

    prefix = os.environ.get(STATIC_PREFIX_ENV_VAR, "").rstrip("/")
    page = Path(flask_app.static_folder or "", "index.html")
    return TrackingServer(app, page.read_text("utf-8"), prefix, accounts)


class TrackingServer:
    """ASGI app that passes on the requests of tracking alone.

    Args:
        app: MLflow's app.
        page: The HTML of its page.
        prefix: The path that all addresses begin with, such as `"/token"`. Defaults to none.
        accounts: Whether MLflow has accounts, whose addresses are then served too. Defaults to
            `False`.
    """

    def __init__(self, app: Channel, page: str, prefix: str = "", accounts: bool = False):
        self.app, self.prefix = app, prefix
        self.resources = _RESOURCES | _ACCOUNTS if accounts else _RESOURCES
        self.page = page.replace("<head>", f"<head>{_START}", 1)

    async def __call__(self, scope: Scope, receive: Channel, send: Channel) -> None:
        if scope["type"] == "lifespan":
            return await self.app(scope, receive, send)
        if scope["type"] != "http":
            return await send({"type": "websocket.close", "code": 1008})
        path = _without(scope["path"], self.prefix)
        if path == _GATEWAYS and scope["method"] == "GET":
            return await _answer(send, 200, '{"endpoints": []}', b"application/json")
        if path is None or not is_served(path, self.resources):
            return await _answer(send, 404, _NOT_FOUND)
        headers = {name.lower(): value.decode("latin-1") for name, value in scope["headers"]}
        origin = headers.get(b"origin")
        if origin is not None and not _is_own(origin, headers.get(b"host", "")):
            return await _answer(send, 403, _FOREIGN.format(origin=origin))
        if path == "/" and scope["method"] == "GET":
            send = _with_body(send, self.page.encode())
        return await self.app(scope, receive, send)


def is_served(path: str, resources: Collection[str] = _RESOURCES) -> bool:
    """True if tracking, the registry or their pages need an address."""
    if ".." in path.split("/"):
        return False
    if _PAGES.fullmatch(path) or _FILES.fullmatch(path):
        return True
    found = _API.fullmatch(path)
    if not found:
        return False
    service, resource, rest = found.groups()
    if service == "mlflow-artifacts":
        return True
    return resource in resources and not (rest or "").startswith(_OF_THE_GATEWAY)


def _without(path: str, prefix: str) -> str | None:
    """The path after the prefix, or `None`; takes as long whatever the difference is."""
    given = path[: len(prefix)]
    if not hmac.compare_digest(given.encode(), prefix.encode()):
        return None
    return path[len(prefix) :] or "/"


def _is_own(origin: str, host: str) -> bool:
    """True if a page of this server, or of a site that the server allows, sends a request."""
    allowed = os.environ.get("MLFLOW_SERVER_CORS_ALLOWED_ORIGINS", "").split(",")
    return (bool(host) and urlsplit(origin).netloc == host) or origin in map(str.strip, allowed)


def _with_body(send: Channel, body: bytes) -> Channel:
    """A `send` that replaces the body of a page; refusals stay."""
    status = 0

    async def replaced(message: Scope) -> None:
        nonlocal status
        if message["type"] == "http.response.start":
            status = message["status"]
            if status == 200:
                kept = (b"content-type", b"x-content-type-options", b"x-frame-options")
                headers = [pair for pair in message["headers"] if pair[0].lower() in kept]
                length = (b"content-length", str(len(body)).encode())
                message |= {"headers": [*headers, length, (b"cache-control", b"no-cache")]}
            await send(message)
        elif status != 200:
            await send(message)
        elif not message.get("more_body"):
            await send({"type": "http.response.body", "body": body})

    return replaced


async def _answer(send: Channel, status: int, text: str, kind: bytes = b"text/plain") -> None:
    headers = [(b"content-type", kind), (b"x-content-type-options", b"nosniff")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": text.encode("utf-8", "replace")})
