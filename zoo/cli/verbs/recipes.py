"""Lists the recipes that `zoo run` knows, or prints one."""

from argparse import ArgumentParser, Namespace

from zoo.cli import output, recipe_files

EXAMPLES = """\
  zoo recipes
  zoo recipes sentiment/quickstart        (every key, with what it means)
  zoo recipes --json"""
NEXT = "zoo recipes --help"


def arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "recipe", metavar="RECIPE[/NAME]", nargs="?", help="print this file instead of the list"
    )
    parser.add_argument("--json", action="store_true", help="names, descriptions, paths as JSON")


def run(args: Namespace) -> None:
    if args.recipe:
        file = recipe_files.find(args.recipe)
        print(file.path.read_text("utf-8"), end="")
        return
    recipes = [file.describe() for file in recipe_files.installed()]
    if args.json:
        output.print_json(recipes)
    else:
        output.table(["recipe", "description"], [[r["name"], r["description"]] for r in recipes])
        print("next: zoo run RECIPE, or zoo recipes RECIPE to read it")
