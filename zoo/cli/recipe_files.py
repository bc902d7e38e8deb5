"""The recipes that are installed: those of this project and any other's.

A distribution adds recipes by an entry point in the group `zoo.recipes`: its name is the recipe's,
and beside the module that it points to lie the recipe's YAML files.
"""

import importlib.util
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

from zoo.cli.errors import WrongUse
from zoo.suggestions import did_you_mean

GROUP = "zoo.recipes"
DEFAULT = "quickstart"


@dataclass(frozen=True)
class RecipeFile:
    """One YAML file of one recipe.

    Attributes:
        recipe: The recipe's name, `sentiment`.
        name: The file's name without suffix, `quickstart`.
        path: Where it lies.
        entry_point: What runs it.
    """

    recipe: str
    name: str
    path: Path
    entry_point: EntryPoint

    @property
    def full_name(self) -> str:
        return f"{self.recipe}/{self.name}"

    def describe(self) -> dict:
        """Its name, description and path. Reads the file."""
        import yaml

        try:
            content = yaml.safe_load(self.path.read_text("utf-8"))
            description = content.get("description") if isinstance(content, dict) else None
        except (yaml.YAMLError, UnicodeDecodeError):  # `zoo run` will say where
            description = "(not valid YAML)"
        return {
            "name": self.full_name,
            "description": " ".join(str(description or "").split()),
            "path": str(self.path),
        }


def installed() -> list[RecipeFile]:
    """Every recipe file, by name; imports none of the modules behind them."""
    files = []
    for point in entry_points(group=GROUP):
        try:
            spec = importlib.util.find_spec(point.module)
        except ModuleNotFoundError:  # registered, but the package has gone
            spec = None
        if spec is None or spec.origin is None:
            continue
        for path in sorted(Path(spec.origin).parent.glob("*.yaml")):
            files.append(RecipeFile(point.name, path.stem, path, point))
    return sorted(files, key=lambda file: file.full_name)


def find(name: str) -> RecipeFile:
    """The recipe file of a name.

    Args:
        name: `RECIPE/NAME`, or `RECIPE` alone for its `quickstart`.

    Raises:
        WrongUse: if there is none, or more than one distribution has it.
    """
    files = installed()
    wanted = name if "/" in name else f"{name}/{DEFAULT}"
    found = [file for file in files if file.full_name == wanted]
    if not found:
        near = did_you_mean(wanted, [file.full_name for file in files])
        raise WrongUse(f"There is no recipe `{name}`.{near}", hint="zoo recipes")
    if len(found) > 1:
        places = ", ".join(str(file.path) for file in found)
        raise WrongUse(
            f"More than one installed distribution has the recipe `{wanted}`: {places}.",
            hint="pip uninstall one of them",
        )
    return found[0]
