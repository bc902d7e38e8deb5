"""What every test finds: a home of its own, no network, quiet libraries, a store if it asks."""

import gc
import itertools
import os
import re
import shutil
import socket

import pytest
from filelock import FileLock

# Of what the libraries make when they are imported nothing is garbage, and looking for it takes a
# quarter of the time: the collector is off until all tests are collected.
gc.disable()
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")


def pytest_configure(config):
    """Turns the collector on again in the process that only starts others."""
    if getattr(config.option, "numprocesses", None) and not hasattr(config, "workerinput"):
        gc.enable()


ALL_ONCE = re.compile(r"^pytestmark = \[?\s*pytest\.mark\.once", re.MULTILINE)


def pytest_ignore_collect(collection_path, config):
    """Leaves out, unimported, the files whose tests `-m "not once"` would all deselect."""
    path = collection_path
    if config.option.markexpr != "not once" or path.suffix != ".py":
        return None
    asked_for = any(path.name in argument for argument in config.args)
    return True if ALL_ONCE.search(path.read_text("utf-8")) and not asked_for else None


def pytest_collection_finish(session):
    """Keeps the million objects of the imported libraries out of every garbage collection."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000)
    gc.enable()


@pytest.fixture(scope="session")
def homes(tmp_path_factory):
    """Names of folders in one of their own: pytest lists a folder whenever it makes a new one."""
    folder = tmp_path_factory.mktemp("homes")
    return (folder / str(number) for number in itertools.count())


@pytest.fixture(autouse=True)
def home(homes, monkeypatch):
    """An empty `$ZOO_HOME`; nothing of the person who runs the tests is read or written."""
    folder = next(homes)
    folder.mkdir()
    monkeypatch.setenv("ZOO_HOME", str(folder))
    for name in ("ZOO_DATA", "ZOO_TRACEBACK", "MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI"):
        monkeypatch.delenv(name, raising=False)
    return folder


@pytest.fixture(autouse=True)
def only_this_machine(monkeypatch):
    """Refuses connections to other machines: a test that needs one is wrong."""
    connect = socket.socket.connect

    def guarded(self, address):
        if self.family in (socket.AF_INET, socket.AF_INET6):
            host = str(address[0])
            if host not in ("localhost", "::1") and not host.startswith("127."):
                raise ConnectionRefusedError(f"Tests stay on this machine. Received: {address}")
        return connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory):
    """A store made once for all processes of pytest-xdist: MLflow's migrations take seconds."""
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent  # which the processes have in common
    store = folder / "store"
    with FileLock(folder / "store.lock"), pytest.MonkeyPatch.context() as patch:
        if not store.exists():
            patch.setenv("ZOO_HOME", str(store))
            patch.delenv("MLFLOW_TRACKING_URI", raising=False)
            from zoo.tracking import prepare_store

            prepare_store()
    return store / "runs"


@pytest.fixture
def client(home, empty_store):
    """A client of an empty store in the test's own home."""
    from mlflow import MlflowClient

    from zoo.tracking import prepare_store

    shutil.copytree(empty_store, home / "runs")
    return MlflowClient(prepare_store())


@pytest.fixture
def small_figures(monkeypatch):
    """Saves figures with few pixels: compressing them takes longer than training."""
    from matplotlib.figure import Figure

    save = Figure.savefig

    def savefig(self, *arguments, **options):
        save(self, *arguments, **(options | {"dpi": 20}))

    monkeypatch.setattr(Figure, "savefig", savefig)
