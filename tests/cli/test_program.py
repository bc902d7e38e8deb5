"""Help, exit codes, errors and imports of the command line."""

import os
import re
import subprocess
import sys
import time
import warnings
from pathlib import Path

import pytest

import zoo
from zoo.cli import main, program
from zoo.cli.errors import Failure, WrongUse, command
from zoo.suggestions import did_you_mean

pytestmark = pytest.mark.once

HEAVY = "keras tensorflow keras_hub jax torch mlflow matplotlib sklearn pandas numpy".split()


class Verb:
    """A verb that raises the given error."""

    EXAMPLES = "  zoo ls"
    NEXT = "zoo show"

    def __init__(self, error=None):
        self.error = error

    def arguments(self, parser):
        parser.add_argument("words", nargs="*", default=[])
        parser.add_argument("--flag", action="store_true")

    def run(self, args):
        self.args = args
        if self.error:
            raise self.error


@pytest.fixture
def verb(monkeypatch):
    """Puts a stand-in in place of a verb: `verb(error)` returns it."""

    def place(error=None):
        stand_in = Verb(error)
        monkeypatch.setattr(program, "_verb", lambda name: stand_in)
        return stand_in

    return place


@pytest.mark.parametrize("words", [[], ["-h"], ["--help"]])
def test_overview_names_every_verb(words, capsys):
    assert main(words) == 0
    shown = capsys.readouterr().out
    for name in program.VERBS:
        assert f"\n  {name} " in shown
    assert shown.startswith("usage: zoo")
    assert "exit codes" in shown


@pytest.mark.parametrize("name", program.VERBS)
def test_every_verb_has_help_that_ends_with_examples(name, capsys):
    assert main([name, "--help"]) == 0
    text, _, examples = capsys.readouterr().out.partition("examples:\n")
    assert text.startswith(f"usage: zoo {name}")
    commands = examples.strip().splitlines()
    assert commands and all("zoo " in line for line in commands)
    assert max(map(len, commands)) < 100


