"""Reads a recipe file and its overrides; reports every mistake in one error."""

import copy
import json
import re
import shlex
from collections.abc import Hashable, Iterator, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import ValidationError

from zoo import safe_yaml
from zoo.training.mistakes import KeyPath, explain, format_conflict, key_path, one_line
from zoo.training.schema import RecipeConfig, Section

Config = TypeVar("Config", bound=RecipeConfig)

DIGEST_TAG = "config.digest"
COSMETIC = ("description", "recipe", "tracking", "variants")  # keys without effect on a result
# Keys of a file that belong to its named dataset, not to files given in its place.
OF_NAMED_DATA = {
    ("data", "name"),
    ("description",),
    ("tracking", "name"),
    ("tracking", "register_as"),
}


class ConfigError(ValueError):
    """An invalid recipe.

    Args:
        source: The recipe, such as `sentiment/quickstart`, or the path of its file.
        mistakes: One sentence each.
    """

    exit_code = 2

    def __init__(self, source: str, mistakes: Sequence[str]):
        self.mistakes = list(mistakes)
        is_file = source.endswith((".yaml", ".yml"))
        self.hint = "zoo recipes --help" if is_file else shlex.join(["zoo", "recipes", source])
        count = "a mistake" if len(mistakes) == 1 else f"{len(mistakes)} mistakes"
        lines = "".join(f"\n  {mistake}" for mistake in mistakes)
        super().__init__(f"The recipe {source} has {count}:{lines}")


def load(
    schema: type[Config], file: str | Path, overrides: Sequence[str] = (), *, source: str = ""
) -> Config:
    """Reads a recipe file.

    Args:
        schema: Schema of the file, a `RecipeConfig`.
        file: The YAML file.
        overrides: Changes to it, each `key.sub=value`; split at the first `=`, the value is read
            as YAML.
            `data.train` replaces a named dataset of the file, `training.init_from` the settings
            of its model, if the file names none to start from, and `model.backbone` those of its
            encoder and tokenizer, unless they are overridden too.
        source: Name of the recipe in error messages. Defaults to the path.

    Returns:
        The resolved configuration.

    Raises:
        FileNotFoundError: if there is no such file.
        ConfigError: if the file is not YAML, or with every mistake in it: unknown keys, wrong
            types and values, invalid combinations, bad overrides.
    """
    source = source or str(file)
    try:
        values = read_yaml(Path(file).read_text("utf-8")) or {}
    except FileNotFoundError:
        error = FileNotFoundError(
            "A recipe is read from a YAML file; `zoo recipes RECIPE/NAME -o FILE` writes one to "
            f"start from. Received: {file}, which does not exist"
        )
        error.exit_code, error.hint = 2, "zoo recipes"  # type: ignore[attr-defined]
        raise error from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(source, [f"the file is not valid YAML: {one_line(error)}"]) from error
    return resolve(schema, values, overrides, source=source)


def resolve(
    schema: type[Config], values: object, overrides: Sequence[str] = (), *, source: str
) -> Config:
    """Checks values, after overrides, against a schema.

    Args:
        schema: A `RecipeConfig`.
        values: The content of a recipe file: nested dictionaries.
        overrides: As in `load`.
        source: Name of the recipe in error messages.

    Returns:
        The resolved configuration.

    Raises:
        ConfigError: with every mistake.
    """
    if not isinstance(values, dict):
        raise ConfigError(
            source, [f"a recipe file must hold keys with values. Received: {values!r:.80}"]
        )
    file, values, mistakes = values, copy.deepcopy(values), []
    given: set[KeyPath] = set()
    for change in overrides:
        if mistake := override(values, change, given):
            mistakes.append(mistake)
    for path in _outdated(schema, file, values, given):
        if not any(key[: len(path)] == path for key in given):
            _remove(values, path)
    wrong: set[KeyPath] = set()
    while True:
        try:
            config = schema.model_validate(values)
            break
        except ValidationError as error:
            found = {key_path(schema, one["loc"]): one for one in reversed(error.errors())}
        mistakes += [explain(schema, path, one) for path, one in reversed(found.items())]
        wrong |= found.keys()
        # Without these keys, their defaults apply and the next pass finds the remaining mistakes.
        removed = [_remove(values, path) for path in found]  # all of them: no early exit
        if not all(removed):
            raise ConfigError(source, mistakes)
    mistakes += _conflicts(config, wrong)
    mistakes += map(format_conflict, config.cost_conflicts())
    if mistakes:
        raise ConfigError(source, mistakes)
    return config


