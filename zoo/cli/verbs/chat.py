"""Talk to a model that answers texts: type a remark and press Enter; Ctrl-D ends.

Lines that begin with a colon are commands, `:help` lists them. Each remark is answered by itself: a
model of pairs reads none of the remarks before. Remarks can be piped too, one in each line.
"""

import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from zoo.checks import MAX_BEAM, check_integer, check_number
from zoo.cli import backend, models, output
from zoo.cli.errors import WrongUse, command
from zoo.suggestions import did_you_mean

EXAMPLES = """\
  zoo run dialogue/quickstart && zoo chat models:/remarks@champion
  zoo chat transformer_chatbot_ko
  zoo chat models:/remarks@champion --temperature 0.7 --n-best 3 --seed 1
  zoo chat transformer_chatbot_ko < remarks.txt
  printf '불 꺼 줄래\\n:n_best 3\\n불 꺼 줄래\\n' | zoo chat gru_copy_sae4k_ko"""
NEXT = "zoo chat --help"

MAX_TEMPERATURE = 100.0
HELP = """\
:temperature T   draw answers at random: 0.5 varies a little, 1 as the model thinks; 0, the default,
                 gives the best answer of a beam search
:n_best N        print up to N different answers, the most probable first, with their
                 log-probabilities
:explain FILE    draw what the best answer to the last remark depends on (.png, .svg, .pdf, .html)
:history         print the conversation
:help            print this list
Ctrl-D           end"""


def arguments(parser: ArgumentParser) -> None:
    models.add_argument(parser)
    parser.add_argument(
        "--temperature", type=float, default=0.0, metavar="T", help=":temperature (default: 0)"
    )
    parser.add_argument("--n-best", type=int, default=1, metavar="N", help=":n_best (default: 1)")
    parser.add_argument("--seed", type=int, metavar="N", help="of random answers")
    backend.add_argument(parser)


def run(args: Namespace) -> None:
    found = models.find(args.model)
    if found.task.name != "seq2seq_lm":
        raise WrongUse(
            f"`zoo chat` needs a model that answers a text with a text, and `{args.model}` is a "
            f"{found.task.name}. Received: {args.model}",
            hint=command("zoo", "infer", args.model),
        )
    try:
        _check(args.temperature, args.n_best)
    except ValueError as error:
        raise WrongUse(str(error), hint="zoo chat --help") from None
    is_terminal = sys.stdin.isatty()
    session = Session(models.load(found, args.backend), args.temperature, args.n_best, args.seed)
    if is_terminal:
        output.say("Type a remark and press Enter. :help lists the commands, Ctrl-D ends.")
    for line in _lines(is_terminal):
        session.read(line)
        sys.stdout.flush()


class Session:
    """A conversation with a model, and its settings.

    Args:
        model: A `Seq2SeqLM`.
        temperature: float. Of random answers; 0 for beam search.
        n_best: int. Number of answers to print.
        seed: int. Of random answers, or `None`.
    """

    def __init__(self, model: Any, temperature: float = 0.0, n_best: int = 1, seed=None):
        self.model = model
        self.temperature = temperature
        self.n_best = n_best
        self.seed = seed
        self.history: list[tuple[str, str]] = []
        self._answer: Callable | None = None  # made when it is needed, for these settings

    def read(self, line: str) -> None:
        """Answers a remark, or carries out a command; says what is wrong with one."""
        if not line.startswith(":"):
            self.answer(line)
            return
        name, _, value = line[1:].partition(" ")
        if name not in COMMANDS:
            output.say(f"There is no :{name}.{did_you_mean(name, COMMANDS)} :help lists them.")
            return
        try:
            COMMANDS[name](self, value.strip())
        except (ValueError, OSError) as error:
            output.say(f":{name}: {error}")

    def answer(self, remark: str) -> None:
        """Prints the answers to a remark."""
        if self._answer is None:
            self._answer = self._answerer()
        (found,) = self._answer([remark])
        self.history.append((remark, found.text))
        if self.n_best == 1:
            print(found.text)
            return
        different = {one.text: one for one in found.hypotheses}.values()  # samples may repeat
        for number, one in enumerate(different, 1):
            print(f"{number}. {one.text}  ({one.log_probability:.2f})")

    def _answerer(self):
        """A function from a list of remarks to their answers."""
        if self.temperature:
            return self.model.make_sampler(self.temperature, self.n_best, self.seed)
        options = {"n_best": self.n_best, "beam": max(self.n_best, 5)}
        return lambda texts: self.model.infer(texts, **options)

    def set_temperature(self, value: str) -> None:
        """`:temperature T`."""
        temperature = _number(value, float)
        _check(temperature, self.n_best)
        self.temperature, self._answer = temperature, None

    def set_n_best(self, value: str) -> None:
        """`:n_best N`."""
        n_best = _number(value, int)
        _check(self.temperature, n_best)
        self.n_best, self._answer = n_best, None

    def explain(self, value: str) -> None:
        """`:explain FILE`."""
        if not self.history:
            raise ValueError("there is no remark to explain yet")
        if not value:
            raise ValueError("name a file, such as map.png")
        file = Path(value).expanduser()
        if not file.parent.is_dir():
            raise ValueError(f"the folder must exist. Received: {value}")
        explanation = self.model.explain(self.history[-1][0])
        print(explanation.save(file))
        for sentence in explanation.summary:
            output.say(sentence)

    def print_history(self, value: str) -> None:
        """`:history`."""
        for remark, answer in self.history:
            print(f"> {remark}\n{answer}")


COMMANDS: dict[str, Callable[[Session, str], None]] = {
    "temperature": Session.set_temperature,
    "n_best": Session.set_n_best,
    "explain": Session.explain,
    "history": Session.print_history,
    "help": lambda session, value: print(HELP),
}


def _lines(is_terminal: bool) -> Iterator[str]:
    """Lines that are not blank: typed after a prompt, or piped."""
    if not is_terminal:
        yield from (line.strip() for line in sys.stdin if line.strip())
        return
    import readline  # noqa: F401  (arrow keys edit the line, and bring back earlier ones)

    while True:
        try:
            line = input("> ").strip()
        except EOFError:
            print()
            return
        if line:
            yield line


def _check(temperature: float, n_best: int) -> None:
    check_number("temperature", temperature, 0, MAX_TEMPERATURE)
    if 0 < temperature < 0.01:
        raise ValueError(
            "`temperature` must be 0, the best answer, or at least 0.01. "
            f"Received: temperature={temperature}"
        )
    check_integer("n_best", n_best, 1, MAX_BEAM)


def _number(value: str, kind: type) -> Any:
    try:
        return kind(value)
    except ValueError:
        meant = "a whole number" if kind is int else "a number"
        raise ValueError(f"needs {meant}. Received: {value!r}") from None
