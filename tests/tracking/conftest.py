"""An empty store, a dataset, a preset and a card."""

import json
from dataclasses import dataclass, field
from types import SimpleNamespace

import pytest


@pytest.fixture
def dataset():
    """The attributes of a `zoo.data.Dataset` that a run needs."""
    columns = {"text": [f"text {i}" for i in range(8)], "label": ["negative", "positive"] * 4}
    return SimpleNamespace(
        name="reviews",
        task="text_classifier",
        languages=("en",),
        licence="CC0-1.0",
        citation="Nobody, 2024",
        digest="0123456789abcdef" * 4,
        splits={"train": columns, "dev": {name: values[:6] for name, values in columns.items()}},
        labels=("negative", "positive"),
    )


@dataclass
class FakeCard:
    """The attributes of a `zoo.presets.Card` that tracking needs."""

    name: str = "tiny"
    task: str = "text_classifier"
    dataset: str = "reviews"
    languages: tuple = ("en",)
    parameters: int = 1234
    bytes: int = 2**20
    sha256: str = "ab" * 32
    licence: str = "CC0-1.0"
    metrics: dict = field(default_factory=lambda: {"accuracy": 0.875, "loss": 0.25})
    description: str = "A tiny model."
    recipe: str = "sentiment/quickstart"


@pytest.fixture
def card():
    return FakeCard()


@pytest.fixture
def preset(tmp_path):
    """A directory that looks like a preset."""
    folder = tmp_path / "preset"
    (folder / "assets" / "tokenizer").mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps({"class_name": "Nothing"}))
    (folder / "model.weights.h5").write_bytes(bytes(100))
    (folder / "assets" / "tokenizer" / "vocabulary.txt").write_text("a\n")
    return folder
