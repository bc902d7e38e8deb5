"""Sweeps on a Ray cluster: how it is divided, what is refused, and a real one of two workers."""

import importlib.util
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from dataclasses import replace
from types import SimpleNamespace

import psutil
import pytest

from recipes import sentiment
from tests.small_recipe import SMALL
from zoo.cli import main
from zoo.tracking import StoreError
from zoo.tracking.signals import termination_raises
from zoo.training import ray_cluster, runner, sweep_ray
from zoo.training.ray_cluster import Machine, share
from zoo.training.sweep import sweep
from zoo.training.sweep_ray import Environment, check_store

pytestmark = pytest.mark.once

needs_ray = pytest.mark.skipif(
    importlib.util.find_spec("ray") is None, reason='needs Ray: pip install "seqzoo[ray]"'
)
FIXED = [change for change in SMALL if not change.startswith(("model.units", "evaluation."))]


def machine(cores, gpus=0, name="far"):
    return Machine(f"node of {name}", name, cores, gpus)


@pytest.mark.parametrize(
    ("machines", "workers", "expected"),
    [
        ([machine(8)], None, (1, 8, 0)),
        ([machine(8), machine(4)], None, (2, 4, 0)),
        ([machine(2)], 2, (2, 1, 0)),
        ([machine(12), machine(4)], 4, (4, 4, 0)),
        ([machine(2)], 5, (2, 1, 0)),  # no more than there are cores
        ([machine(0), machine(4)], None, (1, 4, 0)),  # a head that takes no tasks
        ([machine(16, 4), machine(8, 1)], None, (5, 4, 1)),
        ([machine(16, 4)], 2, (2, 4, 1)),
        ([machine(2, 4)], None, (4, 1, 1)),
        ([machine(0)], None, (0, 1, 0)),
    ],
)
def test_a_cluster_is_shared_among_trials(machines, workers, expected):
    assert share(machines, workers) == expected


def test_other_machines_need_a_server(home, monkeypatch):
    here = machine(2, name=socket.gethostname())
    check_store([here])
    with pytest.raises(StoreError, match="need a tracking server.*--ray local.*machines far, off"):
        check_store([here, machine(2), machine(2, name="off")])
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "postgresql://me:secret@db/runs")
    with pytest.raises(StoreError, match=r"Received: MLFLOW_TRACKING_URI=postgresql://me:\*\*\*@"):
        check_store([machine(2)])
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://tracking.example.org")
    check_store([machine(2)])


def test_folders_are_those_of_each_machine(home, monkeypatch, tmp_path):
    monkeypatch.setenv("ZOO_DATA", "data")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "secret")
    monkeypatch.chdir(tmp_path)
    environment = Environment.current()
    assert environment.here == {"ZOO_HOME": str(home), "ZOO_DATA": str(tmp_path / "data")}
    assert environment.everywhere["MLFLOW_TRACKING_PASSWORD"] == "secret"
    assert "secret" not in repr(environment)
    with monkeypatch.context() as patch:
        patch.setattr(os, "environ", {"ZOO_HOME": "/theirs"})
        replace(environment, host="far", folder="/nowhere").set()
        assert os.environ["ZOO_HOME"] == "/theirs" and "ZOO_DATA" not in os.environ
        environment.set()
        assert os.environ["ZOO_HOME"] == str(home)


@pytest.mark.parametrize("address", ["ray://head:10001", "head", "head:port", "-x:1"])
def test_address_of_another_form(address, capsys):
    words = ["sentiment/quickstart", *FIXED, "model.units=3,4", f"--ray={address}"]
    assert main(["sweep", *words]) != 0
    said = capsys.readouterr().err
    assert "`auto` or `local`" in said and f"Received: --ray {address}" in said


