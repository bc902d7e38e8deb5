"""The base installation with torch alone, and the extras that add the rest."""

import importlib.metadata
import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from zoo import backends, extras
from zoo.extras import MissingExtra, need

pytestmark = pytest.mark.once

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]
SOURCES = [*(ROOT / "zoo").rglob("*.py"), *(ROOT / "recipes").rglob("*.py")]
# Texts that name extras, beside the sources.
TEXTS = [
    *(ROOT / name for name in ("Makefile", "constraints.txt", "pyproject.toml")),
    *(it for it in ROOT.rglob("*.md") if not it.relative_to(ROOT).parts[0].startswith(".")),
]

TRAIN, DRAW = 'pip install "seqzoo[train]"', 'pip install "seqzoo[draw]"'
QUICKSTART, CLASSIFIER = "sentiment/quickstart", "bilstm_bahdanau_sst2_en"
TAGGER = "bilstm_crf_ewt_en_upos"
# Commands with what they print, in an installation of the base and torch.
COMMANDS = [
    (f"infer {CLASSIFIER} good --backend jax", 'pip install "seqzoo[jax]"'),
    ("ls", CLASSIFIER),
    ("recipes", QUICKSTART),
    (f"recipes {QUICKSTART}", "recipe: sentiment"),
    (f"show {CLASSIFIER}", "macro_f1"),
    ("data ls", "generated_reviews"),
    ("eval --help", "usage: zoo eval"),
    (f"infer {CLASSIFIER} good", "positive"),
    (f"explain {CLASSIFIER} good -o map.html", "map.html"),
    (f"eval {CLASSIFIER} --behaviour", "negation"),
    (f"run {QUICKSTART}", TRAIN),
    (f"sweep {QUICKSTART} model.units=2,3", TRAIN),
    (f"eval {CLASSIFIER}", TRAIN),
    ("infer models:/quickstart@champion good", TRAIN),
    ("infer gru_bahdanau_multi30k_en_de a --set temperature=1 --set mbr=2", TRAIN),
    ("presets import", TRAIN),
    ("registry ls", TRAIN),
    ("runs tidy", TRAIN),
    ("ui", TRAIN),
    (f"explain {CLASSIFIER} good", DRAW),
    ("infer bilstm_ctc_fsdd_digits_en a.wav --html a.html", DRAW),
    ("infer bilstm_ctc_fsdd_digits_en a.wav", 'pip install "seqzoo[speech]"'),
    (f"serve {CLASSIFIER}", 'pip install "seqzoo[serve]"'),
    (f"score {CLASSIFIER} a.csv answers.csv --column text", 'pip install "seqzoo[score]"'),
    ("vectors train a.csv --output vectors", 'pip install "seqzoo[vectors]"'),
    (f"export {TAGGER} -o tagger", 'pip install "seqzoo[tensorflow]"'),
    (f"export {TAGGER} --format onnx -o tagger", 'pip install "seqzoo[onnx]"'),
]
# Runs commands where the modules in REFUSED are not found, and prints what each has printed.
PROGRAM = """
import contextlib, importlib.abc, importlib.metadata, io, json, sys

finders = list(sys.meta_path)


class Hiding(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name in REFUSED:
            return None
        found = (finder.find_spec(name, path, target) for finder in finders)
        return next((spec for spec in found if spec is not None), None)

    def find_distributions(self, *context):
        return importlib.metadata.MetadataPathFinder.find_distributions(*context)


sys.meta_path[:] = [Hiding()]

from zoo.cli import main

printed = []
for words in COMMANDS:
    said = io.TextIOWrapper(io.BytesIO())
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        main(words.split())
        said.flush()
    printed.append(said.buffer.getvalue().decode())
print(json.dumps(printed))
"""


def _name(requirement):
    return canonicalize_name(Requirement(requirement).name)


def _names(requirements):
    return {_name(it) for it in requirements}


def _installed_with(names):
    """Distributions, and those that they require, but for TensorFlow Text, on this machine."""
    found, left = set(), list(names)
    while left:
        name = canonicalize_name(left.pop())
        if name in found or name == "tensorflow-text":
            continue
        found.add(name)
        needs = map(Requirement, importlib.metadata.requires(name) or [])
        left += [it.name for it in needs if it.marker is None or it.marker.evaluate({"extra": ""})]
    return found


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """What each command prints in an installation of the base, torch and KerasHub."""
    kept = _installed_with([*_names(PROJECT["dependencies"]), "torch", "keras-hub"])
    refused = [
        module
        for module, names in importlib.metadata.packages_distributions().items()
        if not kept & set(map(canonicalize_name, names)) and module not in ("zoo", "recipes")
    ]
    assert {"tensorflow", "jax", "mlflow", "matplotlib", "sklearn", "soundfile"} <= set(refused)
    folder = tmp_path_factory.mktemp("base")
    (folder / "a.csv").write_text("text\ngood\n")
    (folder / "a.wav").write_bytes(b"")
    commands = [words for words, _ in COMMANDS]
    said = subprocess.run(
        [sys.executable, "-c", f"REFUSED = {refused!r}\nCOMMANDS = {commands!r}\n{PROGRAM}"],
        cwd=folder,
        env={name: value for name, value in os.environ.items() if name != "KERAS_BACKEND"}
        | {"PYTHONPATH": str(ROOT), "ZOO_HOME": str(folder), "KERAS_HOME": str(folder)},
        capture_output=True,
        text=True,
    )
    assert said.returncode == 0, said.stderr
    return dict(zip(commands, json.loads(said.stdout.splitlines()[-1]), strict=True))


@pytest.mark.parametrize("words, expected", COMMANDS)
def test_base_and_torch_run_a_command_or_name_the_extra(base, words, expected):
    assert expected in base[words]


