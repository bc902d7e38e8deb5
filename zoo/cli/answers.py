"""Prints the answers of `zoo infer`: one line each, as text or JSON."""

import re

from zoo.cli import output
from zoo.tasks import Task

# Characters that would end the line, or that a terminal would interpret as commands.
CONTROLS = re.compile(r"[\x00-\x08\n-\x1f\x7f-\x9f\u2028\u2029]")


def print_answer(task: Task, given: str, answer: dict, as_json: bool) -> None:
    """Prints one answer.

    Args:
        task: The model's task; decides which fields are printed.
        given: The input: a text, or the path of an image.
        answer: The answer as a dictionary.
        as_json: Whether to print every field as JSON.
    """
    if as_json:
        output.print_json({task.input_name: given} | answer, lines=True)
        return
    fields = [output.format_value(answer[name]) for name in task.plain if name in answer]
    if task.plain_pairs:
        first, second = task.plain_pairs
        given = " ".join(map("/".join, zip(answer[first], answer[second], strict=True)))
    print("\t".join([*fields, CONTROLS.sub(" ", given)]))
