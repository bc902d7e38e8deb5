"""What can go wrong on a command line, and what to try next."""


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
