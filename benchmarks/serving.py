"""Requests per second and latency of `zoo serve` beside `mlflow models serve`.

    python benchmarks/serving.py --backend jax

Both serve the same model on the same backend, one after the other, in processes of their own; the
clients are threads of this process, each of which sends one text at a time. Prints the median and
the 99th percentile of the latency, requests per second, and their ratio, and writes them to
`benchmarks/results/serving_BACKEND.json`.
"""

import argparse
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path

import numpy as np
from timing import write_results

WORDS = "a gripping film that is worth your time and never dull for its two hours".split()


@contextmanager
def served(command, port, environment):
    """Starts a server and waits until it answers."""
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as server:
        try:
            while True:
                if server.poll() is not None:
                    raise RuntimeError(f"The server has ended. Received: {command}")
                try:
                    connection = HTTPConnection("127.0.0.1", port, timeout=5)
                    connection.request("GET", "/health")
                    if connection.getresponse().status == 200:
                        break
                except OSError:
                    time.sleep(0.2)
            yield
        finally:
            server.terminate()


def ask(connection, text):
    body = json.dumps({"inputs": [text]})
    connection.request("POST", "/invocations", body, {"Content-Type": "application/json"})
    reply = connection.getresponse()
    content = reply.read()
    if reply.status != 200:
        raise RuntimeError(f"The server refused a request. Received: {content!r:.300}")


def measure(port, clients, seconds):
    """Milliseconds of each request of so many clients."""
    latencies, errors = [], []
    start = time.perf_counter()

    def client(number):
        rng = np.random.default_rng(number)
        connection = HTTPConnection("127.0.0.1", port, timeout=60)
        try:
            while (now := time.perf_counter()) < start + seconds:
                ask(connection, " ".join(rng.choice(WORDS, rng.integers(3, 14))))
                latencies.append(1000 * (time.perf_counter() - now))
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=client, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    return {
        "p50_ms": float(np.median(latencies)),
        "p99_ms": float(np.percentile(latencies, 99)),
        "requests_per_second": len(latencies) / (time.perf_counter() - start),
    }


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--backend", choices=["tensorflow", "jax", "torch"], default="jax")
    parser.add_argument("--model", default="bilstm_bahdanau_sst2_en", help="a published model")
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 8, 64])
    parser.add_argument("--seconds", type=float, default=5, help="of each measurement")
    options = parser.parse_args()

    from zoo import presets
    from zoo.tracking import flavor

    environment = os.environ | {"KERAS_BACKEND": options.backend, "TF_CPP_MIN_LOG_LEVEL": "3"}
    # MLflow starts the program `uvicorn`
    environment["PATH"] = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    preset = presets.resolve(options.model)
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder, "model")
        flavor.save_model(preset, model, presets.read_task(preset).name)
        ports = {name: free_port() for name in ("zoo", "mlflow")}
        commands = {
            "zoo": [sys.executable, "-m", "zoo.cli", "serve", options.model],
            "mlflow": [sys.executable, "-m", "mlflow", "models", "serve", "-m", str(model)],
        }
        commands["mlflow"] += ["--env-manager", "local"]
        for name, command in commands.items():
            with served([*command, "--port", str(ports[name])], ports[name], environment):
                for clients in options.clients:
                    measure(ports[name], clients, options.seconds / 5)  # warm
                    row = measure(ports[name], clients, options.seconds)
                    found.setdefault(clients, {})[name] = row
                    shown = (f"{key} {value:8.1f}" for key, value in row.items())
                    print(f"{name:6} {clients:3} clients  {'  '.join(shown)}", flush=True)
    rows = []
    for clients, row in found.items():
        ratio = row["zoo"]["requests_per_second"] / row["mlflow"]["requests_per_second"]
        print(f"{clients:3} clients: {ratio:.1f} times the requests of MLflow's server")
        case = {"model": options.model, "seconds": options.seconds, "clients": clients}
        rows.append(case | {"contestants": row, "ratio": round(ratio, 3)})
    write_results(f"serving_{options.backend}", rows, ("mlflow", options.backend))


if __name__ == "__main__":
    main()
