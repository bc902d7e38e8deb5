"""YAML from a user: bounded, so that a few bytes cannot become gigabytes or hang a reader."""

from typing import Any

import yaml

MAX_ALIASES, MAX_DEPTH, MAX_CHARACTERS = 16, 32, 1 << 20


def read_yaml(text: str, loader: type[yaml.SafeLoader] = yaml.SafeLoader) -> Any:
    """Reads a YAML document of plain values.

    Each alias `*name` repeats what its anchor `&name` holds: with anchors that hold aliases, 600
    bytes stand for more values than fit into memory.

    Args:
        text: The document.
        loader: A safe loader. Defaults to PyYAML's.

    Raises:
        yaml.YAMLError: if it is not valid, too long, nested too deeply, or has too many aliases.
    """
    if len(text) > MAX_CHARACTERS:
        raise yaml.YAMLError(
            f"a document may have at most {MAX_CHARACTERS:,} characters. Received: {len(text):,}"
        )
    aliases = depth = 0
    for event in yaml.parse(text, loader):
        aliases += isinstance(event, yaml.AliasEvent)
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if aliases > MAX_ALIASES:
            raise _refused(event, f"at most {MAX_ALIASES} aliases are allowed: write values out")
        if depth > MAX_DEPTH:
            raise _refused(event, f"values may be nested at most {MAX_DEPTH} deep")
    try:
        return yaml.load(text, loader)
    except (ValueError, OverflowError) as error:  # a date or number that does not exist
        raise yaml.YAMLError(f"a value cannot be read ({error}); quote it if it is text") from error


def _refused(event: yaml.Event, rule: str) -> yaml.YAMLError:
    return yaml.MarkedYAMLError(None, None, rule, event.start_mark)
