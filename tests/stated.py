"""The sentences of `make run` and of the README, with the answers that stand behind `#`."""

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CONTENT = "\n".join((ROOT / name).read_text("utf-8") for name in ("Makefile", "README.md"))
COMMAND = r"^\s*(?:\$\(ZOO\)|zoo) {verb} ([^#\n]*\"[^#\n]*)(?:# *(.*))?$"
SNIPPET = r"^model = zoo\.load\(\"(.+?)\"\).*\nmodel\.infer\(\[(.*)\]\) *(?:# *(.*))?\n"
EXPLAINED = r"^model = zoo\.load\(\"(.+?)\"\).*\n.*\nmodel\.explain\(\"(.+?)\"\)"


@dataclass(frozen=True)
class Statement:
    """The answers that a model should give (`()`: none are stated), with the options of `--set`."""

    model: str
    texts: tuple[str, ...]
    answers: tuple[str, ...]
    options: tuple[str, ...] = ()


def statements() -> list[Statement]:
    """Every command and line of Python that lets a model answer."""
    found = []
    for command, answers in re.findall(COMMAND.format(verb="infer"), CONTENT, re.MULTILINE):
        model, *words = shlex.split(command)
        end = words.index("--set") if "--set" in words else len(words)
        texts, options = tuple(words[:end]), tuple(words[end + 1 :])
        found.append(Statement(model, texts, _answers(answers, texts), options))
    for model, words, answers in re.findall(SNIPPET, CONTENT, re.MULTILINE):
        texts = tuple(re.findall(r'"(.+?)"', words))
        found.append(Statement(model, texts, _answers(answers, texts)))
    return found


def explained() -> set[tuple[str, str]]:
    """The model and the text of every command and line of Python that explains one."""
    commands = re.findall(COMMAND.format(verb="explain"), CONTENT, re.MULTILINE)
    found = {tuple(shlex.split(command)[:2]) for command, _ in commands}
    return found | set(re.findall(EXPLAINED, CONTENT, re.MULTILINE))


def _answers(stated: str, texts: tuple[str, ...]) -> tuple[str, ...]:
    """The answers behind `#`; those to several texts are separated by commas."""
    if not stated:
        return ()
    return tuple(stated.split(", ")) if len(texts) > 1 else (stated,)
