"""Sentences about the mistakes in a recipe: the key, the rule, a suggestion, the received value."""

import difflib
import re
from collections.abc import Iterator
from typing import Any, Literal, get_args, get_origin

from zoo.training.schema import Conflict, Section

KeyPath = tuple[str, ...]


def format_conflict(conflict: Conflict, path: KeyPath = ()) -> str:
    """Formats a conflict as one sentence: section, rule, received values."""
    received = ", ".join(
        f"{name.replace('__', '.')}={value!r}" for name, value in conflict.values.items()
    )
    place = f"{'.'.join(path)}: " if path else ""
    return f"{place}{conflict.rule}. Received: {received}"


def key_path(schema: type[Section], location: tuple) -> KeyPath:
    """Keys that lead to an error, without the union branches that pydantic adds."""
    path: list[str] = []
    inside: object = schema
    for part in location:
        if inside is None:
            break
        path.append(str(part))
        inside = _section(inside, part)
    return tuple(path)


def _section(schema, name) -> type[Section] | None:
    field = schema.model_fields.get(name)
    kind = field.annotation if field else None
    kinds = (kind, *get_args(kind))  # `Section | None` is a section too
    return next((one for one in kinds if isinstance(one, type) and issubclass(one, Section)), None)


_TYPES = {
    "int": "a whole number",
    "float": "a number",
    "finite_number": "a finite number",
    "string": "a string",
    "bool": "true or false",
    "dict": "keys with values",
    "list": "a list",
    "model": "a section, keys with values",
}


def explain(schema: type[Section], path: KeyPath, error: dict) -> str:
    """Formats a mistake as one sentence: key, rule, suggestion, received value."""
    key, kind, context = ".".join(path), error["type"], error.get("ctx", {})
    if kind == "extra_forbidden":
        rule = f"there is no such key.{_meant_key(schema, path)}"
    elif kind == "missing":
        return f"{key}: this key is required."
    elif kind in ("choice", "literal_error"):
        choices = context["choices"] if kind == "choice" else _choices(schema, path)
        rule = f"must be one of {', '.join(map(str, choices))}.{_meant(error['input'], choices)}"
    elif base := _TYPES.get(re.sub(r"_(type|parsing|from_float)$", "", kind)):
        forms = [base]
        if base == _TYPES["string"] and _may_be_list(schema, path):
            forms += ["a list of one or more strings"]
        forms += ["null"] if _may_be_null(schema, path) else []
        rule = f"must be {', '.join(forms[:-1])}{' or ' * (len(forms) > 1)}{forms[-1]}."
    elif "ge" in context or "gt" in context or "le" in context or "lt" in context:
        sign, limit = next(iter(context.items()))
        words = {"ge": "at least", "gt": "more than", "le": "at most", "lt": "less than"}[sign]
        shown = f"{limit:,}" if isinstance(limit, int) else f"{limit:g}"
        rule = f"must be {words} {shown}."
    else:
        message = error["msg"]
        rule = f"{message[0].lower()}{message[1:]}."
    return f"{key}: {rule} Received: {error['input']!r}"


def _field(schema: type[Section], path: KeyPath):
    section: Any = schema
    for name in path[:-1]:
        section = _section(section, name)
    return section.model_fields[path[-1]]


def _choices(schema, path) -> list:
    return list(_literals(_field(schema, path).annotation))


def _literals(annotation) -> Iterator:
    if get_origin(annotation) is Literal:
        yield from get_args(annotation)
    else:
        for argument in get_args(annotation):
            yield from _literals(argument)


def _may_be_null(schema, path) -> bool:
    return type(None) in get_args(_field(schema, path).annotation)


def _may_be_list(schema, path) -> bool:
    return list in _origins(_field(schema, path).annotation)


def _origins(annotation) -> Iterator:
    yield get_origin(annotation)
    for argument in get_args(annotation):
        yield from _origins(argument)


def _meant_key(schema, path) -> str:
    """Suggests the nearest keys of the same section, else those of that name in another."""
    keys = list(_keys(schema))
    siblings = {key[-1]: key for key in keys if key[:-1] == path[:-1]}
    near = [siblings[n] for n in difflib.get_close_matches(path[-1], siblings, n=2, cutoff=0.6)]
    elsewhere = [key for key in keys if key[-1] == path[-1]]
    return _list_meant([".".join(key) for key in near or elsewhere])


def _keys(schema: type[Section], path: KeyPath = ()) -> Iterator[KeyPath]:
    for name in schema.model_fields:
        yield (*path, name)
        if section := _section(schema, name):
            yield from _keys(section, (*path, name))


def _meant(value, choices) -> str:
    near = difflib.get_close_matches(str(value), [str(choice) for choice in choices], n=2)
    return _list_meant(near)


def _list_meant(near: list[str]) -> str:
    return f" Did you mean {' or '.join(near)}?" if near else ""


def one_line(error: Exception) -> str:
    """The message of an error without line breaks."""
    return " ".join(str(error).split())
