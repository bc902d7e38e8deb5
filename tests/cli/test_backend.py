"""Choice of the backend before Keras is imported."""

import importlib
import os
import sys
import types
from importlib.util import find_spec

import pytest

from zoo import backends
from zoo.cli import backend
from zoo.cli.errors import WrongUse
from zoo.extras import MissingExtra

pytestmark = pytest.mark.once


@pytest.fixture
def fresh(monkeypatch):
    """A process without Keras, in which every backend is installed."""
    monkeypatch.delitem(sys.modules, "keras", raising=False)
    monkeypatch.setattr(backends, "is_installed", lambda name: True)
    monkeypatch.setenv("KERAS_BACKEND", "tensorflow")
    return monkeypatch


def test_option_overrides_environment(fresh):
    backend.choose("jax")
    assert os.environ["KERAS_BACKEND"] == "jax"


def test_environment_is_kept_without_option(fresh):
    backend.choose()
    assert os.environ["KERAS_BACKEND"] == "tensorflow"


def test_nothing_is_set_without_option_and_environment(fresh):
    fresh.delenv("KERAS_BACKEND")
    backend.choose()
    assert "KERAS_BACKEND" not in os.environ


def test_unknown_backend_in_environment_is_refused(fresh):
    fresh.setenv("KERAS_BACKEND", "theano")
    with pytest.raises(WrongUse, match="Received: KERAS_BACKEND=theano"):
        backend.choose()


def test_missing_backend_is_refused(fresh):
    fresh.setattr(backends, "is_installed", lambda name: name != "torch")
    with pytest.raises(MissingExtra, match="torch is not installed.* tensorflow or jax") as raised:
        backend.choose("torch")
    assert raised.value.hint == 'pip install "seqzoo[torch]"'
    assert os.environ["KERAS_BACKEND"] == "tensorflow"


def test_backend_cannot_change_after_import(fresh):
    running = types.SimpleNamespace(backend=types.SimpleNamespace(backend=lambda: "torch"))
    fresh.setitem(sys.modules, "keras", running)
    backend.choose("torch")
    with pytest.raises(WrongUse, match="Keras runs on torch"):
        backend.choose("jax")


def test_libraries_are_silenced_unless_set(fresh):
    fresh.setenv("TF_CPP_MIN_LOG_LEVEL", "0")
    fresh.delenv("GRPC_VERBOSITY", raising=False)
    backend.choose()
    assert os.environ["TF_CPP_MIN_LOG_LEVEL"] == "0"
    assert os.environ["GRPC_VERBOSITY"] == "ERROR"


def test_other_backends_are_hidden_and_found_again(monkeypatch):
    for name in ("tensorflow", "sklearn"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    finders = list(sys.meta_path)
    with pytest.raises(ModuleNotFoundError, match="No module named 'tensorflow'"):
        with backend.others_hidden():
            assert find_spec("sklearn") is None
            assert find_spec("torch") and find_spec("numpy")
            importlib.import_module("tensorflow")
    assert sys.meta_path == finders
    assert find_spec("tensorflow")


@pytest.mark.parametrize(
    "environment, file, hidden",
    [
        ("jax", '{"backend": "torch"}', {"tensorflow", "torch"}),
        ("", '{"backend": "torch"}', {"tensorflow", "jax"}),
        ("", "no JSON", {"jax", "torch"}),
        ("", None, {"jax", "torch"}),
    ],
)
def test_hidden_are_all_but_the_backend_that_keras_will_choose(
    environment, file, hidden, monkeypatch, tmp_path
):
    for name in ("keras", *backend.BACKENDS):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setenv("KERAS_BACKEND", environment)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    if file:
        (tmp_path / "keras.json").write_text(file)
    with backend.others_hidden():
        assert {name for name in backend.BACKENDS if find_spec(name) is None} == hidden