def read_yaml(text: str) -> object:
    """Reads YAML: `1e-3` is a number, as in YAML 1.2, and a key may not be given twice.

    Raises:
        yaml.YAMLError: if it is not valid, or beyond the bounds of `zoo.safe_yaml`.
    """
    return safe_yaml.read_yaml(text, _Loader)


class _Loader(yaml.SafeLoader):
    def construct_mapping(self, node, deep=False):
        seen = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, Hashable):
                continue  # refused below
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key!r} is given twice", node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep)


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+"),
    list("-+.0123456789"),
)


def override(values: dict, change: str, given: set[KeyPath]) -> str | None:
    """Applies one override, adds its keys to `given`; returns the mistake in it, or `None`."""
    key, equals, text = change.partition("=")
    path = key.strip().split(".")
    if not equals or not all(path):
        return f"an override is written KEY.SUB=VALUE. Received: {change!r}"
    try:
        value = read_yaml(text)
    except yaml.YAMLError as error:
        return f"{key}: the value is not valid YAML: {one_line(error)}. Received: {text!r}"
    given |= {(*path, *inner) for inner in _leaves(value)}
    for name in path[:-1]:
        if not isinstance(values.get(name), dict):
            values[name] = {}
        values = values[name]
    values[path[-1]] = value
    return None


def _leaves(value: object) -> Iterator[KeyPath]:
    """Paths of the values in nested dictionaries; the empty path of any other value."""
    if not isinstance(value, dict):
        yield ()
        return
    for key, inner in value.items():
        yield from ((str(key), *path) for path in _leaves(inner))


def _outdated(
    schema: type[RecipeConfig], file: dict, values: dict, given: set[KeyPath]
) -> set[KeyPath]:
    """Keys of a file that say something of what the overrides have replaced.

    Files to train on replace the named dataset of the file, with the description, names, metric
    and gate that were chosen for it. A model to start from replaces the architecture of the file,
    unless the file names one too, for which its settings were chosen; and a KerasHub encoder that
    of its encoder and its tokenizer.
    """
    found: set[KeyPath] = set()
    is_started = ("training", "init_from") in given and _get(values, "training", "init_from")
    if is_started and not _get(file, "training", "init_from"):
        found |= {("model", *path) for path in _leaves(file.get("model", {}))}
    if ("model", "backbone") in given and _get(values, "model", "backbone") is not None:
        own = getattr(schema.model_fields["model"].annotation, "own_encoder", ())
        found |= {("model", key) for key in own}
        found |= {("tokenizer", *path) for path in _leaves(file.get("tokenizer", {}))}
    is_replaced = ("data", "train") in given and _get(values, "data", "train") is not None
    if is_replaced and _get(file, "data", "name") is not None:
        found |= OF_NAMED_DATA
        found |= {("data", "options", *path) for path in _leaves(_get(file, "data", "options"))}
        if _get(values, "data", "test") is None:
            found.add(("evaluation", "test"))
        general = schema.model_fields["evaluation"].annotation.for_any_data  # type: ignore
        if _get(file, "evaluation", "metric") not in general:
            found |= {("evaluation", "metric"), ("evaluation", "gate")}
    return found


def _get(values: object, *path: str) -> object:
    """The value at a path in nested dictionaries, or `None`."""
    for name in path:
        values = values.get(name) if isinstance(values, dict) else None
    return values


def _conflicts(section: Section, wrong: set[KeyPath], path: KeyPath = ()) -> Iterator[str]:
    """Invalid combinations in a section and its subsections, except those of keys in `wrong`."""
    for conflict in section.conflicts():
        keys = {(*path, *name.split("__")) for name in conflict.values}
        if keys & wrong:
            continue
        yield format_conflict(conflict, path)
    for name in type(section).model_fields:
        value = getattr(section, name)
        if isinstance(value, Section):
            yield from _conflicts(value, wrong, (*path, name))


def _remove(values: Any, path: KeyPath) -> bool:
    """Removes a key; returns whether it was there."""
    for name in path[:-1]:
        values = values.get(name) if isinstance(values, dict) else None
    return isinstance(values, dict) and values.pop(path[-1], values) is not values


def config_digest(config: dict, data: str, backend: str) -> str:
    """SHA-256 of everything that determines the result of a run, in hexadecimal.

    Args:
        config: The resolved configuration; its `COSMETIC` keys are ignored.
        data: The digest of the dataset.
        backend: The Keras backend.
    """
    kept = {key: config[key] for key in config if key not in COSMETIC}
    content = json.dumps([backend, data, kept])
    return sha256(content.encode()).hexdigest()
