"""`zoo chat` with a stand-in for the model."""

from dataclasses import dataclass, replace

import pytest

from zoo import presets
from zoo.cli import main

pytestmark = pytest.mark.once


@dataclass(frozen=True)
class Found:
    text: str
    log_probability: float = -1.5

    @property
    def hypotheses(self):
        return [self, Found(f"{self.text}?", -2.25)]


class Parrot:
    """Answers a remark with itself."""

    def __init__(self):
        self.calls = []

    def infer(self, texts, **options):
        self.calls.append(options)
        return [Found(text) for text in texts]

    def make_sampler(self, temperature, num_samples, seed):
        self.calls.append((temperature, num_samples, seed))
        return lambda texts: [Found(text.upper()) for text in texts]

    def explain(self, text):
        return Explained(text)


class Explained:
    summary = ("Copied from the source: “hello” (97%).",)

    def __init__(self, text):
        self.text = text

    def save(self, file):
        file.write_text(self.text)
        return file


@pytest.fixture
def parrot(loaded, cards, make_preset, monkeypatch, tmp_path):
    import zoo

    cards[0] = replace(cards[0], task="seq2seq_lm")
    preset = make_preset(tmp_path / "preset", "seq2seq_lm")
    monkeypatch.setattr(presets, "resolve", lambda source: preset)
    parrot = Parrot()
    monkeypatch.setattr(zoo, "load", lambda source: parrot)
    return parrot


def chat(stdin, *lines, options=()):
    stdin("\n".join(lines).encode())
    return main(["chat", "tiny_en", *options])


def test_piped_remarks_are_answered_one_a_line(parrot, stdin, capsys):
    assert chat(stdin, "hello", "", "  you too ") == 0
    captured = capsys.readouterr()
    assert captured.out == "hello\nyou too\n" and captured.err == ""
    assert parrot.calls == [{"n_best": 1, "beam": 5}] * 2


def test_commands_change_the_answers(parrot, stdin, capsys):
    assert chat(stdin, ":n_best 2", "a", ":temperature 0.5", "b", "c", ":n_best 1", "d") == 0
    assert capsys.readouterr().out.splitlines() == [
        *("1. a  (-1.50)", "2. a?  (-2.25)"),
        *("1. B  (-1.50)", "2. B?  (-2.25)"),
        *("1. C  (-1.50)", "2. C?  (-2.25)"),
        "D",
    ]
    # A sampler is made once for the same settings.
    assert parrot.calls == [{"n_best": 2, "beam": 5}, (0.5, 2, None), (0.5, 1, None)]


def test_settings_of_the_command_line(parrot, stdin, capsys):
    options = ["--temperature", "0.7", "--n-best", "2", "--seed", "3"]
    assert chat(stdin, "a", options=options) == 0
    assert parrot.calls == [(0.7, 2, 3)]


def test_explanation_history_and_help(parrot, stdin, tmp_path, capsys):
    file = tmp_path / "map.svg"
    assert chat(stdin, "hello", "bye", f":explain {file}", ":history", ":help") == 0
    assert file.read_text() == "bye"
    captured = capsys.readouterr()
    assert f"bye\n{file}\n> hello\nhello\n> bye\nbye\n:temperature T" in captured.out
    assert captured.err == "Copied from the source: “hello” (97%).\n"


@pytest.mark.parametrize(
    "line, message",
    [
        (":n-best 3", "There is no :n-best. Did you mean `n_best`"),
        (":n_best many", ":n_best: needs a whole number. Received: 'many'"),
        (":n_best 0", "`n_best` must be an integer of at least 1"),
        (":n_best 100000", "`n_best` must be an integer of at most 1,024"),
        (":temperature warm", ":temperature: needs a number. Received: 'warm'"),
        (":temperature -1", "`temperature` must be a finite number of at least 0"),
        (":temperature nan", "`temperature` must be a finite number"),
        (":temperature 0.001", "must be 0, the best answer, or at least 0.01"),
        (":explain map.png", ":explain: there is no remark to explain yet"),
        (":", "There is no :."),
    ],
)
def test_mistakes_are_said_and_the_session_goes_on(parrot, stdin, line, message, capsys):
    assert chat(stdin, line, "on") == 0
    captured = capsys.readouterr()
    assert message in captured.err and captured.out == "on\n"


def test_explaining_needs_a_file_in_a_folder(parrot, stdin, capsys):
    assert chat(stdin, "a", ":explain", ":explain /nowhere/map.png") == 0
    errors = capsys.readouterr().err.splitlines()
    assert errors == [
        ":explain: name a file, such as map.png",
        ":explain: the folder must exist. Received: /nowhere/map.png",
    ]


def test_wrong_models_and_settings_are_refused_before_loading(loaded, cards, stdin, capsys):
    assert chat(stdin, "a") == 2
    assert "needs a model that answers a text with a text" in capsys.readouterr().err
    cards[0] = replace(cards[0], task="seq2seq_lm")
    for options in (["--n-best", "0"], ["--temperature", "inf"]):
        assert chat(stdin, "a", options=options) == 2
        assert "Received: " in capsys.readouterr().err
    assert loaded == []


def test_a_terminal_gets_a_prompt_and_ctrl_d_ends(parrot, monkeypatch, capsys):
    import builtins
    import sys

    lines = iter(["hello", ""])

    def ask(prompt):
        assert prompt == "> "
        try:
            return next(lines)
        except StopIteration:
            raise EOFError from None

    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(builtins, "input", ask)
    assert main(["chat", "tiny_en"]) == 0
    captured = capsys.readouterr()
    assert captured.out == "hello\n\n" and "Ctrl-D ends" in captured.err
