"""Errors of the command line, each with an exit code and a hint."""

import shlex


class Failure(Exception):
    """A valid command that failed: exit code 1.

    Args:
        message: The rule, the remedy, and `Received: …`.
        hint: What to try next, a command if there is one: see `command`.
    """

    exit_code = 1

    def __init__(self, message: str, hint: str | None = None):
        super().__init__(message)
        self.hint = hint


class WrongUse(Failure):
    """An invalid command: exit code 2."""

    exit_code = 2


def command(*words: object) -> str:
    """A command to copy into a shell, quoted where it must be.

    >>> command("zoo", "run", "my recipe.yaml")
    "zoo run 'my recipe.yaml'"
    """
    return shlex.join(map(str, words))
