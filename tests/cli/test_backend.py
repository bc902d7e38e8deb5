"""The backend is chosen before Keras is imported, or not at all."""

import os
import sys
import types

import pytest

from zoo.cli import backend
from zoo.cli.errors import WrongUse

pytestmark = pytest.mark.once


@pytest.fixture
def fresh(monkeypatch):
    """A process that has not imported Keras; everything is installed."""
    monkeypatch.delitem(sys.modules, "keras", raising=False)
    monkeypatch.setattr(backend.importlib.util, "find_spec", lambda name: object())
    monkeypatch.setenv("KERAS_BACKEND", "tensorflow")
    return monkeypatch


def test_the_option_wins_over_the_environment(fresh):
    backend.choose("jax")
    assert os.environ["KERAS_BACKEND"] == "jax"


def test_the_environment_is_left_alone(fresh):
    backend.choose()
    assert os.environ["KERAS_BACKEND"] == "tensorflow"


def test_what_keras_is_set_to_is_left_alone(fresh):
    fresh.delenv("KERAS_BACKEND")
    backend.choose()
    assert "KERAS_BACKEND" not in os.environ


def test_an_unknown_backend_in_the_environment(fresh):
    fresh.setenv("KERAS_BACKEND", "theano")
    with pytest.raises(WrongUse, match="Received: KERAS_BACKEND=theano"):
        backend.choose()


def test_a_backend_that_is_not_installed(fresh):
    fresh.setattr(backend.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(WrongUse, match="torch is not installed") as raised:
        backend.choose("torch")
    assert raised.value.hint == 'pip install "seqzoo[torch]"'


def test_keras_cannot_change_over(fresh):
    running = types.SimpleNamespace(backend=types.SimpleNamespace(backend=lambda: "torch"))
    fresh.setitem(sys.modules, "keras", running)
    backend.choose("torch")
    with pytest.raises(WrongUse, match="Keras runs on torch"):
        backend.choose("jax")


def test_libraries_are_quietened_unless_told_otherwise(fresh):
    fresh.setenv("TF_CPP_MIN_LOG_LEVEL", "0")
    fresh.delenv("GRPC_VERBOSITY", raising=False)
    backend.choose()
    assert os.environ["TF_CPP_MIN_LOG_LEVEL"] == "0"
    assert os.environ["GRPC_VERBOSITY"] == "ERROR"
