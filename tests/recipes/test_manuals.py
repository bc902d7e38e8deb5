"""Published recipe files are valid; the quickstart of each task documents every key."""

from importlib.metadata import entry_points
from pathlib import Path

import pytest

from zoo.training.config import load, read_yaml
from zoo.training.schema import Section

pytestmark = pytest.mark.once

FOLDER = Path(__file__).parents[2] / "recipes"
FILES = sorted(FOLDER.glob("*/*.yaml"))
TASKS = sorted(path.parent.name for path in FOLDER.glob("*/recipe.py"))
every_task = pytest.mark.parametrize("task", TASKS)


def recipe_of(task):
    (point,) = entry_points(group="zoo.recipes", name=task)
    return point.load()


@pytest.mark.parametrize("file", FILES, ids=lambda file: f"{file.parent.name}/{file.stem}")
def test_recipe_file_is_valid_and_described(file):
    recipe = recipe_of(file.parent.name)
    assert recipe.name == file.parent.name
    assert load(recipe.Config, file).description
    assert f"zoo run {file.parent.name}/{file.stem}" in file.read_text("utf-8")


def keys(schema, path=()):
    for name, field in schema.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, Section):
            yield from keys(field.annotation, (*path, name))
        else:
            yield (*path, name)


@every_task
def test_quickstart_has_every_key(task):
    content = read_yaml((FOLDER / task / "quickstart.yaml").read_text("utf-8"))
    for path in keys(recipe_of(task).Config):
        section = content
        for name in path:
            assert name in section, ".".join(path)
            section = section[name]


@every_task
def test_quickstart_documents_the_defaults(task):
    """Where a comment says `Default x`, the schema has x."""
    text = (FOLDER / task / "quickstart.yaml").read_text("utf-8")
    defaults = recipe_of(task).Config().model_dump()
    section, key, documented = "", "", {}
    for line in text.splitlines():
        if line and not line.startswith((" ", "#")):
            section, key = line.partition(":")[0], ""
        if line.startswith("  ") and line.lstrip()[0] not in "#" and line[2] != " ":
            key = line.strip().partition(":")[0]
        for word in ("Default ", "default "):
            if (comment := line.partition("#")[2]) and word in comment:
                value = comment.partition(word)[2].strip().split()[0].rstrip(":,.")
                documented[section, key or section] = value
    assert len(documented) > 30
    for (section, key), value in documented.items():
        expected = defaults[section] if key == section else defaults[section][key]
        assert read_yaml(value) == expected, f"{section}.{key}"
