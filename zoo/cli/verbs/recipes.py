"""List the recipes that `zoo run` knows, print one, or write one to a file to start from."""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from zoo.cli import output, recipe_files
from zoo.cli.errors import WrongUse, command

EXAMPLES = """\
  zoo recipes
  zoo recipes sentiment/quickstart                (every key, explained)
  zoo recipes sentiment/quickstart -o my.yaml     (a copy to edit, for zoo run my.yaml)
  zoo recipes --json"""
NEXT = "zoo recipes --help"


def arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "recipe", metavar="RECIPE[/NAME]", nargs="?", help="print this recipe instead of the list"
    )
    parser.add_argument(
        "-o", "--output", type=Path, metavar="FILE", help="write the recipe to a new .yaml file"
    )
    parser.add_argument("--json", action="store_true", help="names, descriptions, paths as JSON")


def run(args: Namespace) -> None:
    if args.output and not args.recipe:
        raise WrongUse("--output needs a recipe to write.", hint="zoo recipes RECIPE -o my.yaml")
    if args.recipe:
        file = recipe_files.find(args.recipe)
        if args.output:
            _write(file, args.output)
        else:
            print(file.path.read_text("utf-8"), end="")
        return
    recipes = [file.describe() for file in recipe_files.installed()]
    if args.json:
        output.print_json(recipes)
    else:
        output.table(["recipe", "description"], [[r["name"], r["description"]] for r in recipes])
        print("next: zoo run RECIPE, or zoo recipes RECIPE to print it")


def _write(file: recipe_files.RecipeFile, path: Path) -> None:
    from zoo.files import atomic_write

    if path.suffix not in recipe_files.SUFFIXES:
        raise WrongUse(
            f"A recipe file ends in .yaml. Received: --output {path}",
            hint=command("zoo", "recipes", file.full_name, "-o", path.with_suffix(".yaml")),
        )
    if path.exists():
        raise WrongUse(
            f"The file exists and would be overwritten. Received: --output {path}",
            hint=command("zoo", "recipes", file.full_name, "-o", path.with_stem(path.stem + "_2")),
        )
    text = file.path.read_text("utf-8")
    if recipe_files.read(file.path).get("recipe") is None:  # of another distribution
        text = f"recipe: {file.recipe}\n{text}"
    with atomic_write(path) as temporary:
        temporary.write_text(text, "utf-8")
    print(f"{path}: a copy of {file.full_name}")
    print(f"next: edit it, then {command('zoo', 'run', path)}")