@pytest.mark.parametrize(
    "modules, named",
    [
        (["no_a"], "no_a, which is not installed"),
        (["no_a", "no_b", "json"], "no_a, no_b, which are not installed"),
        (["no_a", "no_b", "no_c", "no_d"], "no_a, no_b, no_c and 1 more, which are not installed"),
    ],
)
def test_what_is_missing_is_named_with_the_line_that_installs_it(modules, named):
    with pytest.raises(MissingExtra) as raised:
        need("draw", "Drawing", *modules)
    assert str(raised.value) == f"Drawing needs {named}: {DRAW}"
    assert raised.value.hint == DRAW
    need("draw", "Drawing", "json")


def test_a_folder_of_that_name_is_no_module(tmp_path, monkeypatch):
    (tmp_path / "no_such_module").mkdir()
    monkeypatch.syspath_prepend(tmp_path)
    assert not extras.is_installed("no_such_module")
    (tmp_path / "no_such_module" / "__init__.py").touch()
    assert extras.is_installed("no_such_module")


def test_extras_have_the_packages_of_their_modules():
    providers = importlib.metadata.packages_distributions()
    for extra, modules in extras.MODULES.items():
        for module in modules:
            names = map(canonicalize_name, providers.get(module, [module]))
            assert set(names) & _names(EXTRAS[extra]), f"{extra} does not install {module}"


def test_all_has_every_extra_but_those_of_servers_and_tests():
    (every,) = map(Requirement, EXTRAS["all"])
    assert every.name == PROJECT["name"]
    assert every.extras == set(EXTRAS) - {"all", "team", "test"}


def test_extras_that_texts_and_sources_name_exist():
    named = {}
    for path in TEXTS + SOURCES:
        for found in re.findall(r"(?:seqzoo|\"\.|-e \.)\[([\w,]+)\]", path.read_text("utf-8")):
            named |= dict.fromkeys(found.split(","), path)
    for path in SOURCES:
        calls = re.findall(r"\b(?:need|install)\(\s*\"(\w+)\"", path.read_text("utf-8"))
        named |= dict.fromkeys(calls, path)
    assert {"train", "draw", "speech", "serve", "sweep", "torch"} <= set(named)
    unknown = {extra: str(path) for extra, path in named.items() if extra not in EXTRAS}
    assert not unknown


def test_base_has_what_keras_hub_requires_but_for_tensorflow():
    required = map(Requirement, importlib.metadata.requires("keras-hub"))
    names = {it.name for it in required if it.marker is None or "extra" not in str(it.marker)}
    assert names - _installed_with(_names(PROJECT["dependencies"])) == {"tensorflow-text"}
    (stated,) = (it for it in EXTRAS["tensorflow"] if it.startswith("keras-hub"))
    assert f'pip install --no-deps "{stated}"' == backends.INSTALL_KERAS_HUB


# Backends


@pytest.fixture
def only(monkeypatch, tmp_path):
    """Lets a machine have these modules alone, in a process without Keras."""
    monkeypatch.delitem(sys.modules, "keras", raising=False)
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))

    def install(*modules):
        monkeypatch.setattr(backends, "is_installed", lambda name: name in modules)

    yield install
    monkeypatch.delenv("KERAS_BACKEND", raising=False)


def test_the_only_backend_is_taken(only, tmp_path):
    (tmp_path / "keras.json").write_text('{"backend": "tensorflow"}')  # as Keras writes it
    only("jax")
    backends.provide_backend()
    assert os.environ["KERAS_BACKEND"] == backends.current() == "jax"
    assert backends.installed() == ("jax",)


@pytest.mark.parametrize("chosen", [None, "jax"])
def test_a_choice_is_kept(only, chosen, monkeypatch):
    only("torch", "jax") if chosen is None else only("torch")
    if chosen:
        monkeypatch.setenv("KERAS_BACKEND", chosen)
    backends.provide_backend()
    assert os.environ.get("KERAS_BACKEND") == chosen


@pytest.mark.parametrize(
    "there, settings, preferred, expected",
    [
        (("tensorflow", "torch"), "tensorflow", "torch", "torch"),
        (("tensorflow", "jax", "torch"), "jax", "torch", None),
        (("tensorflow", "jax"), "tensorflow", "torch", None),
        (("jax",), "tensorflow", "torch", "jax"),
    ],
)
def test_of_several_backends_one_is_preferred(only, tmp_path, there, settings, preferred, expected):
    (tmp_path / "keras.json").write_text(json.dumps({"backend": settings}))
    only(*there)
    backends.provide_backend(preferred)
    assert os.environ.get("KERAS_BACKEND") == expected


def test_no_backend_names_the_choices(only):
    only()
    with pytest.raises(MissingExtra) as raised:
        backends.check_models()
    for name in backends.BACKENDS:
        assert f'pip install "seqzoo[{name}]"' in str(raised.value)


def test_a_missing_backend_names_those_that_are_there(only, monkeypatch):
    only("torch", "jax", "keras_hub")
    with pytest.raises(MissingExtra, match="tensorflow is not installed.* jax or torch. Received"):
        backends.check_models()
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    backends.check_models()


def test_keras_hub_is_installed_without_tensorflow(only):
    only("torch")
    backends.provide_backend()
    with pytest.raises(MissingExtra, match=f"^Models need KerasHub: {backends.INSTALL_KERAS_HUB}$"):
        backends.check_models()
    only("tensorflow")
    os.environ["KERAS_BACKEND"] = "tensorflow"
    with pytest.raises(MissingExtra, match=r'KerasHub: pip install "seqzoo\[tensorflow\]"$'):
        backends.check_models()
