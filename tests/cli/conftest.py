"""Stand-ins for models and cards, so that the command line is tested without Keras."""

import io
import json
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path

import pytest

import zoo
from zoo import presets
from zoo.tasks import TASKS


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

    summary = ("Without “not” the answer is positive.",)

    def to_dict(self):
        return {"tokens": self.text.split()}


class Model:
    """A classifier that answers `negative` to texts that contain `not`."""

    def __init__(self):
        self.chunks, self.options = [], []

    def infer(self, texts, **options):
        self.chunks.append(len(texts))
        self.options.append(options)
        return [
            Answer("negative", 0.75, {"negative": 0.75, "positive": 0.25})
            if "not" in text
            else Answer("positive", 0.5, {"negative": 0.5, "positive": 0.5})
            for text in texts
        ]

    def explain(self, text, **options):
        self.explained = options
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
    behaviour: dict = field(default_factory=dict)
    training: dict = field(default_factory=lambda: {"seed": 42})
    files: dict = field(default_factory=dict)

    def to_dict(self):
        return asdict(self)


@pytest.fixture
def model():
    return Model()


@pytest.fixture
def cards(monkeypatch, tmp_path_factory, make_preset):
    """The cards of the pretrained models: a list that a test may change.

    Each model has a preset directory with its configuration files, and no weights.
    """
    cards = [Card("tiny_en"), Card("tiny_ko", languages=("ko",))]
    folder = tmp_path_factory.mktemp("pretrained")

    def list_models(task=None):
        if task not in (None, "text_classifier"):
            raise ValueError(f"No such task. Received: task={task!r}")
        return list(cards)

    def resolve(source):
        if Path(source).is_dir():
            return Path(source)
        (card,) = [card for card in cards if card.name == source]
        return make_preset(folder / card.name, card.task)

    def read_card(directory):
        if not (directory / "card.json").exists():
            return None
        return next((card for card in cards if card.name == directory.name), cards[0])

    monkeypatch.setattr(zoo, "list_models", list_models, raising=False)
    monkeypatch.setattr(presets, "resolve", resolve)
    monkeypatch.setattr(presets, "read_card", read_card)
    return cards


@pytest.fixture
def make_preset():
    """Writes the configuration files of a preset, and an empty card."""

    def make(directory, task, **config):
        directory.mkdir(exist_ok=True)
        name = TASKS[task].model.partition(":")[2]
        (directory / "task.json").write_text(json.dumps({"registered_name": f"zoo>{name}"}))
        (directory / "config.json").write_text(json.dumps({"config": config}))
        (directory / "card.json").touch()
        return directory

    return make


@pytest.fixture
def loaded(monkeypatch, cards, model):
    """The names of the directories that `zoo.load` was called with; it returns `model`."""
    names = []

    def load(source):
        names.append(source.name)
        return model

    monkeypatch.setattr(zoo, "load", load, raising=False)
    return names


@pytest.fixture
def stdin(monkeypatch):
    """`stdin(data)` makes `data` the content of stdin."""

    def feed(data: bytes):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))

    return feed
