"""The server's app: MLflow's scoring server, with a page to try the model by hand.

Addresses: `POST /invocations` with MLflow's protocol (`inputs`, `instances`, `dataframe_split`,
`dataframe_records`, CSV; `params` are options of `infer`), `GET /ping`, `/health` and `/version`;
`GET /` is the page, which draws explanations with `POST /explain`. An error is JSON with
`error_code` and `message`, and never a stack trace: the server's log has it.
"""

import asyncio
import json
import logging
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from contextvars import ContextVar
from html import escape
from importlib.resources import files
from typing import Any
from urllib.parse import urlsplit

from mlflow import pyfunc
from mlflow.environment_variables import MLFLOW_SCORING_SERVER_REQUEST_TIMEOUT
from mlflow.exceptions import MlflowException
from mlflow.models import Model
from mlflow.pyfunc import scoring_server

from zoo.serving.batcher import Busy, MicroBatcher
from zoo.serving.inputs import check_values, read_input
from zoo.suggestions import did_you_mean
from zoo.tasks import Task
from zoo.tracking import flavor

PATHS = ("/", "/ping", "/health", "/version", "/invocations", "/explain")
PLAIN = ("application/json", "application/json; charset=utf-8")
HOSTS = ("127.0.0.1", "localhost", "[::1]")
MAX_INPUTS = 1024  # of one request
MAX_REQUESTS = 256  # in progress at a time
MAX_EXPLANATIONS = 4
INVALID, BUSY, INTERNAL = "INVALID_PARAMETER_VALUE", "TEMPORARILY_UNAVAILABLE", "INTERNAL_ERROR"
# What the zoo and MLflow raise for inputs and options that are wrong.
USER_ERRORS = (ValueError, TypeError, LookupError)

Channel = Callable[..., Awaitable[Any]]
Scope = dict[str, Any]

_errors: ContextVar[list[Exception]] = ContextVar("errors")  # those of the present request
_log = logging.getLogger("zoo.serving")


class ServedModel(pyfunc.PyFuncModel):  # type: ignore[name-defined]
    """A task model as MLflow's scoring server calls it, with requests batched together.

    Args:
        batcher: A `MicroBatcher` of the model's `infer`.
        task: The model's task.
    """

    def __init__(self, batcher: MicroBatcher, task: Task):
        meta = Model(signature=flavor.signature(task.name))
        super().__init__(model_meta=meta, model_impl=flavor.TextModel(self))
        self.task = task
        self._batcher = batcher
        self._defaults = {it.name: it.default for it in meta.signature.params.params}

    def predict(self, data, params=None):
        """Answers the inputs of a request; see `zoo.tracking.flavor.TextModel.predict`."""
        try:
            self._check_options(params or {})
            return super().predict(data, params)
        except Exception as error:
            _errors.get().append(error)
            raise

    async def answer(self, inputs: list[str]) -> bytes:
        """The JSON with which MLflow's server answers `{"inputs": inputs}`.

        It makes no data frames, which take as long as the answer of a small model, and no thread.
        """
        answers = asyncio.wrap_future(self._submit(inputs, dict(self._defaults)))
        found = await asyncio.wait_for(answers, MLFLOW_SCORING_SERVER_REQUEST_TIMEOUT.get())
        return json.dumps({"predictions": flavor.rows(found)}).encode()

    def infer(self, inputs: list[Any], **options) -> list[Any]:
        """Answers inputs; those of a model of images or recordings are files in base64."""
        return self._submit(inputs, options).result()

    def _submit(self, inputs, options) -> Future:
        if not 1 <= len(inputs) <= MAX_INPUTS:
            raise ValueError(
                f"A request must have from 1 to {MAX_INPUTS:,} inputs: split it. "
                f"Received: {len(inputs):,} inputs"
            )
        options.pop("batch_size", None)  # the server chooses it
        return self._batcher.submit([read_input(one, self.task) for one in inputs], **options)

    def _check_options(self, options):
        for name in options:
            if name not in self.task.options:
                raise ValueError(
                    f"`params` must be options of the model's `infer`: "
                    f"{', '.join(sorted(self.task.options))}."
                    f"{did_you_mean(name, self.task.options)} Received: {name}"
                )


