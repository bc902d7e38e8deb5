"""Follows the steps in CONTRIBUTING.md to the letter, in a copy of the repository."""

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path

import pytest

pytestmark = pytest.mark.once

ROOT = Path(__file__).resolve().parent.parent
STEP = re.compile(
    r"(?:`(?P<new>[^`\s]+)`, a new file|"
    r"(?:`(?P<edited>[^`\s]+)`,|and) below the line\s+`(?P<line>[^`]+)`)"
    r"\n\n```\w+\n(?P<code>.*?)^```$",
    re.DOTALL | re.MULTILINE,
)
# Rows of the dataset in the guide, whose digests it leaves to `zoo data get`.
WEATHER = {
    "train": [("blue sky", "sunny"), ("wet roads", "rainy"), ("no cloud", "sunny")] * 2,
    "dev": [("blue sea", "sunny"), ("wet shoes", "rainy")],
}
# Runs in the copy, in one process: what the steps have added is used as a person would.
PROGRAM = """
from zoo.cli.backend import others_hidden
with others_hidden():  # whose import takes seconds
    import keras_hub
import json, sys
import keras
import pytest
import zoo.layers
from recipes.rating import RECIPE as rating
from recipes.sentiment import RECIPE as sentiment
from zoo import data
from zoo.training import runner

def layers_of(model):
    return [type(layer).__name__ for layer in model._flatten_layers()]

quick = ["training.epochs=1", "training.max_steps=1", "training.checkpoint_every=9"]
dataset = data.load("weather")
found = {"dataset": [dataset.labels, dataset.splits]}
overrides = [
    "data.name=weather", "data.options={}", "model.encoder=minimal_gated", "model.pooling=cosine",
    "tokenizer.vocabulary_size=300", "evaluation.gate=null", "evaluation.test=false",
]
result = runner.run(sentiment, "quickstart", [*overrides, *quick], progress=False)
found["sentiment"] = [layers_of(result.model), result.metrics]
plugin = runner.resolve(sentiment, "quickstart", ["model.pooling=negative_distance"])
pool = zoo.layers.SequencePooling(plugin.model.pooling)
pool(keras.random.normal((2, 3, 4)), keras.ops.ones((2, 3), "bool"))
found["plugin"] = layers_of(pool)
overrides = ["data.train=reviews.tsv", "model.vocabulary_size=300", "model.encoder=minimal_gated"]
result = runner.run(rating, "quickstart", [*overrides, *quick], progress=False)
answer = zoo.load(result.model_uri).infer(["fine"])[0]
explained = result.model.explain("fine")
found["rating"] = [result.card.task, result.metrics, answer.to_dict(), len(explained.tokens)]
json.dump(found, open("found.json", "w"))
tests = ["contracts/test_tasks.py", "layers/test_attention.py", "layers/test_recurrent.py"]
chosen = "(text_regressor and (found_by or read_as or fields_of or parameters_of))"
chosen += " or cosine or minimal_gated"
tests = [f"tests/{name}" for name in tests]
sys.exit(pytest.main([*tests, "-q", "-p", "no:xdist", "--durations=3", "-k", chosen]))
"""


@dataclass(frozen=True)
class Step:
    """A file to create, or lines to insert below a line of one that exists."""

    path: str
    line: str | None
    code: str

    def follow(self, root):
        file = root / self.path
        if self.line is None:
            assert not file.exists(), f"{self.path} exists already"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(self.code, "utf-8")
            return
        lines = file.read_text("utf-8").splitlines(keepends=True)
        places = [number for number, line in enumerate(lines, 1) if line.strip() == self.line]
        assert len(places) == 1, f"{self.path} must have one line {self.line}: {places}"
        lines.insert(places[0], self.code)
        file.write_text("".join(lines), "utf-8")


def read_guide():
    """The steps of each section `## Add …` of CONTRIBUTING.md, and of its sub-sections."""
    text = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    steps = {}
    for section in re.split(r"^(?=##+ )", text, flags=re.MULTILINE):
        title = section.partition("\n")[0].strip("# ")
        path = ""
        for match in STEP.finditer(section):
            path = match["new"] or match["edited"] or path
            steps.setdefault(title, []).append(Step(path, match["line"], match["code"]))
    return steps


GUIDE = read_guide()


