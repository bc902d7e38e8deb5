"""Reads the command line, runs one verb, and turns what went wrong into an exit code."""

import argparse
import importlib
import os
import sys
import traceback
import warnings
from collections.abc import Sequence
from types import ModuleType

from zoo.cli import output
from zoo.cli.errors import Failure, WrongUse
from zoo.suggestions import did_you_mean

GROUPS = {
    "look around": {
        "ls": "list the pretrained models",
        "show": "a model's card, configuration and numbers",
        "recipes": "list the recipes, or print one",
        "data": "list the datasets, get one, or tell where it lies",
    },
    "use a model": {
        "infer": "give it texts, get its answers",
        "eval": "measure it on a dataset",
        "explain": "draw where it looked",
        "export": "write it as a graph that runs without this library, and check that",
    },
    "train your own": {
        "run": "train, evaluate, track and register a model by a recipe",
        "ui": "browse the runs, their pictures and the registered models",
    },
}
VERBS = [verb for group in GROUPS.values() for verb in group]

# Errors that the zoo raises with a message for people; any other is a bug, and named as such.
SPEAKING = (ValueError, OSError, LookupError, RuntimeError, ImportError)
VERBATIM = "\0"  # which no word of a command line can hold

EXAMPLES = """\
examples:
  zoo ls
  zoo infer bilstm_bahdanau_sst2_en "A gripping film." "Not worth your time."
  zoo run sentiment/quickstart training.epochs=2 --backend jax
  zoo VERB --help

exit codes: 0 done, 1 it failed, 2 wrong use. ZOO_TRACEBACK=1 shows where an error arose."""


class Parser(argparse.ArgumentParser):
    """A parser whose complaints are `WrongUse`, with the next thing to try."""

    def parse(self, words: Sequence[str]) -> argparse.Namespace:
        """Options may stand before, between and after the other words; after `--` are none."""
        end = words.index("--") if "--" in words else len(words)
        # argparse forgets the `--` where options are intermixed: its words are marked instead.
        marked = [VERBATIM + word for word in words[end + 1 :]]
        args, unknown = self.parse_known_intermixed_args([*words[:end], *marked])
        if unknown:
            near = did_you_mean(unknown[0].partition("=")[0], self._option_string_actions)
            self.error(f"unknown: {' '.join(unknown).replace(VERBATIM, '')}.{near}")
        for name, value in vars(args).items():
            setattr(args, name, _unmarked(value))
        return args

    def error(self, message):
        message = message[0].upper() + message[1:]
        message += "" if message.endswith(("?", ".")) else "."
        raise WrongUse(message, hint=f"{self.prog} --help")


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs `zoo ARGUMENTS…`.

    Args:
        arguments: The words after `zoo`. Defaults to those of this process.

    Returns:
        The exit code: 0 done, 1 it failed, 2 wrong use, 130 interrupted.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(encoding="utf-8")
    name, following = "zoo", "zoo --help"
    try:
        if not words or words[0] in ("-h", "--help", "help"):
            print(overview())
            return 0
        if words[0] == "--version":
            print(f"zoo {_version()}")
            return 0
        verb = _verb(words[0])
        name, following = f"zoo {words[0]}", verb.NEXT
        args = parser(words[0], verb).parse(words[1:])
        with warnings.catch_warnings():
            warnings.showwarning = _show_warning
            verb.run(args)
        sys.stdout.flush()
        return 0
    except SystemExit as stop:  # argparse, after --help
        return int(stop.code or 0)
    except KeyboardInterrupt:
        output.say(f"\n{name}: interrupted.")
        return 130
    except BrokenPipeError:  # `zoo infer … | head`: the reader has had enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        return _report(name, error, following)


def parser(name: str, verb: ModuleType) -> Parser:
    """The parser of one verb, made of its docstring, `EXAMPLES` and `arguments`."""
    made = Parser(
        prog=f"zoo {name}",
        description=verb.__doc__,
        epilog=f"examples:\n{verb.EXAMPLES}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    verb.arguments(made)
    return made


def overview() -> str:
    """What `zoo --help` prints."""
    lines = ["usage: zoo VERB …", "", "A Keras 3 zoo of sequence models.", ""]
    for group, verbs in GROUPS.items():
        lines += [f"{group}:", *(f"  {verb:9}{does}" for verb, does in verbs.items()), ""]
    return "\n".join([*lines, EXAMPLES])


def _unmarked(value):
    if isinstance(value, list):
        return [_unmarked(item) for item in value]
    return value.removeprefix(VERBATIM) if isinstance(value, str) else value


def _verb(name: str) -> ModuleType:
    if name not in VERBS:
        kind = "option" if name.startswith("-") else "verb"
        raise WrongUse(
            f"There is no {kind} `{name}`.{did_you_mean(name, VERBS)}", hint="zoo --help"
        )
    return importlib.import_module(f"zoo.cli.verbs.{name}")


def _version() -> str:
    import zoo

    return zoo.__version__


def _show_warning(message, *where) -> None:
    """Without the place in the code, which tells nothing to who typed a command."""
    output.say(f"zoo: warning: {message}")


def _report(name: str, error: Exception, following: str) -> int:
    """Prints an error and what to try next.

    Errors of any part may carry a `hint` and an `exit_code` of their own.
    """
    if os.environ.get("ZOO_TRACEBACK"):
        traceback.print_exception(error)
    message = str(error.args[0]) if isinstance(error, KeyError) and error.args else str(error)
    hint = getattr(error, "hint", None)
    if not isinstance(error, (Failure, *SPEAKING)):
        message = f"{type(error).__name__}: {message}"
        hint = hint or "the same with ZOO_TRACEBACK=1, which shows where it arose"
    output.say(f"{name}: error: {message or type(error).__name__}")
    output.say(f"next: {hint or following}")
    return getattr(error, "exit_code", 1)
