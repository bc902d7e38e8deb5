"""Shows a model's card, its configuration and its numbers."""

import json
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from pathlib import Path

from zoo.cli import models, output

EXAMPLES = """\
  zoo show bilstm_bahdanau_sst2_en
  zoo show models:/bilstm_bahdanau_sst2_en@champion
  zoo show bilstm_bahdanau_sst2_en --json | jq .card.metrics"""
NEXT = "zoo ls"

CONFIGS = {"backbone": "config.json", "preprocessor": "preprocessor.json", "task": "task.json"}
NESTED = ("backbone", "preprocessor", "tokenizer")  # shown by themselves
ORDINARY = ("name", "trainable", "dtype", "config_file")  # which every Keras object has


def arguments(parser: ArgumentParser) -> None:
    models.add_argument(parser)
    parser.add_argument("--json", action="store_true", help="card and configuration as JSON")


def run(args: Namespace) -> None:
    card, directory = models.card_of(args.model)
    fields = card.to_dict() if card else None
    configuration = {
        part: config
        for part, file in CONFIGS.items()
        if (config := _configuration(directory / file)) is not None
    }
    if args.json:
        output.print_json({"card": fields, "configuration": configuration, "path": str(directory)})
        return
    if fields is None:
        output.say(f"{directory} has no card.json: nothing tells where this model comes from.")
    else:
        metrics, training = fields.pop("metrics"), fields.pop("training")
        fields.pop("files")
        print(f"{fields.pop('name')}\n{fields.pop('description')}\n")
        fields["bytes"] = output.size(fields["bytes"])
        fields["parameters"] = output.format_value(fields["parameters"])
        _section("card", fields)
        _section("numbers", metrics, output.format_value)
        _section("training", training)
    for part, config in configuration.items():
        _section(part, config)
    print(f"files: {directory}")
    print(f'next: zoo infer {args.model} "…"')


def _configuration(path: Path) -> dict | None:
    """What a Keras object was made with, less what every one of them has."""
    if not path.is_file():
        return None
    config = json.loads(path.read_text("utf-8"))["config"]
    return {key: value for key, value in config.items() if key not in NESTED + ORDINARY}


def _section(title: str, fields: dict, show: Callable[[object], str] = str) -> None:
    if not fields:
        return
    width = max(map(len, fields))
    print(f"{title}:")
    for key, value in fields.items():
        compound = value is None or isinstance(value, (str, list, tuple, dict))
        print(f"  {key:{width}}  {output.format_value(value) if compound else show(value)}")
    print()
