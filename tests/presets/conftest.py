"""A tiny classifier, saved once, and a copy of its preset for each test."""

import shutil

import numpy as np
import pytest

from zoo.presets import save

TEXTS = ["a good film", "a bad film", "정말 재미있어요", "not bad at all"]


@pytest.fixture(scope="session")
def model():
    from zoo.models import TextClassifier, TextClassifierBackbone, TextClassifierPreprocessor
    from zoo.tokenizers import train_subword_tokenizer

    tokenizer = train_subword_tokenizer(TEXTS, 300)
    model = TextClassifier(
        TextClassifierBackbone(300, embedding_dim=8, units=6, dropout=0.1),
        TextClassifierPreprocessor(tokenizer, sequence_length=32),
    )
    random = np.random.default_rng(0)  # NumPy's: the same weights on every backend
    model.set_weights([random.normal(size=w.shape).astype("float32") for w in model.weights])
    return model


@pytest.fixture(scope="session")
def saved(model, tmp_path_factory):
    directory = tmp_path_factory.mktemp("presets") / "tiny"
    card = save(model, directory, name="tiny", dataset="reviews", languages=["en", "ko"])
    return directory, card


@pytest.fixture
def preset(saved, tmp_path):
    """A copy of the preset that a test may modify."""
    return shutil.copytree(saved[0], tmp_path / "tiny")
