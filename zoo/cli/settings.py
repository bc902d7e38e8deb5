"""Options that `--set` gives, read and checked as the settings of a recipe."""

from argparse import ArgumentParser
from collections.abc import Mapping
from typing import Any

from zoo.cli.errors import WrongUse
from zoo.suggestions import did_you_mean
from zoo.tasks import Option, Task


def add_arguments(parser: ArgumentParser) -> None:
    """Adds `--batch-size` and `--set`, the options of a model's `infer`."""
    parser.add_argument(
        "--batch-size", type=int, default=64, metavar="N", help="inputs per batch (default: 64)"
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="OPTION=VALUE",
        help="set an option of the model's `infer`, such as beam=10; repeatable",
    )


def read(settings: list[str], known: Mapping[str, Option], hint: str) -> dict[str, Any]:
    """The options that are given, by name.

    Args:
        settings: The words `OPTION=VALUE`.
        known: The options that there are.
        hint: What to try after a mistake.

    Raises:
        WrongUse: if an option is unknown, or a value is of another type or out of its range.
    """
    import yaml
    from pydantic import Field, ValidationError, create_model

    from zoo.training.config import read_yaml
    from zoo.training.mistakes import explain, one_line
    from zoo.training.schema import Section

    options: dict[str, Any] = {}
    for setting in settings:
        name, equals, text = setting.partition("=")
        if not equals or name not in known:
            raise WrongUse(
                f"--set takes OPTION=VALUE, where OPTION is one of {', '.join(known)}."
                f"{did_you_mean(name, known)} Received: --set {setting}",
                hint=hint,
            )
        if known[name].type == "string":
            options[name] = text
            continue
        if text in ("none", "None", ""):
            text = "null"
        try:
            options[name] = read_yaml(text)
        except yaml.YAMLError as error:
            raise WrongUse(
                f"--set {name}: the value is not valid YAML: {one_line(error)}. "
                f"Received: {text[:80]!r}",
                hint=hint,
            ) from None
    fields: dict[str, Any] = {
        name: (_kind(option), Field(option.default, ge=option.minimum, le=option.maximum))
        for name, option in known.items()
    }
    schema = create_model("Options", __base__=Section, **fields)
    try:
        schema.model_validate(options)
    except ValidationError as error:
        mistakes = [explain(schema, (str(one["loc"][0]),), dict(one)) for one in error.errors()]
        raise WrongUse("\n".join(f"--set {mistake}" for mistake in mistakes), hint=hint) from None
    return options


def check(task: Task, options: Mapping[str, Any], hint: str) -> None:
    """Refuses options of `infer` that do not fit each other, before a model is loaded.

    Raises:
        WrongUse: if one of them is wrong beside the others.
    """
    if task.options_class is None:
        return
    try:
        task.options_class(**{name: options[name] for name in options if name != "batch_size"})
    except ValueError as error:
        raise WrongUse(str(error), hint=hint) from None


def _kind(option: Option) -> Any:
    kind = {"long": int, "double": float, "string": str, "boolean": bool}[option.type]
    return kind | None if option.default is None else kind
