"""`zoo recipes` and `zoo run`, with a recipe of a third party: a package that only these tests
install."""

import importlib
import json
import sys

import pytest

from zoo.cli import main
from zoo.cli.recipe_files import find

pytestmark = pytest.mark.once

MODULE = """
from zoo.training import RecipeConfig, RecipeSpec

RECIPE = RecipeSpec("weather", RecipeConfig, "weather_recipes.recipe:WeatherRecipe")
"""


@pytest.fixture
def third_party(tmp_path, monkeypatch):
    """A distribution with the recipe `weather`; gives its folder."""
    package = tmp_path / "weather_recipes"
    package.mkdir()
    (package / "__init__.py").write_text(MODULE)
    (package / "quickstart.yaml").write_text("description: Rain\n  or shine.\n")
    (package / "storm.yaml").write_text("description: Only storms.\n")
    info = tmp_path / "weather-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: weather\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[zoo.recipes]\nweather = weather_recipes:RECIPE\ngone = no_such:RECIPE\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    importlib.invalidate_caches()
    yield package
    for name in [name for name in sys.modules if name.startswith("weather_recipes")]:
        del sys.modules[name]


@pytest.fixture
def calls(monkeypatch):
    """The calls of `zoo.training.run`, which does nothing: recipe, name, overrides, options."""
    made = []

    def run(spec, name, overrides, **options):
        made.append((spec.name, name, overrides, options))

    monkeypatch.setattr("zoo.training.runner.run", run)
    return made


def test_recipes_of_all_distributions_are_listed_without_import(third_party, capsys):
    assert main(["recipes", "--json"]) == 0
    found = {recipe["name"]: recipe for recipe in json.loads(capsys.readouterr().out)}
    assert found["weather/quickstart"]["description"] == "Rain or shine."
    assert found["weather/storm"]["path"] == str(third_party / "storm.yaml")
    assert "sentiment/quickstart" in found
    assert not any(name.startswith("gone/") for name in found)
    assert "weather_recipes" not in sys.modules


def test_invalid_file_does_not_break_the_list(third_party, capsys):
    (third_party / "storm.yaml").write_text("a: [")
    assert main(["recipes"]) == 0
    line = next(it for it in capsys.readouterr().out.splitlines() if "weather/storm" in it)
    assert "(not valid YAML)" in line


def test_recipe_file_is_printed_unchanged(third_party, capsys):
    assert main(["recipes", "weather/storm"]) == 0
    assert capsys.readouterr().out == "description: Only storms.\n"


def test_run_passes_its_options(third_party, calls, tmp_path):
    words = ["weather/storm", "a.b=1", "--output", str(tmp_path), "c=d=e", "--no-progress"]
    assert main(["run", *words]) == 0
    options = {"resume": None, "output": tmp_path, "progress": False, "seeds": ()}
    assert calls == [("weather", "storm", ["a.b=1", "c=d=e"], options)]


def test_run_defaults_to_the_quickstart_and_resumes(third_party, calls):
    assert main(["run", "weather", "--resume", "abc"]) == 0
    options = {"resume": "abc", "output": None, "progress": True, "seeds": ()}
    assert calls == [("weather", "quickstart", [], options)]


def test_own_file_names_its_recipe(third_party, calls, tmp_path, capsys):
    file = tmp_path / "mine.yaml"
    assert main(["recipes", "weather/storm", "-o", str(file)]) == 0
    assert file.read_text() == "recipe: weather\ndescription: Only storms.\n"
    assert f"next: edit it, then zoo run {file}" in capsys.readouterr().out
    assert main(["run", str(file), "a.b=1"]) == 0
    assert [call[:3] for call in calls] == [("weather", str(file), ["a.b=1"])]


def test_recipe_with_the_key_is_copied_unchanged(tmp_path):
    file = tmp_path / "mine.yaml"
    assert main(["recipes", "sentiment/quickstart", "-o", str(file)]) == 0
    assert file.read_text("utf-8") == find("sentiment/quickstart").path.read_text("utf-8")


@pytest.mark.parametrize(
    "name, message",
    [
        ("there.yaml", "The file exists and would be overwritten"),
        ("new.txt", "A recipe file ends in .yaml"),
    ],
)
def test_recipe_is_written_only_to_new_yaml_files(third_party, tmp_path, name, message, capsys):
    (tmp_path / "there.yaml").write_text("mine")
    assert main(["recipes", "weather", "-o", str(tmp_path / name)]) == 2
    assert message in capsys.readouterr().err
    assert (tmp_path / "there.yaml").read_text() == "mine" and not (tmp_path / "new.txt").exists()


@pytest.mark.parametrize(
    "content, message",
    [
        (None, "There is no such file"),
        ("a: [", "The key `recipe` of a file must be one of"),
        ("description: x", "Received: recipe: None"),
        ("recipe: wether", "Did you mean `weather`?"),
        ("recipe: [1]", "Received: recipe: [1]"),
    ],
)
def test_file_without_a_recipe_is_refused(third_party, calls, tmp_path, content, message, capsys):
    file = tmp_path / "mine.yaml"
    if content is not None:
        file.write_text(content)
    assert main(["run", str(file)]) == 2
    assert message in capsys.readouterr().err and calls == []


@pytest.mark.parametrize(
    "words, message",
    [
        (["weather/strom"], "There is no recipe `weather/strom`. Did you mean `weather/storm`"),
        (["wether"], "There is no recipe `wether`. Did you mean `weather/quickstart`"),
        (["weather", "a.b"], "are written KEY.SUB=VALUE. Received: a.b"),
    ],
)
def test_wrong_arguments_are_refused_before_import(third_party, words, message, capsys):
    assert main(["run", *words]) == 2
    said = capsys.readouterr().err
    assert message in said and "\nnext: zoo recipes" in said
    assert "weather_recipes" not in sys.modules


def test_two_distributions_with_the_same_recipe(third_party, capsys):
    info = third_party.parent / "storms-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: storms\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[zoo.recipes]\nweather = weather_recipes:OTHER\n")
    assert main(["run", "weather/storm"]) == 2
    assert "More than one installed distribution" in capsys.readouterr().err