def install(folder):
    """Writes the metadata that pip would write, for the entry points of a pyproject.toml."""
    project = tomllib.loads((folder / "pyproject.toml").read_text("utf-8"))["project"]
    metadata = folder / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
    )
    lines = []
    for group, points in project["entry-points"].items():
        lines += [f"[{group}]", *(f"{name} = {value}" for name, value in points.items())]
    (metadata / "entry_points.txt").write_text("\n".join(lines))


@pytest.fixture
def found(tmp_path_factory, empty_store):
    """Follows every step in one copy, and uses the result in a process of its own."""
    copy = tmp_path_factory.mktemp("copy")
    for name in ("zoo", "recipes", "tests"):
        ignore = shutil.ignore_patterns("__pycache__", "pretrained")
        shutil.copytree(ROOT / name, copy / name, ignore=ignore)
    shutil.copy(ROOT / "pyproject.toml", copy)
    for step in (step for steps in GUIDE.values() for step in steps):
        step.follow(copy)
    install(copy)
    install(copy / "my-attention")
    write_data(copy)
    shutil.copytree(empty_store, copy / "home" / "runs")
    environment = os.environ | {
        "KERAS_BACKEND": "torch",
        "PYTHONPATH": os.pathsep.join([str(copy), str(copy / "my-attention")]),
        "ZOO_DATA": str(copy / "data"),
        "ZOO_HOME": str(copy / "home"),
    }
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=copy, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-5000:]
    return json.loads((copy / "found.json").read_text("utf-8"))


def write_data(copy):
    """Writes the files of the dataset and the digests that `zoo data get` would name."""
    from zoo.data.dataset import content_digest

    module = copy / "zoo" / "data" / "weather.py"
    code = module.read_text("utf-8")
    folder = copy / "data" / "weather"
    folder.mkdir(parents=True)
    for split, rows in WEATHER.items():
        lines = ["text\tlabel", *("\t".join(row) for row in rows)]
        (folder / f"{split}.tsv").write_text("\n".join(lines) + "\n", "utf-8")
        columns = {"text": [text for text, _ in rows], "label": [label for _, label in rows]}
        placeholder = f"DIGEST_{split.upper()}"
        assert placeholder in code
        code = code.replace(placeholder, content_digest(columns))
    module.write_text(code, "utf-8")
    reviews = [("a fine film", 5), ("a dull film", 1), ("a fair film", 3)] * 10
    table = "\n".join(["text\tstars", *(f"{text} {i}\t{n}" for i, (text, n) in enumerate(reviews))])
    (copy / "reviews.tsv").write_text(table + "\n", "utf-8")


@pytest.mark.parametrize(
    "titles, places",
    [
        (["Add an attention"], ["zoo/choices.py", "zoo/layers/attention/cosine.py"]),
        (
            ["In a package of your own"],
            ["my-attention/my_attention.py", "my-attention/pyproject.toml"],
        ),
        (["Add a cell"], ["zoo/choices.py", "zoo/layers/minimal_gated.py"]),
        (["Add a dataset"], ["zoo/data/registry.py", "zoo/data/weather.py"]),
        (
            ["The model", "The recipe"],
            ["pyproject.toml", "recipes/rating", "zoo/models/text_regressor", "zoo/tasks.py"],
        ),
    ],
    ids=["attention", "attention of another package", "cell", "dataset", "task"],
)
def test_places_touched(titles, places):
    """A place is a file; of a task also its folder of models and its folder of recipes."""
    paths = [Path(step.path) for title in titles for step in GUIDE[title]]
    folders = ("zoo/models", "recipes")
    touched = {str(path.parent if str(path.parent.parent) in folders else path) for path in paths}
    assert sorted(touched) == places


def test_what_the_steps_add_is_named_in_recipes_trained_stored_and_loaded(found):
    """One test: processes of pytest-xdist would each follow the steps for theirs."""
    layers, metrics = found["sentiment"]  # an attention and a cell
    assert {"CosineAttention", "MinimalGated"} <= set(layers)
    assert 0 <= metrics["dev/accuracy"] <= 1

    assert "NegativeDistanceAttention" in found["plugin"]  # an attention of another package

    labels, splits = found["dataset"]
    assert labels == ["sunny", "rainy"]
    assert splits["dev"] == {"text": ["blue sea", "wet shoes"], "label": ["sunny", "rainy"]}
    assert len(splits["train"]["text"]) == len(WEATHER["train"])

    task, metrics, answer, tokens = found["rating"]
    assert task == "text_regressor"
    assert 0 < metrics["dev/mae"] < 10
    assert isinstance(answer["stars"], float)
    assert tokens > 0
