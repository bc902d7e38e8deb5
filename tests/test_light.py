"""Layers and decoding need `keras` and a backend alone."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import keras
import pytest

ROOT = Path(__file__).resolve().parent.parent
NEEDED = {"h5py", "keras", "numpy", "rich", "scipy"}  # Keras, JAX and their own dependencies
MODULES = {"pillow": "PIL", "pyyaml": "yaml", "scikit-learn": "sklearn"}

CODE = """
import sys

sys.modules.update(dict.fromkeys(REFUSED & {"jax", "tensorflow", "torch"}))  # which takes seconds

import keras

sys.modules.update(dict.fromkeys(REFUSED))  # importing them is an error from here on

import numpy as np
from keras import ops

import zoo.decoding
import zoo.layers

memory = np.random.default_rng(0).normal(size=(2, 4, 6)).astype("float32")
encoder = zoo.layers.RecurrentEncoder("gru", 3, bidirectional=True)
decoder = zoo.layers.AttentiveDecoder("lstm", 5, "multi_head", num_heads=5)
states = encoder(memory)
decoder(ops.one_hot([[0, 1], [0, 1]], 5), states)
state, constants = decoder.start(states)


def step(tokens, state, index):
    return decoder.step(ops.one_hot(tokens, 5), state, constants)


found = zoo.decoding.sample(step, state, 2, 0, 1, max_length=3)
best = zoo.decoding.beam_search(step, state, 2, 0, 1, max_length=3, beam=2)
print(tuple(found.tokens.shape), tuple(best.tokens.shape))
"""


def other_modules():
    """The modules that the project depends on and layers must not, with those of other backends."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    lines = sum(
        (project["optional-dependencies"][it] for it in ("tensorflow", "train", "draw")), []
    )
    names = {re.split(r"[<>=!~ \[;]", line)[0] for line in project["dependencies"] + lines}
    modules = {MODULES.get(name, name.replace("-", "_")) for name in names} | {"recipes"}
    return (modules | {"jax", "torch"}) - NEEDED - {keras.config.backend()}


@pytest.mark.once
def test_layers_and_decoding_run_without_any_other_package():
    refused = other_modules()
    assert {"keras_hub", "mlflow", "pydantic", "pandas", "sentencepiece"} <= refused
    said = subprocess.run(
        [sys.executable, "-c", f"REFUSED = {refused!r}\n{CODE}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert said.returncode == 0, said.stderr
    assert said.stdout.splitlines()[-1] == "(2, 1, 3) (2, 1, 3)"