def test_version(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("zoo 0.")


@pytest.mark.parametrize(
    "words, message",
    [
        (["recipez"], "There is no verb `recipez`. Did you mean `recipes`?"),
        (["--jsn"], "There is no option `--jsn`."),
        (["infer"], "The following arguments are required: MODEL."),
        (
            ["run", "sentiment", "--bakend", "jax"],
            "Unknown argument: --bakend jax. Did you mean `--backend`",
        ),
        (["run", "sentiment", "--backend", "mxnet"], "invalid choice: 'mxnet'"),
        (["ui", "--port", "many"], "invalid int value: 'many'"),
    ],
)
def test_wrong_arguments_exit_with_2_and_a_hint(words, message, capsys):
    assert main(words) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert message in said.err
    assert said.err.splitlines()[-1].startswith("next: zoo")


@pytest.mark.parametrize(
    "error, code, shown",
    [
        (Failure("It broke.", hint="mend it"), 1, "zoo ls: error: It broke.\nnext: mend it\n"),
        (WrongUse("Not so.", hint="so"), 2, "zoo ls: error: Not so.\nnext: so\n"),
        (ValueError("Bad value."), 1, "zoo ls: error: Bad value.\nnext: zoo show\n"),
        (KeyError("No such key."), 1, "zoo ls: error: No such key.\nnext: zoo show\n"),
        (OSError(), 1, "zoo ls: error: OSError\nnext: zoo show\n"),
        (KeyboardInterrupt(), 130, "\nzoo ls: interrupted.\n"),
    ],
)
def test_errors_become_exit_codes(verb, capsys, error, code, shown):
    verb(error)
    assert main(["ls"]) == code
    assert capsys.readouterr().err == shown


def test_error_with_hint_and_exit_code(verb, capsys):
    error = ValueError("No such key.")
    error.hint, error.exit_code = "zoo recipes", 2
    verb(error)
    assert main(["ls"]) == 2
    assert capsys.readouterr().err.endswith("next: zoo recipes\n")


def test_unexpected_error_prints_its_class_and_a_traceback_if_asked(verb, capsys, monkeypatch):
    verb(AttributeError("no attribute 'x'"))
    assert main(["ls"]) == 1
    said = capsys.readouterr().err
    assert "AttributeError: no attribute 'x'" in said and "Traceback" not in said
    assert "ZOO_TRACEBACK=1" in said
    monkeypatch.setenv("ZOO_TRACEBACK", "1")
    assert main(["ls"]) == 1
    assert "Traceback" in capsys.readouterr().err


def test_warning_is_printed_once_without_its_position(verb, capsys):
    stand_in = verb()
    stand_in.run = lambda args: [_warn(), _warn()]
    assert main(["ls"]) == 0
    assert capsys.readouterr().err == "zoo: warning: Not verified.\n"


def _warn():
    with warnings.catch_warnings():  # as libraries do; resets which warnings were shown
        warnings.simplefilter("default")
    warnings.warn("Not verified.", stacklevel=1)


def test_options_may_be_anywhere(verb):
    stand_in = verb()
    assert main(["ls", "a", "--flag", "b=c"]) == 0
    assert stand_in.args.words == ["a", "b=c"] and stand_in.args.flag
    assert main(["ls", "--", "-a", "--b"]) == 0
    assert stand_in.args.words == ["-a", "--b"]


def test_did_you_mean():
    assert did_you_mean("trian", ["train", "test"]) == " Did you mean `train`?"
    assert did_you_mean("xyz", ["train", "test"]) == did_you_mean("", ["train"]) == ""
    assert (
        did_you_mean("sst", ["bilstm_bahdanau_sst2_en"])
        == " Did you mean `bilstm_bahdanau_sst2_en`?"
    )


@pytest.mark.parametrize(
    "words, code_and_modules",
    [
        (["--help"], "0"),
        (["ls"], "0"),
        (["ls", "--json"], "0"),
        (["recipes"], "0"),
        (["data", "ls"], "0"),
        (["run", "--help"], "0"),
        (["run", "sentiment", "model.poling=mean"], "2"),
        (["run", "sentiment", "data={name: null, train: nowhere.csv}"], "1"),
        (["run", "sentiment", "--resume", "nothing"], "1 numpy"),
    ],
)
def test_nothing_heavy_is_imported(words, code_and_modules):
    script = (
        "import sys; from zoo.cli import main\n"
        f"print(main({words!r}), *set({HEAVY}) & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == code_and_modules, done.stderr


@pytest.mark.parametrize("words", [["--help"], ["ls"], ["recipes"]])
def test_light_verbs_take_less_than_a_second(words):
    """In CPU time, which does not depend on other processes."""
    before = os.times()
    started = time.perf_counter()
    subprocess.run([sys.executable, "-m", "zoo.cli", *words], check=True, capture_output=True)
    after = os.times()
    used = after.children_user + after.children_system
    used -= before.children_user + before.children_system
    assert used < 0.8, f"{used:.2f} s, {time.perf_counter() - started:.2f} s by the clock"


def test_closed_pipe_is_not_a_failure():
    code = "import sys; from zoo.cli import main; sys.exit(main(['--help']))"
    process = subprocess.Popen(
        [sys.executable, "-u", "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    process.stdout.close()
    assert process.stderr.read() == b""
    assert process.wait() == 0
    process.stderr.close()


def test_printed_commands_are_quoted():
    assert command("zoo", "run", "my file.yaml", "--resume", "ab") == (
        "zoo run 'my file.yaml' --resume ab"
    )
    assert command("zoo", "infer", "models:/a@champion", "it's $HOME") == (
        """zoo infer models:/a@champion 'it'"'"'s $HOME'"""
    )
    wrong = [
        f"{path.name}: {line.strip()}"
        for path in Path(zoo.__file__).parent.rglob("*.py")
        for line in path.read_text("utf-8").splitlines()
        if re.search(r"""hint=f['"](zoo|ls|mkdir|-o) [^'"]*{""", line)
    ]
    assert not wrong, f"Use zoo.cli.errors.command for what a user will copy: {wrong}"
