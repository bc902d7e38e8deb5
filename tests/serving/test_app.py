"""The app of `zoo serve`: answers, bad requests, and who may ask."""

import asyncio
import base64
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from types import SimpleNamespace
from urllib.request import ProxyHandler, Request, build_opener

import pytest

from tests.models import test_string_embeddings, test_threads
from zoo.serving.app import create_app
from zoo.serving.batcher import Busy, MicroBatcher
from zoo.serving.inputs import read_input
from zoo.serving.server import check_port
from zoo.serving.warm_up import warm_up_inputs
from zoo.tasks import TASKS, task_of

pytestmark = [
    pytest.mark.once,
    pytest.mark.filterwarnings("error::pytest.PytestUnhandledThreadExceptionWarning"),
]

JSON = {"Content-Type": "application/json", "Host": "localhost:5001"}


@dataclass
class Answer:
    label: str
    probability: float
    probabilities: dict

    def to_dict(self):
        return asdict(self)


class Explanation:
    summary = ("Without “bad” the answer is positive.",)

    def to_html(self):
        return "<p>drawn</p>"


class Model:
    """A classifier by the word `bad`."""

    def infer(self, texts, **options):
        if "crash" in texts:
            raise RuntimeError("secret of the server")
        if "refused" in texts:
            raise ValueError("A text must not be refused. Received: 'refused'")
        if "busy" in texts:
            raise Busy("At most 1 input can wait")
        found = [0.9 if "bad" not in text else 0.2 for text in texts]
        return [
            Answer("positive" if p > 0.5 else "negative", p, {"negative": 1 - p, "positive": p})
            for p in found
        ]

    def explain(self, text):
        if not text:
            raise ValueError("An empty text has nothing to explain.")
        return Explanation()


@pytest.fixture(scope="module")
def app():
    model = Model()
    batcher = MicroBatcher(model.infer, max_wait=0)
    yield create_app(model, TASKS["text_classifier"], "reviews <1>", batcher, 20_000)
    batcher.close()


def ask(app, path="/invocations", body=None, method="POST", **headers):
    """The status and the content of an answer."""
    body = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = JSON | headers
    sent = []

    async def receive():
        return {"type": "http.request", "body": body}

    async def send(message):
        sent.append(message)

    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [(k.lower().encode(), v.encode()) for k, v in headers.items() if v is not None],
    }
    asyncio.run(app(scope, receive, send))
    content = b"".join(one.get("body", b"") for one in sent[1:]).decode()
    return sent[0]["status"], json.loads(content) if content[:1] in "{[" else content


@pytest.mark.parametrize(
    "body",
    [
        {"inputs": ["good", "bad"]},
        {"instances": ["good", "bad"]},
        {"dataframe_split": {"columns": ["text"], "data": [["good"], ["bad"]]}},
        {"dataframe_records": [{"text": "good"}, {"text": "bad"}]},
    ],
    ids=lambda body: next(iter(body)),
)
def test_every_format_is_answered(app, body):
    status, found = ask(app, body=body)
    assert status == 200
    assert [one["label"] for one in found["predictions"]] == ["positive", "negative"]


def test_plain_requests_are_answered_as_mlflow_does(monkeypatch):
    asked, model = [], Model()
    infer = model.infer
    model.infer = lambda texts, **options: [asked.append(options), infer(texts)][1]
    batcher = MicroBatcher(model.infer, max_wait=0)
    app = create_app(model, TASKS["text_classifier"], "reviews", batcher, 20_000)
    texts = ["good", "bad", "나쁨 “bad”"]
    by_mlflow = ask(app, body={"inputs": texts, "params": {}})
    with monkeypatch.context() as patch:
        patch.setattr(app, "app", None)  # MLflow's, which is not asked
        assert ask(app, body={"inputs": texts}) == by_mlflow
    assert by_mlflow[0] == 200 and asked[0] == asked[1]
    batcher.close()


def test_request_that_takes_too_long_does_not_stop_the_others(monkeypatch):
    running, free, model = threading.Event(), threading.Event(), Model()

    def infer(texts, **options):
        running.set()
        free.wait(30)
        return model.infer(texts)

    batcher = MicroBatcher(infer, max_wait=0)
    app = create_app(model, TASKS["text_classifier"], "reviews", batcher, 20_000)
    for seconds in ("1", "0"):  # the first runs when it is given up, the second waits
        monkeypatch.setenv("MLFLOW_SCORING_SERVER_REQUEST_TIMEOUT", seconds)
        status, found = ask(app, body={"inputs": ["good"]})
        assert status == 504 and "took too long" in found["message"] and running.is_set()
    free.set()
    monkeypatch.setenv("MLFLOW_SCORING_SERVER_REQUEST_TIMEOUT", "30")
    status, found = ask(app, body={"inputs": ["bad"]})
    assert status == 200 and found["predictions"][0]["label"] == "negative"
    batcher.close()


