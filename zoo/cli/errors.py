"""What can go wrong on a command line, and what to try next."""

import difflib
from collections.abc import Iterable


class Failure(Exception):
    """It was asked for rightly and failed: exit code 1.

    Args:
        message: What happened: the rule, the remedy, and `Received: …`.
        hint: The next thing to try, a command if there is one.
    """

    exit_code = 1

    def __init__(self, message: str, hint: str | None = None):
        super().__init__(message)
        self.hint = hint


class WrongUse(Failure):
    """It was asked for wrongly: another command line is needed. Exit code 2."""

    exit_code = 2


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A sentence with the known words nearest to `word`, or nothing if none is near."""
    near = difflib.get_close_matches(word, list(known), n=3, cutoff=0.5)
    return f" Did you mean {' or '.join(f'`{name}`' for name in near)}?" if near else ""
