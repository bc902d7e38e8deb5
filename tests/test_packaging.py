"""Contents and dependencies of the distribution, and the set-up that the README describes."""

import ast
import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

import zoo
from tests.__main__ import BACKENDS, Outcome, read, slowest, summary

pytestmark = pytest.mark.once

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The file names in a wheel that is built from a copy."""
    copy = tmp_path_factory.mktemp("copy")
    for name in ("pyproject.toml", "README.md", "LICENSE", "NOTICE"):
        shutil.copy(ROOT / name, copy)
    for name in ("zoo", "recipes", "mlflow", "tests"):
        ignore = shutil.ignore_patterns("__pycache__", "*.h5")
        shutil.copytree(ROOT / name, copy / name, ignore=ignore)
    command = "import setuptools.build_meta as it; it.build_wheel('dist')"
    subprocess.run([sys.executable, "-c", command], cwd=copy, check=True, capture_output=True)
    (built,) = (copy / "dist").glob("*.whl")
    with zipfile.ZipFile(built) as archive:
        return archive.namelist()


def test_wheel_has_every_module_and_nothing_else(wheel):
    modules = {name for name in wheel if name.endswith(".py")}
    assert modules == {
        str(path.relative_to(ROOT))
        for top in ("zoo", "recipes")
        for path in (ROOT / top).rglob("*.py")
    }
    assert {name.split("/")[0].split("-")[0] for name in wheel} == {"zoo", "recipes", "seqzoo"}


def test_wheel_has_recipes_data_presets_and_licence(wheel):
    for path in [
        *(ROOT / "recipes").rglob("*.yaml"),
        *(ROOT / "zoo" / "data" / "files").rglob("*.gz"),
        *(ROOT / "zoo" / "presets" / "pretrained").rglob("*.json"),
    ]:
        assert str(path.relative_to(ROOT)) in wheel
    assert any(name.endswith("licenses/LICENSE") for name in wheel)


def test_a_folder_called_zoo_does_not_hide_an_editable_install(tmp_path):
    copy, elsewhere = tmp_path / "copy", tmp_path / "elsewhere"
    (elsewhere / "zoo").mkdir(parents=True)
    for name in ("zoo", "recipes"):
        (copy / name).mkdir(parents=True)
        (copy / name / "__init__.py").write_text("__version__ = 'found'")
    for name in ("pyproject.toml", "README.md", "LICENSE", "NOTICE"):
        shutil.copy(ROOT / name, copy)
    command = "import setuptools.build_meta as it; it.build_editable('dist')"
    subprocess.run([sys.executable, "-c", command], cwd=copy, check=True, capture_output=True)
    (built,) = (copy / "dist").glob("*.whl")
    with zipfile.ZipFile(built) as archive:
        archive.extractall(tmp_path / "site")
    program = "import site, sys; site.addsitedir(sys.argv[1]); import zoo; print(zoo.__version__)"
    found = subprocess.run(
        [sys.executable, "-S", "-c", program, str(tmp_path / "site")],
        cwd=elsewhere,
        env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
        check=True,
        capture_output=True,
        text=True,
    )
    assert found.stdout == "found\n"


def test_mlflow_folder_does_not_hide_the_library():
    assert not (ROOT / "mlflow.py").exists()
    import mlflow.version

    assert ROOT not in Path(mlflow.version.__file__).parents or ".venv" in mlflow.version.__file__


def test_versions_agree():
    assert zoo.__version__ == PROJECT["version"] == importlib.metadata.version("seqzoo")


def test_every_recipe_of_the_project_is_an_entry_point():
    points = importlib.metadata.entry_points(group="zoo.recipes")
    ours = {point.name for point in points if point.module.startswith("recipes.")}
    assert ours == {path.parent.name for path in (ROOT / "recipes").glob("*/recipe.py")}


def test_imported_packages_are_declared():
    needs = [*PROJECT["dependencies"]]
    for extra, packages in PROJECT["optional-dependencies"].items():
        needs += packages if extra not in ("all", "test") else []
    declared = {_plain(re.match(r"[\w.-]+", need)[0]) for need in needs}
    providers = importlib.metadata.packages_distributions()
    for path in [*(ROOT / "zoo").rglob("*.py"), *(ROOT / "recipes").rglob("*.py")]:
        for module in _imported(path) - sys.stdlib_module_names - {"zoo", "recipes"}:
            names = {_plain(name) for name in providers.get(module, [module])}
            assert names & declared, f"{path} imports {module}, of {names}"


def _imported(path):
    """The top-level modules that a file imports, anywhere in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found.add(node.module.partition(".")[0])
    return found