def test_local_cluster_is_refused_once_ray_has_read_its_settings(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", SimpleNamespace())
    monkeypatch.setattr(os, "environ", {"RAY_AUTH_MODE": "token"})
    with pytest.raises(
        ValueError, match="before Ray is imported.*Received: ray=local, without RAY_E"
    ):
        ray_cluster.check_address("local")
    ray_cluster.check_address("auto")


def test_without_ray(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "ray", None)
    words = ["sentiment/quickstart", "model.units=3,4", "--ray", "auto"]
    assert main(["sweep", *words]) == 1
    said = capsys.readouterr().err
    assert "needs ray, which is not installed" in said
    assert said.endswith('next: pip install "seqzoo[ray]"\n')


def train_there(cores):
    """Trains a trial as a worker of a cluster does."""
    environment, trial = SimpleNamespace(set=lambda: None), SimpleNamespace(config=None)
    sweep_ray._train(environment, SimpleNamespace(label=""), trial, None, cores)


def test_a_trial_keeps_to_its_cores(monkeypatch):
    def load_data(config, label):
        raise OSError("no data")

    monkeypatch.setitem(sys.modules, "ray", SimpleNamespace())
    monkeypatch.setattr(runner, "load_data", load_data)
    monkeypatch.setattr(os, "environ", {"OMP_NUM_THREADS": "1"})  # of the user
    with pytest.raises(RuntimeError, match="no data"):
        train_there(cores=3)
    expected = {"OMP_NUM_THREADS": "1", "TF_NUM_INTRAOP_THREADS": "3", "NPROC": "3"}
    assert os.environ == expected


def test_sigterm_is_ours_and_not_of_ray(monkeypatch):
    def of_ray(number, frame):
        raise AssertionError

    def init(**options):
        signal.signal(signal.SIGTERM, of_ray)

    def load_data(config, label):
        assert signal.getsignal(signal.SIGTERM) is before
        raise OSError("no data")

    monkeypatch.setitem(sys.modules, "ray", SimpleNamespace(init=init))
    monkeypatch.setattr(os, "environ", {})
    monkeypatch.setattr(runner, "load_data", load_data)
    with termination_raises():
        before = signal.getsignal(signal.SIGTERM)
        assert before is not signal.SIG_DFL
        ray_cluster.connect("auto")
        assert signal.getsignal(signal.SIGTERM) is before
    signal.signal(signal.SIGTERM, of_ray)  # as in a worker
    try:
        with pytest.raises(RuntimeError, match="no data"):
            train_there(cores=3)
        assert signal.getsignal(signal.SIGTERM) is of_ray
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def test_cluster_that_wants_a_token():
    error = ConnectionError("Failed to connect")
    error.__cause__ = RuntimeError("ray.exceptions.AuthenticationError: InvalidAuthToken")
    refused = ray_cluster._no_cluster("head:6379", error)
    assert "copy ~/.ray/auth_token" in str(refused) and refused.hint == "export RAY_AUTH_MODE=token"


# A real cluster


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """The address of a cluster of two cores that listens at the loopback interface alone."""
    with pytest.MonkeyPatch.context() as patch:
        settings = ray_cluster.SETTINGS | ray_cluster.LOOPBACK | {"RAY_AUTH_MODE": "token"}
        for name, value in settings.items():
            patch.setenv(name, value)
        patch.setenv("RAY_AUTH_TOKEN", "0123456789abcdef0123456789abcdef")
        patch.setenv("RAY_worker_niceness", "0")
        patch.setenv("PYTHONPATH", os.pathsep.join(filter(None, sys.path)))
        program = os.path.join(os.path.dirname(sys.executable), "ray")
        port, folder = free_port(), tmp_path_factory.mktemp("r")
        # Fixed ports, because otherwise a machine that is slow to open some stops the cluster.
        command = [program, "start", "--head", "--num-cpus=2", "--include-dashboard=false"]
        command += [f"--port={port}", f"--temp-dir={folder}"]
        for name in ("dashboard-agent-grpc", "dashboard-agent-listen", "runtime-env-agent"):
            command.append(f"--{name}-port={free_port()}")
        try:
            started = subprocess.run(command, capture_output=True, text=True, timeout=300)
            assert started.returncode == 0, started.stderr
            yield SimpleNamespace(
                address=f"127.0.0.1:{port}", trials=lambda: trial_processes(str(folder))
            )
        finally:
            for process in processes_of(str(folder)):
                process.kill()  # of this cluster; `ray stop` would end all of this machine


def processes_of(folder):
    """The processes of the cluster whose files are in a folder, but for its workers."""
    found = psutil.process_iter(["cmdline"])
    return [it for it in found if any(folder in word for word in it.info["cmdline"] or ())]


def trial_processes(folder):
    """The workers of that cluster that train a trial; their command lines do not name it."""
    found = []
    for process in processes_of(folder):
        with suppress(psutil.NoSuchProcess):
            found += process.children(recursive=True)
    return [it for it in found if is_trial(it)]


def is_trial(process):
    try:
        return "ray::trial" in " ".join(process.cmdline())
    except psutil.NoSuchProcess:
        return False


LOCAL = """
import json, os, psutil
from zoo.training.ray_cluster import check_address, connect

check_address("local")
connect("local")
import ray

ray.get(ray.remote(lambda: None).remote())  # which starts a worker
processes = psutil.Process().children(recursive=True)
sockets = [it for process in processes for it in process.net_connections("tcp")]
listening = {it.laddr.ip.removeprefix("::ffff:") for it in sockets if it.status == "LISTEN"}
print(json.dumps({
    "listening": sorted(listening),
    "has token": ray._private.authentication.authentication_utils.is_token_auth_enabled(),
    "shows token": os.environ["RAY_AUTH_TOKEN"] in str([it.cmdline() for it in processes]),
}))
"""


@pytest.mark.slow
@needs_ray
def test_a_local_cluster_is_of_this_user_alone():
    environment = {key: it for key, it in os.environ.items() if not key.startswith("RAY_")}
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))
    command = [sys.executable, "-c", LOCAL]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found == {"listening": ["127.0.0.1"], "has token": True, "shows token": False}


