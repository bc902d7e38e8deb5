"""A small real model, from its run through the registry to its answers."""

import json
import os
import subprocess
import sys
from pathlib import Path

import keras
import pytest

import zoo
from zoo import presets
from zoo.models import TextClassifier, TextClassifierBackbone, TextClassifierPreprocessor
from zoo.tokenizers import train_subword_tokenizer
from zoo.tracking import Gate, start_run

ROOT = Path(__file__).parents[2]
TEXTS = ["a gripping film", "", "정말 재미있어요 🎬", "not bad"]

# The backend that loads a model of another backend.
OTHER = {"tensorflow": "jax", "jax": "torch", "torch": "tensorflow"}
ASK = """
import json, sys
from mlflow import pyfunc
from zoo.tracking import prepare_store
prepare_store()
answer = pyfunc.load_model(sys.argv[1]).predict(json.loads(sys.argv[2]))
print(json.dumps(answer.to_dict("list")))
"""


@pytest.fixture
def registered(client, dataset, tmp_path):
    """A model and its URI in the registry."""
    texts = [*TEXTS, "nothing happens in it", "a film that one does not forget"]
    tokenizer = train_subword_tokenizer(texts, 300)
    keras.utils.set_random_seed(1)
    model = TextClassifier(
        TextClassifierBackbone(tokenizer.vocabulary_size(), embedding_dim=8, units=8),
        TextClassifierPreprocessor(tokenizer, sequence_length=32),
    )
    path = tmp_path / "real"
    metrics = model.score({"text": TEXTS, "label": ["positive", "negative"] * 2})
    card = presets.save(
        model, path, name="real", description="A real model.", dataset=dataset, metrics=metrics
    )
    with start_run("sentiment", "real", config={"seed": 1}, dataset=dataset) as run:
        uri = run.log_model(path, card)
        registered = run.register(uri, "real", card, Gate("accuracy", 0.0).check(metrics))
    return model, registered.uri


@pytest.mark.once
def test_registered_model_gives_the_same_answers(registered):
    model, uri = registered
    assert uri == "models:/real@champion"
    expected, given = model.infer(TEXTS), zoo.load(uri).infer(TEXTS)
    assert [e.label for e in expected] == [g.label for g in given]
    # The weights are stored in half precision.
    assert [g.probability for g in given] == pytest.approx(
        [e.probability for e in expected], abs=1e-3
    )


@pytest.mark.once
def test_another_backend_loads_the_model_without_pickle(registered, home):
    model, uri = registered
    expected = zoo.load(uri).infer(TEXTS)
    finished = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", ASK, uri, json.dumps(TEXTS)],
        env=os.environ
        | {
            "KERAS_BACKEND": OTHER[keras.backend.backend()],
            "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
            "PYTHONPATH": str(ROOT),
        },
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert finished.returncode == 0, finished.stderr
    answer = json.loads(finished.stdout.splitlines()[-1])
    assert answer["label"] == [e.label for e in expected]
    assert answer["probability"] == pytest.approx([e.probability for e in expected], abs=1e-5)
    assert json.loads(answer["probabilities"][0]).keys() == {"negative", "positive"}
