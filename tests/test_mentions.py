"""Names in docstrings, comments and manuals exist: objects, commands, options, models, datasets."""

import ast
import functools
import importlib
import io
import re
import shlex
import tokenize
from pathlib import Path

import pytest

import zoo
from zoo import data
from zoo.cli import program, recipe_files

pytestmark = pytest.mark.once

ROOT = Path(zoo.__file__).parents[1]
MANUALS = [
    path
    for path in (*ROOT.glob("*.md"), *ROOT.glob("*/*.md"), *ROOT.glob("*/*/README.md"))
    if path.name not in ("CHANGELOG.md", "CONTRIBUTING.md")  # old names; names to be added
]
SOURCES = [*(ROOT / "zoo").rglob("*.py"), *(ROOT / "recipes").rglob("*.py")]
TOP = sorted(path.stem for path in (ROOT / "zoo").iterdir() if not path.name.startswith("_"))
# Names that a user chooses.
PLACEHOLDER = re.compile(r"[A-Z…]|models:/|runs:/|hf://|kaggle://|my\.yaml")


@functools.cache
def prose(path):
    """The text of a manual; the docstrings and comments of a module."""
    text = path.read_text("utf-8")
    if path.suffix != ".py":
        return text
    documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
    parts = [
        ast.get_docstring(node) or ""
        for node in ast.walk(ast.parse(text))
        if isinstance(node, documented)
    ]
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    parts += [token.string for token in tokens if token.type == tokenize.COMMENT]
    return "\n".join(parts)


def mentions(pattern, sources=(*SOURCES, *MANUALS)):
    """Every match of the pattern's group, with the files that contain it."""
    found = {}
    for path in sources:
        for match in re.finditer(pattern, prose(path)):
            found.setdefault(match[1], set()).add(str(path.relative_to(ROOT)))
    return found


def exists(name):
    """Whether a dotted name is a module, or an attribute of one."""
    module, rest = name, []
    while module:
        try:
            value = importlib.import_module(module)
            break
        except ModuleNotFoundError:
            module, _, attribute = module.rpartition(".")
            rest.insert(0, attribute)
    for attribute in rest:
        if not hasattr(value, attribute):
            return False
        value = getattr(value, attribute)
    return True


def test_objects_exist():
    names = mentions(rf"(?<![\w/.])(zoo\.(?:{'|'.join(TOP)}|load|list_models)(?:\.\w+)*)")
    assert len(names) > 50
    missing = {name: files for name, files in names.items() if not exists(name)}
    assert not missing


def commands():
    """The commands in manuals, examples and docstrings, as words."""
    examples = {
        f"  {line}": {f"zoo {verb}"}
        for verb in program.VERBS
        for line in program._verb(verb).EXAMPLES.splitlines()
    }
    inline = mentions(r"`(zoo [a-z]+(?: [^`]+)?)`")
    blocks = {
        line: files
        for block, files in mentions(r"(?s)```\w*\n(.*?)```", MANUALS).items()
        for line in block.splitlines()
    }
    for line, files in (examples | blocks | inline).items():
        for part in re.split(r"[|;]|&&|#|\$\(|  \(", line):
            if match := re.fullmatch(r"zoo ([a-z]+.*)", part.strip()):
                yield match[1], files


def test_commands_have_known_verbs_and_options():
    checked = set()
    for command, files in commands():
        try:
            verb, *words = shlex.split(command.rstrip('"').replace(" > ", " "))
        except ValueError:  # a quotation that ends on another line
            continue
        assert verb in program.VERBS, (command, files)
        known = program.parser(verb, program._verb(verb))._option_string_actions
        unknown = [w for w in words if w.startswith("--") and w.partition("=")[0] not in known]
        assert not unknown, (command, files)
        checked.add(verb)
    assert checked == set(program.VERBS)


def test_models_datasets_and_recipes_of_commands_exist():
    models = {card.name for card in zoo.list_models()}
    datasets = {card.name for card in data.list_datasets()}
    recipes = {file.full_name for file in recipe_files.installed()}
    recipes |= {file.recipe for file in recipe_files.installed()}
    for command, files in commands():
        verb, *words = command.split()
        if not words or words[0].startswith("-") or PLACEHOLDER.search(words[0]):
            continue
        if verb in ("show", "infer", "eval", "explain", "export"):
            assert set(words[0].split("+")) <= models, (command, files)  # several: an ensemble
        elif verb in ("run", "recipes"):
            assert words[0].rstrip(",.") in recipes, (command, files)
    for line, files in mentions(r'zoo\.load\("([^"{]+)"\)').items():
        assert set(line.split("+")) <= models or PLACEHOLDER.search(line), (line, files)
    for name, files in mentions(r'zoo\.data\.load\("([^"{]+)"').items():
        assert name in datasets, (name, files)


def test_variables_of_the_environment_are_read():
    code = "\n".join(path.read_text("utf-8") for path in SOURCES)
    for name, files in mentions(r"\b((?:ZOO|MLFLOW)_[A-Z][A-Z_]+)\b").items():
        if name.startswith("ZOO"):
            assert re.search(rf"""["']{name}["']""", code), (name, files)
