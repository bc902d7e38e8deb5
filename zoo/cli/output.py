"""Output of the verbs: tables and JSON on stdout, messages on stderr."""

import json
import sys
from collections.abc import Iterable, Sequence
from typing import Any

PIPED_WIDTH = 240  # characters per line of a table that does not go to a terminal


def table(head: Sequence[str], rows: Iterable[Sequence[object]], numbers: Sequence[str] = ()):
    """Prints a table.

    Args:
        head: The names of the columns. The first column is never wrapped.
        rows: The values, formatted by `format_value`.
        numbers: The names of right-aligned columns.
    """
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    grid = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for i, name in enumerate(head):
        grid.add_column(
            name,
            no_wrap=i == 0 or name in numbers,
            overflow="fold",
            justify="right" if name in numbers else "left",
            style="bold" if i == 0 else None,
        )
    for row in rows:
        grid.add_row(*(Text(format_value(value)) for value in row))
    Console(width=None if sys.stdout.isatty() else PIPED_WIDTH).print(grid)


def format_value(value: object) -> str:
    """Formats a value for a table: `1,234`, `0.8750`, `en, ko`, and `–` for an empty value."""
    if value is None or value in ("", (), [], {}):
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:.4f}"
    if isinstance(value, dict):
        return ", ".join(f"{name} {format_value(item)}" for name, item in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(format_value(item) for item in value)
    return str(value)


def size(count: int) -> str:
    """Formats a number of bytes: `812 B`, `9.6 MB`."""
    if count < 1000:
        return f"{count} B"
    if count < 1_000_000:
        return f"{count / 1e3:.1f} kB"
    return f"{count / 1e6:,.1f} MB"


def print_json(value: Any, *, lines: bool = False) -> None:
    """Prints a value as JSON: indented, or on one line for JSON lines."""
    print(json.dumps(value, ensure_ascii=False, indent=None if lines else 2))


def say(message: str) -> None:
    """Prints a message on stderr."""
    print(message, file=sys.stderr, flush=True)
