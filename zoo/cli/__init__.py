"""The command line, `zoo VERB …`.

`program` reads the line and turns errors into exit codes; each verb is a module of `verbs`, of
which only the one asked for is imported, and which imports what is heavy when it runs.
"""

from zoo.cli.program import main

__all__ = ["main"]
