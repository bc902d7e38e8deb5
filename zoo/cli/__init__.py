"""The command line, `zoo VERB …`.

`program` parses the command line and turns errors into exit codes. Each verb is a module of
`verbs`; only the module of the given verb is imported, and it imports heavy libraries when it runs.
"""

from zoo.cli.program import main

__all__ = ["main"]
