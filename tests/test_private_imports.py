"""Private modules of Keras and KerasHub that the zoo imports: each listed, each still there."""

import ast
import importlib
import importlib.metadata
import importlib.util
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

pytestmark = pytest.mark.once

ROOT = Path(__file__).resolve().parent.parent

# Each private name, and why no public one serves. A new entry needs an upper bound in
# pyproject.toml on the package that it comes from.
PRIVATE = {
    "keras.src.trainers.data_adapters.data_adapter.DataAdapter": (
        "base class of `Batches`: `fit` shuffles a PyDataset, and on TensorFlow takes the shapes "
        "of its first batches for those of all"
    ),
    "keras.src.trainers.data_adapters.data_adapter_utils.get_torch_dataloader": (
        "wraps an iterator of batches for the torch trainer"
    ),
    "keras_hub.src.utils.tensor_utils.preprocessing_function": (
        "runs `Seq2SeqLMPreprocessor`'s second tokenizer inside and outside of `tf.data`"
    ),
}


def private_imports():
    """Every name of a private module that the library uses, with the files that use it."""
    found = {}
    for path in [*(ROOT / "zoo").rglob("*.py"), *(ROOT / "recipes").rglob("*.py")]:
        tree = ast.parse(path.read_text("utf-8"))
        modules = {}
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and ".src" in (node.module or ""):
                for alias in node.names:
                    modules[alias.asname or alias.name] = f"{node.module}.{alias.name}"
            elif isinstance(node, ast.Import):
                for alias in node.names:
                    assert ".src" not in alias.name, f"{path}: write `from {alias.name} import …`"
        used = {name for name in modules.values() if not _is_module(name)}
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                base = modules.get(node.value.id, "")
                used |= {f"{base}.{node.attr}"} if _is_module(base) else set()
        for name in used:
            found.setdefault(name, []).append(str(path.relative_to(ROOT)))
    return found


def _is_module(name):
    try:
        return bool(name) and importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:
        return False


def test_each_private_name_is_listed():
    assert set(private_imports()) == set(PRIVATE)


@pytest.mark.parametrize("name", PRIVATE)
def test_each_private_name_exists(name):
    module, _, attribute = name.rpartition(".")
    package = module.partition(".")[0]
    version = importlib.metadata.version(package.replace("_", "-"))
    try:
        found = getattr(importlib.import_module(module), attribute, None)
    except ImportError:
        found = None
    assert found is not None, (
        f"{package} {version} has no {name}, used by {private_imports().get(name)}: adapt those "
        f"files before the upper bound of {package} in pyproject.toml is raised."
    )


@pytest.mark.parametrize("package", ["keras", "keras-hub", "keras-nlp"])
def test_packages_with_private_imports_have_an_upper_bound(package):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    listed = [*project["dependencies"], *project["optional-dependencies"]["tensorflow"]]
    needs = {need.name: need for need in map(Requirement, listed)}
    bounds = [bound.operator for bound in needs[package].specifier]
    assert "<" in bounds, f"{package} needs an upper bound. Received: {needs[package]}"
    assert needs[package].specifier.contains(importlib.metadata.version(package))
