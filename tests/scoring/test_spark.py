"""`zoo score` on Spark for real: on two cores, on a cluster of two workers, and after a SIGKILL."""

import importlib.util
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

ROOT = Path(__file__).parents[2]
PYSPARK = importlib.util.find_spec("pyspark")

pytestmark = [
    pytest.mark.once,
    pytest.mark.slow,
    pytest.mark.skipif(PYSPARK is None, reason="`pip install 'seqzoo[score]'`: without pyspark"),
    pytest.mark.skipif(shutil.which("java") is None, reason="Java is not installed"),
]

MODEL = "bilstm_bahdanau_nsmc_ko"

# `zoo score` whose model is a stand-in that notes in a file which process loads it, and what it is
# asked. What is defined in the main program is pickled whole, and needs no module of the tests.
STAND_IN = """
import os, sys, time
from zoo.cli import main
from zoo.cli.verbs import score

NOTES, SECONDS = sys.argv[1], float(sys.argv[2])

def note(*words, path=NOTES):
    with open(path, "a") as file:
        file.write(" ".join(map(str, words)) + "\\n")

class Answer:
    def __init__(self, text):
        self.text = text

    def to_dict(self):
        return {"label": str(len(self.text)), "probability": 0.5, "probabilities": {"a": 0.5}}

class Model:
    def infer(self, texts, batch_size, seconds=SECONDS, note=note):
        import os, time
        if seconds < 0:
            raise RuntimeError("No memory is left.")
        note("infer", os.getpid(), len(texts), os.environ["OMP_NUM_THREADS"])
        time.sleep(seconds)
        return [Answer(text) for text in texts]

def load(count, backend, note=note):
    import os
    from zoo.scoring.spark import archive_folder
    assert (archive_folder() / "0" / "config.json").is_file()
    note("load", os.getpid(), os.environ["KERAS_BACKEND"])
    return Model()

score._load = load
sys.exit(main(["score", *sys.argv[3:]]))
"""


@pytest.fixture
def folder(tmp_path):
    """A folder with a table of 200 rows."""
    texts = ["x" * (number % 20) for number in range(200)]  # each twentieth is empty
    pq.write_table(pa.table({"id": list(range(200)), "text": texts}), tmp_path / "in.parquet")
    return tmp_path


def command(folder, words, program=(), **variables):
    """The arguments of a process that runs `zoo` in the folder."""
    environment = os.environ | {
        "PYTHONPATH": str(ROOT),
        "ZOO_HOME": str(folder / "home"),
        "KERAS_BACKEND": "torch",
        "OMP_NUM_THREADS": "1",
        "SPARK_LOCAL_IP": "127.0.0.1",
    }
    return {
        "args": [sys.executable, *(program or ("-m", "zoo.cli")), *words],
        "cwd": folder,
        "env": environment | variables,
        "stdout": subprocess.PIPE,
        "stderr": subprocess.STDOUT,
        "text": True,
    }


def stand_in(folder, *words, seconds=0):
    return command(folder, [str(folder / "notes"), str(seconds), MODEL, *words], ("-c", STAND_IN))


def notes(folder):
    return [line.split() for line in (folder / "notes").read_text().splitlines()]


def check(path):
    """Checks the answers to all rows of the table."""
    rows = pq.read_table(path).to_pylist()
    assert [row["id"] for row in rows] == list(range(200))
    for row in rows:
        label = str(len(row["text"])) or None
        error = None if row["text"] else "The text is empty."
        assert row["answer_label"] == (label if row["text"] else None)
        assert row["answer_error"] == error


def test_two_cores_load_the_model_twice(folder):
    words = ["in.parquet", "out.parquet", "--master", "local[2]", "--part-rows", "10"]
    said = subprocess.run(**stand_in(folder, *words, seconds=0.1), timeout=300)
    assert said.returncode == 0, said.stdout
    assert said.stdout.startswith("out.parquet: 200 rows, 10 with an error")
    check(folder / "out.parquet")
    loads = [note for note in notes(folder) if note[0] == "load"]
    asked = [note for note in notes(folder) if note[0] == "infer"]
    assert len(loads) == len({pid for _, pid, _ in loads}) == 2 and loads[0][2] == "torch"
    assert len(asked) == 20 and sum(int(number) for _, _, number, _ in asked) == 190
    assert {threads for *_, threads in asked} == {"1"}
    assert sorted(path.name for path in folder.glob("out*")) == ["out.parquet"]


