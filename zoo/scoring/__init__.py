"""Scores a column of a table with a model, in parts that Spark distributes: `zoo score`.

Each part is read, scored and written by one task of Spark, so that it can be repeated or left out
by itself, and columns that are not scored never pass through Spark's types.
"""


class ScoringError(RuntimeError):
    """Error of a command that cannot be carried out.

    Args:
        message: The rule, the remedy, and `Received: …`.
        hint: A command to try next.
        exit_code: int. Defaults to `1`; `2` for an invalid command.
    """

    def __init__(self, message: str, hint: str, exit_code: int = 1):
        super().__init__(message)
        self.hint, self.exit_code = hint, exit_code