def create_app(
    model: Any, task: Task, name: str, batcher: MicroBatcher, max_bytes: int, hosts=HOSTS
) -> "Guard":
    """The app that serves one model.

    Args:
        model: A task model, as `zoo.load` returns it.
        task: Its task.
        name: Its name on the page.
        batcher: A `MicroBatcher` of its `infer`.
        max_bytes: int. Most bytes of the body of a request.
        hosts: The names of the server that requests may use in the header `Host`.
    """
    from fastapi import Request
    from fastapi.responses import HTMLResponse, JSONResponse

    logging.getLogger(scoring_server.__name__).setLevel(logging.ERROR)  # not of each bad input
    served = ServedModel(batcher, task)
    app = scoring_server.init(served)
    page = page_of(name, task)
    one_at_a_time = threading.Lock()  # a picture takes as much time as many answers
    places = threading.Semaphore(MAX_EXPLANATIONS)

    @app.get("/", response_class=HTMLResponse)
    def show_page():
        return page

    def explain(text):
        if not places.acquire(blocking=False):
            raise Busy(f"At most {MAX_EXPLANATIONS} explanations can wait: ask again later.")
        try:
            with one_at_a_time:
                explanation = model.explain(read_input(text, task))
                return {"html": explanation.to_html(), "notes": explanation.summary}
        finally:
            places.release()

    @app.post("/explain")
    async def explain_input(request: Request):
        from fastapi.concurrency import run_in_threadpool

        try:
            given = json.loads(await request.body())["input"]
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            received = f"Received: {type(error).__name__}: {error}"
            error = ValueError(f'The body must be JSON with the key "input". {received}')
            _errors.get().append(error)
            return JSONResponse({}, 400)
        try:
            return JSONResponse(await run_in_threadpool(explain, given))
        except Exception as error:
            _errors.get().append(error)
            return JSONResponse({}, 400)

    return Guard(app, served.answer, max_bytes, hosts)


class Guard:
    """ASGI app that bounds requests, refuses those of other sites, and words errors.

    Args:
        app: The app behind it.
        answer: Function from a list of strings to the JSON of their answers, for the plainest
            requests.
        max_bytes: int. Most bytes of the body of a request.
        hosts: Names that a request may use in the header `Host`, without ports.
    """

    def __init__(self, app: Channel, answer: Channel, max_bytes: int, hosts=HOSTS):
        self.app, self.answer, self.max_bytes = app, answer, max_bytes
        self.hosts = {name.strip("[]").lower() for name in hosts}
        self._in_progress = 0

    async def __call__(self, scope: Scope, receive: Channel, send: Channel) -> None:
        if scope["type"] == "lifespan":
            return await self.app(scope, receive, send)
        if scope["type"] != "http":
            return await send({"type": "websocket.close", "code": 1008})
        headers = {name.lower(): value.decode("latin-1") for name, value in scope["headers"]}
        if refusal := self._refusal(scope["path"], headers):
            return await _answer(send, *refusal)
        if scope["method"] != "POST":
            return await self._run(scope, b"", receive, send)
        if b"content-type" not in headers:
            return await _answer(
                send, 415, INVALID, "Send the header `Content-Type: application/json`."
            )
        if self._in_progress >= MAX_REQUESTS:
            return await _answer(
                send, 503, BUSY, f"{MAX_REQUESTS} requests are in progress: send it again later."
            )
        self._in_progress += 1
        try:
            await self._post(scope, headers, receive, send)
        finally:
            self._in_progress -= 1

    async def _post(self, scope, headers, receive, send) -> None:
        body = await self._body(receive, headers)
        if body is None:
            return await _answer(
                send,
                413,
                INVALID,
                f"A request may have {self.max_bytes:,} bytes; send fewer inputs, or start the "
                "server with a larger --max-megabytes.",
            )
        if scope["path"] == "/invocations" and "json" in headers[b"content-type"]:
            try:
                inputs = check_values(body)
            except ValueError as error:
                return await _answer(send, 400, INVALID, str(error))
            if inputs and headers[b"content-type"] in PLAIN:
                return await self._answer_plain(inputs, send)
        return await self._run(scope, body, receive, send)

    async def _answer_plain(self, inputs, send) -> None:
        try:
            await _send(send, 200, await self.answer(inputs))
        except TimeoutError:
            await _answer(send, *_worded(504, b"", []))
        except Exception as error:
            await _answer(send, *_worded(500, b"", [error]))

    def _refusal(self, path, headers):
        host = headers.get(b"host", "")
        if _host_of(f"//{host}") not in self.hosts:
            return (
                403,
                "PERMISSION_DENIED",
                "This server has another name: start it with --allow-host NAME to allow one more. "
                f"Received: Host: {host:.80}",
            )
        origin = headers.get(b"origin")
        if origin is not None and origin.partition("//")[2] != host:
            return (
                403,
                "PERMISSION_DENIED",
                f"Requests from pages of other sites are refused. Received: Origin: {origin:.80}",
            )
        if path not in PATHS:
            return 404, "NOT_FOUND", f"The addresses are {', '.join(PATHS)}."
        return None

    async def _body(self, receive, headers) -> bytes | None:
        """The body of a request; `None` if it is too large, of which no more is read."""
        try:
            if int(headers.get(b"content-length", 0)) > self.max_bytes:
                return None
        except ValueError:
            return None
        body, more = bytearray(), True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
            if len(body) > self.max_bytes:
                return None
        return bytes(body)

    async def _run(self, scope, body, receive, send) -> None:
        errors: list[Exception] = []
        _errors.set(errors)
        sent = False
        refused: list[Scope] = []

        async def receive_body():
            nonlocal sent
            if sent:
                return await receive()
            sent = True
            return {"type": "http.request", "body": body}

        async def send_answer(message):
            if message["type"] == "http.response.start" and message["status"] >= 400:
                refused.append(message)
            elif not refused:
                await send(message)
            elif message["type"] == "http.response.body":
                refused.append(message)

        try:
            await self.app(scope, receive_body, send_answer)
        except Exception as error:  # of the app itself
            errors.append(error)
            refused.insert(0, {"status": 500})
        if refused:
            content = b"".join(one.get("body", b"") for one in refused)
            await _answer(send, *_worded(refused[0]["status"], content, errors))


