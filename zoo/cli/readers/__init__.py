"""Input formats of `zoo infer`: lines of text, images, recordings, and CoNLL-U.

A reader's constructor checks the command line; it imports no Keras and loads no model.
"""

from argparse import Namespace
from collections.abc import Callable, Iterable
from typing import Any, Protocol

from zoo.cli.models import FoundModel
from zoo.cli.readers.audio import AudioReader
from zoo.cli.readers.conllu import SUFFIXES, ConlluReader
from zoo.cli.readers.images import ImageReader
from zoo.cli.readers.texts import TextReader


class Reader(Protocol):
    """One input format.

    Attributes:
        inputs: The inputs, read lazily.
        total: Their number, or `None` if it is unknown.
    """

    inputs: Iterable
    total: int | None

    def answer(self, inputs: list, model: Any, infer: Callable[[list], list]) -> None:
        """Runs a chunk of the inputs through the model and prints the answers.

        Args:
            inputs: The chunk.
            model: The loaded model.
            infer: Its `infer`, with the options of the command line.
        """

    def finish(self) -> None:
        """Writes what follows the last answer; raises a `Failure` if inputs failed."""


def make_reader(args: Namespace, model: FoundModel) -> Reader:
    """The reader for the arguments of `zoo infer`.

    Raises:
        WrongUse: if the arguments do not fit each other or the model's task.
        Failure: if the input file is invalid.
    """
    if args.file and args.file.name.endswith(SUFFIXES):
        return ConlluReader(args, model)
    if model.task.input == "image":
        return ImageReader(args, model)
    if model.task.input == "audio":
        return AudioReader(args, model)
    return TextReader(args, model)


__all__ = ["AudioReader", "ConlluReader", "ImageReader", "Reader", "TextReader", "make_reader"]
