"""Prints the answers of `zoo infer`: one line each, as text or JSON."""

import itertools
import re
import sys
from collections.abc import Iterable

from zoo.cli import output
from zoo.tasks import Task

# Characters that would end the line, or that a terminal would interpret as commands.
CONTROLS_WITHIN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")  # but tabs and line breaks
CONTROLS = re.compile(r"[\x00-\x08\n-\x1f\x7f-\x9f\u2028\u2029]")


def print_answer(task: Task, given: str, answer: dict, as_json: bool) -> None:
    """Prints one answer; on a terminal, with spans in colours if there are any.

    Tagged words are printed as `word/tag`, tagged characters as a text with `<Seoul:LC>` in it,
    and a word that refers to another one as `it→cup`.

    Args:
        task: The model's task; decides which fields are printed.
        given: The input: a text, or the path of an image.
        answer: The answer as a dictionary.
        as_json: Whether to print every field as JSON.
    """
    if as_json:
        output.print_json({task.input_name: given} | answer, lines=True)
        return
    if task.streams:
        print(CONTROLS.sub(" ", given + answer["text"]))
        return
    names = (*task.plain, "alignment")
    fields = [output.format_value(answer[name]) for name in names if name in answer]
    if answer.get("spans") and sys.stdout.isatty():
        _print_spans(fields, answer)
        return
    if "separator" in answer and (answer["spans"] or set(answer["tags"]) <= {"O"}):
        parts = _segments(answer)
        given = "".join(text if type is None else f"<{text}:{type}>" for type, text in parts)
    elif "referents" in answer:
        pairs = zip(answer["tokens"], answer["referents"], strict=True)
        given = " ".join(word if other is None else f"{word}→{other}" for word, other in pairs)
    elif task.plain_pairs:
        first, second = task.plain_pairs
        given = " ".join(map("/".join, zip(answer[first], answer[second], strict=True)))
    print("\t".join([*fields, CONTROLS.sub(" ", given)]))


def print_stream(given: str, pieces: Iterable[str]) -> None:
    """Prints an input and the pieces of its continuation as they come; Ctrl-C ends it."""
    try:
        for piece in itertools.chain([given], pieces):
            print(CONTROLS_WITHIN.sub(" ", piece), end="", flush=True)
    except KeyboardInterrupt:
        pass
    print()


def _print_spans(fields, answer):
    """Prints the words of a sentence, each span on a colour and followed by its type."""
    from rich.console import Console
    from rich.text import Text

    from zoo.explain.spans import color_of

    types = [span["type"] for span in answer["spans"]]
    parts = [Text(text) for text in fields]
    words = []
    for type, text in _segments(answer):
        text = CONTROLS.sub(" ", text)
        if type is None:
            words.append(Text(text))
        else:
            color = color_of(type, types)
            shown = Text(f" {text} ", style=f"#1d2330 on {color}")
            kind = CONTROLS.sub(" ", type)
            words.append(shown.append(f"{kind} ", style=f"italic #4a5060 on {color}"))
    line = Text("  ").join([*parts, Text(answer.get("separator", " ")).join(words)])
    Console(highlight=False).print(line, soft_wrap=True)


def _segments(answer):
    """The text of a tagged sentence, cut at its spans."""
    from zoo.explain.spans import segments

    spans = [(span["type"], span["start"], span["end"]) for span in answer["spans"]]
    return segments(answer["tokens"], spans, answer.get("separator", " "))
