"""`zoo recipes` and `zoo run`, with a recipe of a third party: a package that only these tests
install."""

import importlib
import json
import sys

import pytest

from zoo.cli import main

pytestmark = pytest.mark.once

MODULE = """
class Recipe:
    calls = []

    @classmethod
    def run(cls, name, overrides, **options):
        cls.calls.append((name, overrides, options))
"""


@pytest.fixture
def third_party(tmp_path, monkeypatch):
    """A distribution with the recipe `weather`; gives its folder."""
    package = tmp_path / "weather_recipes"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "recipe.py").write_text(MODULE)
    (package / "quickstart.yaml").write_text("description: Rain\n  or shine.\n")
    (package / "storm.yaml").write_text("description: Only storms.\n")
    info = tmp_path / "weather-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: weather\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[zoo.recipes]\nweather = weather_recipes.recipe:Recipe\ngone = no_such.recipe:Recipe\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    importlib.invalidate_caches()
    yield package
    for name in [name for name in sys.modules if name.startswith("weather_recipes")]:
        del sys.modules[name]


def calls():
    return sys.modules["weather_recipes.recipe"].Recipe.calls


def test_recipes_of_all_distributions_are_listed_without_import(third_party, capsys):
    assert main(["recipes", "--json"]) == 0
    found = {recipe["name"]: recipe for recipe in json.loads(capsys.readouterr().out)}
    assert found["weather/quickstart"]["description"] == "Rain or shine."
    assert found["weather/storm"]["path"] == str(third_party / "storm.yaml")
    assert "sentiment/quickstart" in found
    assert not any(name.startswith("gone/") for name in found)
    assert "weather_recipes.recipe" not in sys.modules


def test_invalid_file_does_not_break_the_list(third_party, capsys):
    (third_party / "storm.yaml").write_text("a: [")
    assert main(["recipes"]) == 0
    line = next(it for it in capsys.readouterr().out.splitlines() if "weather/storm" in it)
    assert "(not valid YAML)" in line


def test_recipe_file_is_printed_unchanged(third_party, capsys):
    assert main(["recipes", "weather/storm"]) == 0
    assert capsys.readouterr().out == "description: Only storms.\n"


def test_run_passes_its_options(third_party, tmp_path):
    words = ["weather/storm", "a.b=1", "--output", str(tmp_path), "c=d=e", "--no-progress"]
    assert main(["run", *words]) == 0
    options = {"resume": None, "output": tmp_path, "progress": False}
    assert calls() == [("storm", ["a.b=1", "c=d=e"], options)]


def test_run_defaults_to_the_quickstart_and_resumes(third_party):
    assert main(["run", "weather", "--resume", "abc"]) == 0
    assert calls() == [("quickstart", [], {"resume": "abc", "output": None, "progress": True})]


@pytest.mark.parametrize(
    "words, message",
    [
        (["weather/strom"], "There is no recipe `weather/strom`. Did you mean `weather/storm`"),
        (["wether"], "There is no recipe `wether`. Did you mean `weather/quickstart`"),
        (["weather", "a.b"], "is written KEY.SUB=VALUE. Received: a.b"),
    ],
)
def test_wrong_arguments_are_refused_before_import(third_party, words, message, capsys):
    assert main(["run", *words]) == 2
    said = capsys.readouterr().err
    assert message in said and "\nnext: zoo recipes" in said
    assert "weather_recipes.recipe" not in sys.modules


def test_two_distributions_with_the_same_recipe(third_party, capsys):
    info = third_party.parent / "storms-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: storms\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[zoo.recipes]\nweather = weather_recipes.recipe:Other\n"
    )
    assert main(["run", "weather/storm"]) == 2
    assert "More than one installed distribution" in capsys.readouterr().err
