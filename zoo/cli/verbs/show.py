"""Show a model's card, metrics and configuration."""

from argparse import ArgumentParser, Namespace
from collections.abc import Callable

from zoo.cli import models, output
from zoo.cli.errors import command

EXAMPLES = """\
  zoo show bilstm_bahdanau_sst2_en
  zoo show models:/bilstm_bahdanau_sst2_en@champion
  zoo show bilstm_bahdanau_sst2_en --json | jq .card.metrics"""
NEXT = "zoo ls"

CONFIGS = {"backbone": "config.json", "preprocessor": "preprocessor.json", "task": "task.json"}
NESTED = ("backbone", "preprocessor", "tokenizer")  # shown as parts of their own
COMMON = ("name", "trainable", "dtype", "config_file")  # keys of every Keras object


def arguments(parser: ArgumentParser) -> None:
    models.add_argument(parser)
    parser.add_argument("--json", action="store_true", help="print card and configuration as JSON")


def run(args: Namespace) -> None:
    found = models.find(args.model)
    fields = found.card.to_dict() if found.card else None
    configuration = {
        part: {key: value for key, value in config.items() if key not in NESTED + COMMON}
        for part, file in CONFIGS.items()
        if (config := found.config(file)) is not None
    }
    if args.json:
        output.print_json(
            {"card": fields, "configuration": configuration, "path": str(found.directory)}
        )
        return
    if fields is None:
        output.say(f"{found.directory} has no card.json: the origin of this model is unknown.")
    else:
        metrics, training = fields.pop("metrics"), fields.pop("training")
        behaviour = fields.pop("behaviour", {})
        fields.pop("files")
        print(f"{fields.pop('name')}\n{fields.pop('description')}\n")
        fields["bytes"] = output.size(fields["bytes"])
        fields["parameters"] = output.format_value(fields["parameters"])
        _section("card", fields)
        _section("metrics", metrics, output.format_value)
        kinds = behaviour.get("kinds", {})
        _section("behaviour", {kind: f"{it['right']} of {it['n']}" for kind, it in kinds.items()})
        _section("training", training)
    for part, config in configuration.items():
        _section(part, config)
    print(f"files: {found.directory}")
    print(f'next: {command("zoo", "infer", args.model)} "…"')


def _section(title: str, fields: dict, show: Callable[[object], str] = str) -> None:
    if not fields:
        return
    width = max(map(len, fields))
    print(f"{title}:")
    for key, value in fields.items():
        compound = value is None or isinstance(value, (str, list, tuple, dict))
        print(f"  {key:{width}}  {output.format_value(value) if compound else show(value)}")
    print()