def test_a_killed_command_is_resumed_without_scoring_a_part_twice(folder):
    words = ["in.parquet", "out.parquet", "--master", "local[2]", "--part-rows", "10"]
    process = subprocess.Popen(**stand_in(folder, *words, seconds=1))
    parts = folder / "out.parquet.parts"
    for _ in range(3000):
        if len(list(parts.glob("*/part-*.json"))) >= 4 or process.poll() is not None:
            break
        time.sleep(0.1)
    process.kill()
    process.communicate()
    assert process.returncode == -signal.SIGKILL and not (folder / "out.parquet").exists()
    killed = {pid for _, pid, *_ in notes(folder)}  # they may still write the part they have
    said = subprocess.run(**stand_in(folder, *words, "--resume"), timeout=300)
    assert said.returncode == 0, said.stdout
    done = int(said.stdout.partition(" of 20 parts are done.")[0])
    assert 4 <= done < 20
    asked = [pid for kind, pid, *_ in notes(folder) if kind == "infer" and pid not in killed]
    assert len(asked) == 20 - done
    check(folder / "out.parquet")
    said = subprocess.run(**stand_in(folder, *words[:1], "whole.parquet", *words[2:]), timeout=300)
    whole = pq.read_table(folder / "whole.parquet")
    assert whole.equals(pq.read_table(folder / "out.parquet"))


@pytest.fixture
def cluster(folder):
    """The address of a stand-alone Spark master with two workers of one core each."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    home = Path(PYSPARK.submodule_search_locations[0])
    address = f"spark://127.0.0.1:{port}"
    master = ["Master", "--host", "127.0.0.1", "--port", str(port), "--webui-port", "0"]
    worker = ["Worker", "--host", "127.0.0.1", "--cores", "1", "--memory", "1g"]
    environment = os.environ | {
        "SPARK_HOME": str(home),
        "SPARK_LOCAL_IP": "127.0.0.1",
        "PYTHONPATH": str(ROOT),  # where seqzoo is not installed
    }
    processes = []
    with open(folder / "cluster.log", "w") as log:
        try:
            for words in (master, *([*worker, "-d", str(folder / f"w{i}"), address] for i in "12")):
                name = f"org.apache.spark.deploy.{words[0].lower()}.{words[0]}"
                start = [home / "bin" / "spark-class", name, *words[1:]]
                processes.append(
                    subprocess.Popen(start, env=environment, stdout=log, stderr=log, cwd=folder)
                )
            for _ in range(1200):
                if (folder / "cluster.log").read_text().count("Registering worker") == 2:
                    break
                time.sleep(0.1)
            yield address
        finally:
            for process in reversed(processes):
                process.terminate()
            for process in processes:
                process.wait(60)


def test_a_cluster_of_two_workers(folder, cluster):
    words = ["in.parquet", "out.parquet", "--master", cluster, "--part-rows", "10"]
    said = subprocess.run(**stand_in(folder, *words, seconds=0.5), timeout=300)
    assert said.returncode == 0, said.stdout
    check(folder / "out.parquet")
    loads = [pid for kind, pid, *_ in notes(folder) if kind == "load"]
    assert len(loads) == len(set(loads)) == 2


def test_a_published_model(folder):
    texts = ["정말 재미있어요", "돈이 아깝다", None, "그냥 그래요"]
    lines = [json.dumps({"id": number, "text": text}) for number, text in enumerate(texts)]
    (folder / "in.jsonl").write_text("\n".join(lines))
    words = ["score", MODEL, "in.jsonl", "out.csv", "--master", "local[1]"]
    said = subprocess.run(**command(folder, words), timeout=300)
    assert said.returncode == 0, said.stdout
    import pandas as pd

    table = pd.read_csv(folder / "out.csv")
    given = [text for text in texts if text]
    said = subprocess.run(**command(folder, ["infer", MODEL, *given, "--json"]), timeout=300)
    expected = [json.loads(line) for line in said.stdout.splitlines()]
    found = table[table["answer_error"].isna()]
    assert list(table["answer_error"].dropna()) == ["The text is missing (null)."]
    assert list(found["answer_label"]) == [answer["label"] for answer in expected]
    probabilities = [answer["probability"] for answer in expected]
    assert list(found["answer_probability"]) == pytest.approx(probabilities, abs=1e-5)


def test_a_worker_that_fails_is_one_line(folder):
    words = ["in.parquet", "out.parquet", "--master", "local[1]"]
    said = subprocess.run(**stand_in(folder, *words, seconds=-1), timeout=300)
    assert said.returncode == 1
    error, hint = said.stdout.splitlines()
    assert error == (
        "zoo score: error: A part could not be scored: RuntimeError: No memory is left. "
        "All messages are in out.parquet.parts/spark.log"
    )
    assert hint == "next: tail out.parquet.parts/spark.log"
    assert (folder / "out.parquet.parts" / "plan.json").is_file()
