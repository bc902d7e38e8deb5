"""The rules of the layout, checked on the imports in the source.

An import at the top of a module runs with it, so circles are sought among those alone. An import
in a function still makes its package depend on another, so the order of the floors holds for both.
An import under `if TYPE_CHECKING` never runs and is free.
"""

import graphlib
import importlib.util
from pathlib import Path

import pytest

pytestmark = pytest.mark.once

ROOT = Path(__file__).resolve().parent.parent
SCRIPT = ROOT / "docs" / "architecture.py"
# The engine's modules from the ground up; each may import those before it.
ENGINE = ("schema", "config", "recipe", "loop", "session", "study", "runner")


def _load_script():
    spec = importlib.util.spec_from_file_location("architecture", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


architecture = _load_script()
IMPORTS = architecture.read_imports()
FLOOR = architecture.FLOOR
RANK = architecture.RANK


def check(rule, broken):
    """Fails with the rule and every import that breaks it, a line each."""
    lines = [f"{it.place}: {it.importer} imports {it.imported}" for it in broken]
    if lines:
        pytest.fail("\n".join([f"{rule}:", *lines]), pytrace=False)


def test_every_package_has_one_floor():
    on_floors = sum(architecture.FLOORS, ())
    assert len(on_floors) == len(set(on_floors))
    names = {architecture.package(it.importer) for it in IMPORTS}
    names |= {path.stem for path in (ROOT / "zoo").iterdir() if path.suffix == ".py"}
    names |= {path.parent.name for path in (ROOT / "zoo").glob("*/__init__.py")}
    unknown = names - set(FLOOR) - {"__init__"}
    assert not unknown, f"Give each a floor in FLOORS of {SCRIPT.name}: {sorted(unknown)}"


def test_modules_import_one_another_in_no_circle():
    eager = {}
    for it in IMPORTS:
        if not it.lazy and it.importer != it.imported:
            eager.setdefault(it.importer, {})[it.imported] = it.place
    try:
        graphlib.TopologicalSorter(eager).prepare()
    except graphlib.CycleError as error:
        circle = error.args[1][::-1]  # from importer to imported
        steps = [
            f"{eager[one][other]}: {one} imports {other}"
            for one, other in zip(circle, circle[1:], strict=False)
        ]
        message = "\n".join(["Modules must not import one another in a circle:", *steps])
        pytest.fail(message, pytrace=False)


def test_packages_import_lower_floors_alone():
    broken = []
    for it in IMPORTS:
        one, other = architecture.package(it.importer), architecture.package(it.imported)
        if one != other and RANK[one] <= RANK[other]:
            broken.append(it)
    order = " < ".join(" ".join(names) for names in architecture.FLOORS)
    check(f"A package may import what stands on a lower floor ({order})", broken)


def test_the_library_does_not_import_recipes():
    check(
        "`zoo` must not import `recipes`: they are found by entry point",
        [it for it in IMPORTS if it.importer.startswith("zoo") and it.imported[:7] == "recipes"],
    )


def test_the_training_engine_imports_in_its_order():
    order = {f"zoo.training.{name}": position for position, name in enumerate(ENGINE)}
    missing = [name for name in order if not any(it.importer == name for it in IMPORTS)]
    assert not missing, f"zoo/training must have {', '.join(ENGINE)}. Missing: {missing}"
    check(
        f"Each module of zoo/training imports those before it: {' < '.join(ENGINE)}",
        [
            it
            for it in IMPORTS
            if it.importer in order and order.get(it.imported, -1) > order[it.importer]
        ],
    )


# Recipes that are a subclass of another one: with its model and its data, and other metrics.
SUBCLASSES = {
    ("recipes.dialogue", "recipes.translation"),
    ("recipes.summarization", "recipes.translation"),
}


@pytest.mark.parametrize("top", ["zoo.models", "recipes"])
def test_the_folder_of_a_task_imports_that_of_no_other(top):
    tasks = {
        f"{top}.{path.parent.name}"
        for path in (ROOT / top.replace(".", "/")).glob("*/__init__.py")
        if path.parent.name != "generation"  # the base of the models that generate text
    }

    def task(module):
        return next((it for it in tasks if f"{module}.".startswith(f"{it}.")), None)

    check(
        "What two tasks share stands above their folders",
        [
            it
            for it in IMPORTS
            if task(it.importer)
            and task(it.imported) not in (None, task(it.importer))
            and (task(it.importer), task(it.imported)) not in SUBCLASSES
        ],
    )


def test_the_folder_mlflow_holds_no_python():
    files = [str(path.relative_to(ROOT)) for path in (ROOT / "mlflow").rglob("*.py")]
    assert not files, f"A module in mlflow/ would hide the installed package: {files}"


def test_the_picture_is_current():
    now, drawn = architecture.arrows(IMPORTS), architecture.drawn_arrows()
    assert now == drawn, (
        f"Run `python docs/architecture.py`. New: {sorted(set(now) - set(drawn))}, "
        f"gone: {sorted(set(drawn) - set(now))}"
    )


def test_imports_are_read_with_their_place(tmp_path):
    (tmp_path / "recipes").mkdir()
    (tmp_path / "zoo" / "data").mkdir(parents=True)
    (tmp_path / "zoo" / "data" / "__init__.py").write_text("")
    (tmp_path / "zoo" / "data" / "tables.py").write_text(
        "import os\nfrom typing import TYPE_CHECKING\n\nif TYPE_CHECKING:\n    import zoo.data\n"
    )
    (tmp_path / "zoo" / "home.py").write_text(
        "from zoo.data import tables, load\n\n"
        "def late():\n    import zoo.data.tables\n    importlib.import_module('zoo.data')\n"
    )
    found = architecture.read_imports(tmp_path)
    assert {(it.importer, it.imported, it.place, it.lazy) for it in found} == {
        ("zoo.home", "zoo.data.tables", "zoo/home.py:1", False),
        ("zoo.home", "zoo.data", "zoo/home.py:1", False),
        ("zoo.home", "zoo.data.tables", "zoo/home.py:4", True),
        ("zoo.home", "zoo.data", "zoo/home.py:5", True),
    }


def test_an_arrow_that_others_imply_is_left_out():
    def imports(*pairs):
        return [architecture.Import(f"zoo.{a}", f"zoo.{b}", "", False) for a, b in pairs]

    chain = imports(("cli", "training"), ("training", "models"))
    assert architecture.arrows(
        chain + imports(("cli", "models"), ("models", "tags"), ("data", "cli"))
    ) == [("cli", "training"), ("training", "models")]