def _plain(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def test_constraints_pin_every_dependency_without_urls():
    lines = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    pins = [line for line in lines if not line.startswith("#")]
    assert all(re.fullmatch(r"[a-z0-9-]+==[\w.]+", pin) for pin in pins)
    names = {pin.partition("==")[0] for pin in pins}
    extras = sum((it for name, it in PROJECT["optional-dependencies"].items() if name != "all"), [])
    needed = {_plain(re.match(r"[\w.-]+", need)[0]) for need in PROJECT["dependencies"] + extras}
    assert needed <= names


def test_installed_versions_satisfy_the_constraints():
    pins = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    extras = PROJECT["optional-dependencies"]
    # Tests skip without these.
    optional = [_plain(need) for need in extras["team"] + extras["score"] + extras["ray"]]
    for name, version in (pin.split("==") for pin in pins if not pin.startswith("#")):
        try:
            installed = importlib.metadata.version(name).partition("+")[0]
        except importlib.metadata.PackageNotFoundError:
            assert any(need.startswith(name) for need in optional), name
            continue
        assert installed == version, name


def test_set_up_names_no_package_index():
    for name in ("pyproject.toml", "constraints.txt", "Makefile", ".ci/run"):
        text = (ROOT / name).read_text("utf-8")
        assert "://" not in text and "--index-url" not in text, name


def test_summary_ends_with_totals():
    outcomes = {
        "tensorflow": Outcome(passed=10, skipped=1, seconds=12.4),
        "jax": Outcome(passed=9, failed=2, seconds=3.0),
    }
    table = summary(outcomes).splitlines()
    assert table[1].split() == ["tensorflow", "10", "0", "1", "12"]
    assert table[-1] == "19 passed, 2 failed, 1 skipped"
    assert BACKENDS == ("tensorflow", "jax", "torch")


@pytest.mark.parametrize(
    "code, failures, errors, expected",
    [
        (0, 0, 0, Outcome(passed=6, failed=0, skipped=1, seconds=1.5)),
        (1, 1, 2, Outcome(passed=3, failed=3, skipped=1, seconds=1.5)),
        (2, 0, 0, Outcome(passed=6, failed=1, skipped=1, seconds=1.5)),
    ],
)
def test_report_is_read(tmp_path, code, failures, errors, expected):
    report = tmp_path / "jax.xml"
    report.write_text(
        f'<testsuites><testsuite tests="7" failures="{failures}" errors="{errors}" skipped="1" '
        'time="1.5"/></testsuites>'
    )
    assert read(report, code) == expected


def test_slowest_tests_of_all_backends(tmp_path):
    for backend, times in (("jax", "9.5 0.5"), ("torch", "4 0.1")):
        cases = [
            f'<testcase classname="tests.of" name="number_{i}" time="{time}"/>'
            for i, time in enumerate(times.split())
        ]
        report = tmp_path / f"{backend}.xml"
        report.write_text(f"<testsuites><testsuite>{''.join(cases)}</testsuite></testsuites>")
    reports = {name: tmp_path / f"{name}.xml" for name in ("tensorflow", "jax", "torch")}
    assert [line.split() for line in slowest(reports, 3).splitlines()[1:]] == [
        ["9.5", "jax", "tests.of::number_0"],
        ["4.0", "torch", "tests.of::number_0"],
        ["0.5", "jax", "tests.of::number_1"],
    ]


def test_missing_report_is_a_failure(tmp_path):
    assert read(tmp_path / "none.xml", 0) == Outcome(failed=1)
