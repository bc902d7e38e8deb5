"""Recipe files: those of the installed distributions, and a user's own.

A distribution adds recipes by an entry point in the group `zoo.recipes`, a
`zoo.training.RecipeSpec`; the YAML files of the recipe lie beside the module that defines it.
"""

import importlib.util
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import TYPE_CHECKING

from zoo.cli.errors import WrongUse, command
from zoo.suggestions import did_you_mean

if TYPE_CHECKING:
    from zoo.training.schema import RecipeSpec

GROUP = "zoo.recipes"
DEFAULT = "quickstart"
SUFFIXES = (".yaml", ".yml")


@dataclass(frozen=True)
class RecipeFile:
    """YAML file of a recipe.

    Attributes:
        recipe: Name of the recipe, `sentiment`.
        argument: Name of the file as `zoo.training.run` takes it: `quickstart`, or a path.
        path: Path of the file.
        entry_point: Entry point of the recipe.
    """

    recipe: str
    argument: str
    path: Path
    entry_point: EntryPoint

    @property
    def full_name(self) -> str:
        return f"{self.recipe}/{self.path.stem}"

    def describe(self) -> dict:
        """Its name, description and path. Reads the file."""
        return {
            "name": self.full_name,
            "description": " ".join(str(read(self.path).get("description") or "").split()),
            "path": str(self.path),
        }


def read(path: Path) -> dict:
    """Reads a recipe file; without keys if it is not a YAML mapping, which `zoo run` reports."""
    import yaml

    from zoo.safe_yaml import read_yaml

    try:
        content = read_yaml(path.read_text("utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError):
        return {"description": "(not valid YAML)"}
    return content if isinstance(content, dict) else {}


def installed() -> list[RecipeFile]:
    """Lists the recipe files of all distributions by name, without importing their modules."""
    files = []
    for point in entry_points(group=GROUP):
        try:
            spec = importlib.util.find_spec(point.module)
        except ModuleNotFoundError:  # registered, but the package is gone
            spec = None
        if spec is None or spec.origin is None:
            continue
        for path in sorted(Path(spec.origin).parent.glob("*.yaml")):
            files.append(RecipeFile(point.name, path.stem, path, point))
    return sorted(files, key=lambda file: file.full_name)


def find(name: str) -> RecipeFile:
    """Finds a recipe file.

    Args:
        name: `RECIPE/NAME`; `RECIPE` alone for its `quickstart`; or the path of a `.yaml` file
            with a key `recipe`.

    Raises:
        WrongUse: if there is none, or more than one distribution has it.
    """
    if Path(name).suffix in SUFFIXES:
        return _own(name)
    files = installed()
    wanted = name if "/" in name else f"{name}/{DEFAULT}"
    found = [file for file in files if file.full_name == wanted]
    if not found:
        near = did_you_mean(wanted, [file.full_name for file in files])
        raise WrongUse(f"There is no recipe `{name}`.{near}", hint="zoo recipes")
    return _only(found, wanted)


def spec_of(recipe: str) -> "RecipeSpec":
    """The installed recipe of a name, such as `sentiment`.

    Raises:
        WrongUse: if there is none, or more than one distribution has it.
    """
    return find(recipe).entry_point.load()


def _own(name: str) -> RecipeFile:
    """A user's own file, whose key `recipe` names the recipe that runs it."""
    path = Path(name)
    if not path.is_file():
        raise WrongUse(
            f"There is no such file. Received: {name}",
            hint=command("zoo", "recipes", "RECIPE", "-o", name),
        )
    points = {point.name: point for point in entry_points(group=GROUP)}
    recipe = read(path).get("recipe")
    if not isinstance(recipe, str) or recipe not in points:
        near = did_you_mean(recipe, points) if isinstance(recipe, str) else ""
        raise WrongUse(
            f"The key `recipe` of a file must be one of {', '.join(points)}.{near} "
            f"Received: recipe: {recipe!r} in {name}",
            hint="zoo recipes",
        )
    found = [point for point in entry_points(group=GROUP) if point.name == recipe]
    return _only([RecipeFile(recipe, name, path, point) for point in found], recipe)


def _only(found: list[RecipeFile], name: str) -> RecipeFile:
    if len(found) > 1:
        places = ", ".join(file.entry_point.value for file in found)
        raise WrongUse(
            f"More than one installed distribution has the recipe `{name}`: {places}.",
            hint="pip uninstall one of them",
        )
    return found[0]


def check_new(path: Path, *words: str) -> None:
    """Checks that a recipe file can be written.

    Args:
        path: The file.
        *words: The words of the command without its `-o`, for the hint.

    Raises:
        WrongUse: if it has another suffix, or exists.
    """
    if path.suffix not in SUFFIXES:
        raise WrongUse(
            f"A recipe file ends in .yaml. Received: --output {path}",
            hint=command(*words, "-o", path.with_suffix(".yaml")),
        )
    if path.exists():
        raise WrongUse(
            f"The file exists and would be overwritten. Received: --output {path}",
            hint=command(*words, "-o", path.with_stem(path.stem + "_2")),
        )