@pytest.fixture
def runs(client):
    """Function from the name of a sweep to its runs."""

    def find(name):
        experiment = client.get_experiment_by_name("sentiment").experiment_id
        return client.search_runs([experiment], f"tags.sweep = '{name}'")

    return SimpleNamespace(find=find)


@pytest.mark.slow
@needs_ray
def test_sweep_on_a_cluster(cluster, runs, capsys):
    address = cluster.address

    def run():
        changes = [*FIXED, "model.units=3,4"]
        return sweep(sentiment.RECIPE, "quickstart", changes, name="on ray", workers=2, ray=address)

    result = run()
    assert sorted(result.columns["model.units"]) == ["3", "4"]
    assert set(result.columns["state"]) == {"complete"} and result.columns["epochs"] == [2, 2]
    said = capsys.readouterr().err
    assert f"ray {address}: 2 trials at a time with 1 core each, on {socket.gethostname()}" in said
    assert "trial 1: epoch 2/2" in said and "trial 2: dev/accuracy" in said
    found = {it.data.tags.get("sweep.trial"): it for it in runs.find("on ray")}
    assert set(found) == {"1", "2", None}
    again = run()
    assert (again.run_id, again.columns) == (result.run_id, result.columns)
    with_processes = sweep(
        sentiment.RECIPE, "quickstart", [*FIXED, "model.units=3,4"], name="on ray", trials=2
    )
    assert with_processes.columns == result.columns  # one study, wherever its trials run


@pytest.mark.slow
@needs_ray
def test_trial_whose_process_dies_is_tried_again(cluster, client, capsys):
    killed, over = [], threading.Event()

    def kill():
        while not killed and not over.wait(0.05):
            for process in cluster.trials()[:1]:
                killed.append(process.pid)
                process.kill()

    killer = threading.Thread(target=kill, daemon=True)
    killer.start()
    changes = [*FIXED, "model.units=3,4"]
    try:
        result = sweep(sentiment.RECIPE, "quickstart", changes, workers=1, ray=cluster.address)
    finally:
        over.set()
        killer.join()
    assert killed and result.columns["state"] == ["complete"] * 2
    assert "its process died, and it is tried again" in capsys.readouterr().err


@pytest.mark.slow
@needs_ray
@pytest.mark.parametrize(("sent", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_interrupted_sweep_stops_its_trials_and_goes_on(cluster, client, tmp_path, sent, code):
    shutil.copy(sentiment.RECIPE.folder / "quickstart.yaml", tmp_path / "mine.yaml")
    words = ["mine.yaml", *FIXED, "training.epochs=8", "model.units=3,4", "--ray", cluster.address]
    command = [sys.executable, "-m", "zoo.cli", "sweep", *words]
    with subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as process:
        for line in process.stderr:
            if "epoch 2/8" in line:
                break
        process.send_signal(sent)
        said = process.stderr.read()
        assert process.wait(60) == code, said
    assert "interrupted; to resume" in said and "the same command goes on" in said
    assert not cluster.trials()
    done = subprocess.run(
        [*command, "--json"], cwd=tmp_path, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0 and "resuming in epoch" in done.stderr, done.stderr
    assert len(json.loads(done.stdout)["trials"]) == 2


@needs_ray
def test_nobody_listens(client, capsys):
    address = f"127.0.0.1:{free_port()}"
    words = ["sentiment/quickstart", *FIXED, "model.units=3,4", "--ray", address]
    start = time.monotonic()
    assert main(["sweep", *words]) == 1
    assert time.monotonic() - start < 60
    said = capsys.readouterr().err
    assert "No Ray cluster answers" in said and f"Received: --ray {address}" in said
    assert said.rstrip().endswith("next: ray start --head --include-dashboard=false")
