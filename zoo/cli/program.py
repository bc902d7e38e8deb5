"""Parses the command line, runs one verb, and turns errors into exit codes."""

import argparse
import importlib
import os
import sys
import traceback
import warnings
from collections.abc import Callable, Sequence
from types import ModuleType

from zoo.cli import output
from zoo.cli.errors import Failure, WrongUse
from zoo.suggestions import did_you_mean
from zoo.tracking_store import without_passwords

GROUPS = {
    "models and data": {
        "ls": "list the pretrained models",
        "show": "show a model's card, metrics and configuration",
        "recipes": "list the recipes, or print one",
        "data": "list the datasets, download one, or print its path",
        "vectors": "list word vectors, print the nearest words, or train vectors on text",
    },
    "inference": {
        "infer": "run a model on texts or images",
        "chat": "talk to a model in the terminal",
        "eval": "measure a model on a dataset",
        "explain": "draw what speaks for and against an answer",
        "score": "answer a column of a table, on all cores or a Spark cluster",
        "serve": "answer requests over HTTP, with a page to try a model by hand",
        "export": "export a model to a SavedModel or ONNX graph",
        "import": "import an LSTM, GRU or CRF of torch, Keras 2 or TensorFlow Addons",
    },
    "training": {
        "init": "look at a file of yours and write a recipe for it",
        "run": "train, evaluate, track and register a model from a recipe",
        "tune": "train a published model further on a file of yours",
        "sweep": "search settings of a recipe: several runs, the hopeless ones stopped early",
        "track": "send runs that a tracking server could not take to the end",
        "runs": "close runs of killed processes, and remove what they left",
        "presets": "enter the pretrained models in the tracking store",
        "registry": "list, compare, promote and roll back registered models",
        "ui": "open the tracked runs and registered models in the browser",
    },
}
VERBS = [verb for group in GROUPS.values() for verb in group]

# Errors that the zoo raises with a message for users; the class of any other is printed too.
USER_ERRORS = (ValueError, OSError, LookupError, RuntimeError, ImportError)
VERBATIM = "\0"  # a character that no argument can contain

EXAMPLES = """\
examples:
  zoo ls
  zoo infer bilstm_bahdanau_sst2_en "A gripping film." "Not worth your time."
  zoo run sentiment/quickstart training.epochs=2 --backend jax
  zoo VERB --help
  zoo --version

exit codes: 0 success, 1 failure, 2 invalid command, 130 interrupted
environment: ZOO_HOME, ZOO_DATA, KERAS_BACKEND, MLFLOW_TRACKING_URI; ZOO_TRACEBACK=1 prints the
traceback of an error"""


class Parser(argparse.ArgumentParser):
    """An argument parser that raises `WrongUse` with a hint."""

    def parse(self, words: Sequence[str]) -> argparse.Namespace:
        """Parses arguments; options may be anywhere before `--`."""
        end = words.index("--") if "--" in words else len(words)
        # parse_known_intermixed_args ignores `--`, so the words after it are marked.
        marked = [VERBATIM + word for word in words[end + 1 :]]
        args, unknown = self.parse_known_intermixed_args([*words[:end], *marked])
        if unknown:
            near = did_you_mean(unknown[0].partition("=")[0], self._option_string_actions)
            self.error(f"unknown argument: {' '.join(unknown).replace(VERBATIM, '')}.{near}")
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
        The exit code: 0 success, 1 failure, 2 invalid command, 130 interrupted.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(encoding="utf-8")  # type: ignore[union-attr]
    name, hint = "zoo", "zoo --help"
    try:
        if not words or words[0] in ("-h", "--help", "help"):
            print(overview())
            return 0
        if words[0] == "--version":
            print(f"zoo {_version()}")
            return 0
        verb = _verb(words[0])
        name, hint = f"zoo {words[0]}", verb.NEXT
        args = parser(words[0], verb).parse(words[1:])
        with warnings.catch_warnings():
            warnings.showwarning = _warning_printer()
            verb.run(args)
        sys.stdout.flush()
        return 0
    except SystemExit as stop:  # argparse, after --help
        return int(stop.code or 0)
    except KeyboardInterrupt:
        output.say(f"\n{name}: interrupted.")
        return 130
    except BrokenPipeError:  # the reader of a pipe, such as `head`, has closed it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        return _report(name, error, hint)


def parser(name: str, verb: ModuleType) -> Parser:
    """The parser of one verb, from its docstring, `EXAMPLES` and `arguments`."""
    verb_parser = Parser(
        prog=f"zoo {name}",
        description=verb.__doc__,
        epilog=f"examples:\n{verb.EXAMPLES}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    verb.arguments(verb_parser)
    return verb_parser


def overview() -> str:
    """The text of `zoo --help`."""
    lines = ["usage: zoo VERB [ARGUMENTS]", "", "A Keras 3 zoo of sequence models.", ""]
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


def _warning_printer() -> Callable[..., None]:
    """A function that prints each warning once, without its position in the code."""
    printed = set()

    def show(message, *position) -> None:
        if str(message) not in printed:
            printed.add(str(message))
            output.say(f"zoo: warning: {message}")

    return show


def _report(name: str, error: Exception, default_hint: str) -> int:
    """Prints an error and a hint, and returns the exit code.

    An exception may have the attributes `hint` and `exit_code`.
    """
    if os.environ.get("ZOO_TRACEBACK"):
        output.say(without_passwords("".join(traceback.format_exception(error))))
    message = str(error.args[0]) if isinstance(error, KeyError) and error.args else str(error)
    hint = getattr(error, "hint", None)
    if not isinstance(error, (Failure, *USER_ERRORS)):
        message = f"{type(error).__name__}: {message}"
        hint = hint or "ZOO_TRACEBACK=1 with the same command prints the traceback"
    message = without_passwords(message or type(error).__name__)
    output.say(f"{name}: error: {message}")
    output.say(f"next: {hint or default_hint}")
    return getattr(error, "exit_code", 1)