def _worded(status: int, content: bytes, errors: list[Exception]) -> tuple[int, str, str]:
    """The status, code and message of an error, without stack traces and inputs."""
    error = errors[-1] if errors else None
    if isinstance(error, Busy):
        return 503, BUSY, str(error)
    if error is not None and not isinstance(error, MlflowException):
        if isinstance(error, USER_ERRORS):
            return 400, INVALID, str(error)
        _log.error("A request failed.", exc_info=error)
        return 500, INTERNAL, "The server failed. Its log has the reason."
    if status == 504:
        return status, BUSY, "The answer took too long: send fewer inputs, or send them later."
    try:
        found = json.loads(content)
        message = str(found.get("message") or found["detail"])  # of MLflow, of FastAPI
        code = str(found.get("error_code", INVALID))
    except (ValueError, KeyError, TypeError):
        message, code = content.decode("utf-8", "replace"), INVALID
    message = message.rpartition("\nError: ")[2]  # MLflow repeats the input before it
    return status, code, message.partition(" IMPORTANT: The MLflow Model")[0][:2000]


def _host_of(address: str) -> str | None:
    """The name of the host in an address; `None` if it has none."""
    try:
        return urlsplit(address).hostname
    except ValueError:  # such as `//[`
        return None


async def _answer(send: Channel, status: int, code: str, message: str) -> None:
    content = {"error_code": code, "message": message}
    await _send(send, status, json.dumps(content, ensure_ascii=False).encode())


async def _send(send: Channel, status: int, body: bytes) -> None:
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def page_of(name: str, task: Task) -> str:
    """The HTML of the page to try a model by hand."""
    options = {
        key: {"type": option.type, "default": option.default}
        for key, option in task.options.items()
        if key != "batch_size"
    }
    facts = {
        "task": task.name,
        "input": task.input,
        "options": options,
        "pairs": task.plain_pairs,
    }
    inline = json.dumps(facts, ensure_ascii=False).replace("<", "\\u003c")
    template = files(__package__).joinpath("page.html").read_text("utf-8")
    return template.replace("{{name}}", escape(name)).replace("{{facts}}", inline)
