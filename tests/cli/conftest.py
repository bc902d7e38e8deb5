"""Stand-ins for what the command line calls, so that its own part is tested without Keras."""

import io
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path

import pytest

import zoo


@dataclass(frozen=True)
class Answer:
    label: str
    probability: float
    probabilities: dict = field(default_factory=dict)

    def to_dict(self):
        return asdict(self)


class Explanation:
    def __init__(self, text):
        self.text = text

    def save(self, path):
        Path(path).write_text(self.text)

    def to_dict(self):
        return {"tokens": self.text.split()}


class Model:
    """Says `positive` to what has no `not`."""

    def __init__(self):
        self.chunks, self.options = [], []

    def infer(self, texts, batch_size=64, beam=1):
        self.chunks.append(len(texts))
        self.options.append((batch_size, beam))
        return [
            Answer("negative", 0.75, {"negative": 0.75, "positive": 0.25})
            if "not" in text
            else Answer("positive", 0.5, {"negative": 0.5, "positive": 0.5})
            for text in texts
        ]

    def explain(self, text):
        return Explanation(text)

    def score(self, columns):
        answers = [answer.label for answer in self.infer(columns["text"])]
        right = sum(map(str.__eq__, answers, columns["label"]))
        return {"accuracy": right / len(answers), "loss": 0.25}


@dataclass(frozen=True)
class Card:
    name: str
    task: str = "text_classifier"
    dataset: str = "reviews"
    languages: tuple = ("en",)
    parameters: int = 1_234_567
    bytes: int = 2_469_134
    licence: str = "CC0-1.0"
    metrics: dict = field(default_factory=lambda: {"test/accuracy": 0.875})
    description: str = "A stand-in."
    training: dict = field(default_factory=lambda: {"seed": 42})
    files: dict = field(default_factory=dict)

    def to_dict(self):
        return asdict(self)


@pytest.fixture
def model():
    return Model()


@pytest.fixture
def cards(monkeypatch):
    """The catalogue: a list to be changed."""
    cards = [Card("tiny_en"), Card("tiny_ko", languages=("ko",))]

    def list_models(task=None):
        if task not in (None, "text_classifier"):
            raise ValueError(f"No such task. Received: task={task!r}")
        return list(cards)

    monkeypatch.setattr(zoo, "list_models", list_models, raising=False)
    return cards


@pytest.fixture
def loaded(monkeypatch, cards, model):
    """The sources that `zoo.load` was called with; it always gives `model`."""
    sources = []

    def load(source):
        sources.append(source)
        return model

    monkeypatch.setattr(zoo, "load", load, raising=False)
    return sources


@pytest.fixture
def stdin(monkeypatch):
    """`stdin(data)` is what will be read there."""

    def feed(data: bytes):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))

    return feed