def test_threads_get_their_own_answers(app):
    texts = ["good", "bad"] * 16
    with ThreadPoolExecutor(32) as pool:
        answers = list(pool.map(lambda text: ask(app, body={"inputs": [text]}), texts))
    labels = [found["predictions"][0]["label"] for _, found in answers]
    assert labels == ["positive", "negative"] * 16


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        (b'{"inputs": ["good"', 400, "valid JSON"),
        ({"text": ["good"]}, 400, "exactly one of the input fields"),
        ({"inputs": []}, 400, "from 1 to 1,024 inputs.*Received: 0"),
        ({"inputs": [["good", "bad"]]}, 400, "must be a string.*Received: \\['good', 'bad'"),
        ({"inputs": ["good", None]}, 400, "must be a string.*Received: None"),
        ({"instances": [{"text": 3}]}, 400, "must be a string.*Received: 3"),
        ({"dataframe_records": [{"text": None}]}, 400, "must be a string.*Received: None"),
        ({"dataframe_split": {"columns": ["text"], "data": [[1.5]]}}, 400, "Received: 1.5"),
        ({"inputs": ["good"] * 1025}, 400, "from 1 to 1,024 inputs.*Received: 1,025"),
        ({"inputs": ["good"], "params": {"bean": 3}}, 400, "options of the model's.*: bean"),
        ({"inputs": ["good"], "params": {"batch_size": "x"}}, 400, "batch_size"),
        ({"inputs": ["good", "refused"]}, 400, "A text must not be refused"),
        ({"inputs": ["busy"]}, 503, "can wait"),
        ({"inputs": ["crash"]}, 500, "Its log has the reason"),
        (b"[" * 19_000, 400, "valid JSON|deep nesting"),
        (b"x" * 20_001, 413, "20,000 bytes"),
    ],
)
def test_bad_requests_are_told_the_rule_and_no_traceback(app, body, status, said):
    code, found = ask(app, body=body)
    assert code == status and re.search(said, found["message"]), found
    assert set(found) == {"error_code", "message"}
    assert not re.search('Traceback|secret|File "', str(found))


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "127.0.0.1:5001"}, 200),
        ({"Host": None}, 403),
        ({"Host": "elsewhere.example"}, 403),
        ({"Host": "localhost.elsewhere.example"}, 403),
        ({"Host": "["}, 403),
        ({"Host": "LOCALHOST:5001"}, 200),
        ({"Origin": "http://["}, 403),
        ({"Origin": "http://localhost:5001"}, 200),
        ({"Origin": "http://elsewhere.example"}, 403),
        ({"Content-Type": None}, 415),
        ({"Content-Length": "20001"}, 413),
    ],
)
def test_who_may_ask(app, headers, status):
    assert ask(app, body={"inputs": ["good"]}, **headers)[0] == status


def test_only_known_addresses_are_served(app):
    for path in ("/health", "/ping", "/version", "/"):
        assert ask(app, path, method="GET")[0] == 200
    for path in ("/docs", "/openapi.json", "/../etc/passwd"):
        assert ask(app, path, method="GET")[0] == 404
    assert ask(app, "/invocations", method="GET")[0] == 405


def test_page_has_the_model_and_its_options(app):
    status, page = ask(app, "/", method="GET")
    assert status == 200 and "<h1>reviews &lt;1&gt;</h1>" in page
    assert '"task": "text_classifier"' in page and "batch_size" not in page
    assert not re.search(r"https?://", page.replace("http-equiv", ""))  # nothing from elsewhere


def test_explanation_is_drawn(app):
    status, found = ask(app, "/explain", {"input": "a bad film"})
    assert status == 200 and found["html"] == "<p>drawn</p>"
    assert found["notes"] == ["Without “bad” the answer is positive."]
    assert ask(app, "/explain", {"input": ""})[1]["message"].startswith("An empty text")
    assert "the key" in ask(app, "/explain", {"text": "a"})[1]["message"]
    assert "must be strings" in ask(app, "/explain", {"input": 3})[1]["message"]


