"""Choice of the backend before Keras is imported."""

import os
import sys
import types

import pytest

from zoo.cli import backend
from zoo.cli.errors import WrongUse

pytestmark = pytest.mark.once


@pytest.fixture
def fresh(monkeypatch):
    """A process without Keras, in which every backend is installed."""
    monkeypatch.delitem(sys.modules, "keras", raising=False)
    monkeypatch.setattr(backend.importlib.util, "find_spec", lambda name: object())
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
    fresh.setattr(backend.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(WrongUse, match="torch is not installed") as raised:
        backend.choose("torch")
    assert raised.value.hint == 'pip install "seqzoo[torch]"'


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