def test_images_come_in_base64_and_paths_are_not_opened(tmp_path):
    read = []
    caption = SimpleNamespace(to_dict=lambda: {"text": "a dog", "score": -1.0, "hypotheses": []})
    model = SimpleNamespace(infer=lambda images, **options: [read.extend(images), caption][1:])
    secret = tmp_path / "secret.png"
    secret.write_bytes(b"picture")
    batcher = MicroBatcher(model.infer, max_wait=0)
    app = create_app(model, TASKS["image_to_text"], "captions", batcher, 20_000)
    encoded = base64.b64encode(b"picture").decode()
    for body in (
        {"inputs": [encoded]},
        {"dataframe_split": {"columns": ["image"], "data": [[encoded]]}},
    ):
        status, found = ask(app, body=body)
        assert status == 200 and found["predictions"][0]["text"] == "a dog", found
    assert read == [b"picture"] * 2
    status, found = ask(app, body={"inputs": [str(secret)]})
    assert status == 400 and "contents of files in base64" in found["message"]
    ask(app, body={"inputs": [str(secret)], "params": {}})
    assert read[2:] == [str(secret).encode()]  # the content of a file, and no image: not opened
    with pytest.raises(ValueError, match="in base64.*Received: '/etc/passwd'"):
        read_input("/etc/passwd", TASKS["image_to_text"])
    batcher.close()


def test_lists_of_words_are_not_read_from_files(tmp_path):
    secret = tmp_path / "secret.txt"
    secret.write_text("password")
    heard = []
    answer = SimpleNamespace(to_dict=lambda: {"text": "one", "score": -1.0, "words": []})
    model = SimpleNamespace(infer=lambda sounds, **options: [heard.append(options), answer][1:])
    batcher = MicroBatcher(model.infer, max_wait=0)
    app = create_app(model, TASKS["speech_to_text"], "digits", batcher, 20_000)
    body = {"inputs": [base64.b64encode(b"sound").decode()], "params": {"words": str(secret)}}
    status, found = ask(app, body=body)
    assert status == 400 and "`words` of a request must be one of auto, none" in found["message"]
    assert not heard and "password" not in str(found)
    body["params"] = {"language_model": str(secret)}
    status, found = ask(app, body=body)
    assert status == 400 and "names no `language_model`" in found["message"]
    body["params"] = {"words": "none"}
    assert ask(app, body=body)[0] == 200 and heard[0]["words"] == "none"
    batcher.close()


def test_requests_beyond_a_limit_are_refused(app, monkeypatch):
    monkeypatch.setattr(app, "_in_progress", 256)
    status, found = ask(app, body={"inputs": ["good"]})
    assert status == 503 and "256 requests are in progress" in found["message"]
    assert ask(app, "/health", method="GET")[0] == 200


def test_warm_up_covers_every_length_and_number_of_rows():
    model = SimpleNamespace(preprocessor=SimpleNamespace(sequence_length=64))
    found = list(warm_up_inputs(model, "text", 6))
    assert {len(inputs) for inputs in found} == {1, 2, 4, 6}
    assert {len(inputs[0].split()) for inputs in found} == {6, 12, 24, 48}


@pytest.mark.once
def test_warm_up_covers_sentences_whose_characters_are_read(monkeypatch):
    _, model = test_string_embeddings.make()
    model.preprocessor.sequence_length = 32
    shapes, decode = set(), type(model)._decode

    def recorded(self, inputs):
        shapes.add(tuple(inputs[name].shape for name in sorted(inputs)))
        return decode(self, inputs)

    monkeypatch.setattr(type(model), "_decode", recorded)
    for inputs in warm_up_inputs(model, "words", 2):
        model.infer(inputs)
    known = set(shapes)
    model.infer(["The cat sat."])
    model.infer(["Some sentences have rather long words, and others do not."])
    model.infer(["I do. I see it. As we do.", "The cat sat on the mat."])
    assert shapes == known


@pytest.mark.parametrize("cls", test_threads.TASKS)
def test_every_task_answers_its_warm_up(cls):
    model = test_threads.TASKS[cls][0]()
    found = list(warm_up_inputs(model, task_of(cls).input, 2))
    assert {len(inputs) for inputs in found} == {1, 2}
    for inputs in (found[0], found[-1]):
        assert len(model.infer(inputs)) == len(inputs)


def test_port_in_use_is_told():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ValueError, match=f"cannot listen.*Received: .*port={port}"):
            check_port("127.0.0.1", port)


@pytest.mark.skipif(os.name == "nt", reason="no SIGTERM there")
def test_server_answers_until_sigterm(home):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "zoo.cli", "serve", "bilstm_bahdanau_sst2_en"]
    command += ["--port", str(port), "--max-batch", "2"]
    opener = build_opener(ProxyHandler({}))
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as server:
        try:
            assert server.stderr.readline() == (
                f"bilstm_bahdanau_sst2_en is ready: http://127.0.0.1:{port}\n"
            )
            body = json.dumps({"inputs": ["A gripping film.", "Not worth your time."]}).encode()
            address = f"http://127.0.0.1:{port}/invocations"
            request = Request(address, body, {"Content-Type": "application/json"})
            found = json.load(opener.open(request, timeout=30))["predictions"]
            assert [one["label"] for one in found] == ["positive", "negative"]
        finally:
            server.send_signal(signal.SIGTERM)
        assert server.wait(20) == 143, server.stderr.read()
