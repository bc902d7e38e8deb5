"""Teachers: their answers, computed once for each text and kept on disk."""

import functools
import json
import pkgutil
import time
import warnings
import zipfile
from collections.abc import Callable, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import keras_hub
import numpy as np

from zoo import presets
from zoo.data import Columns, Dataset
from zoo.files import atomic_write
from zoo.home import home
from zoo.presets.card import digest_of
from zoo.presets.loading import members_of
from zoo.presets.validation import hash_files
from zoo.tasks import task_of
from zoo.training import pretrained
from zoo.training.display import Display
from zoo.training.distillation.schema import UNLABELLED_SPLIT

# Inputs whose answers are computed, and stored, together.
CHUNK = 1024
PROBED = 4
Answers = dict[str, np.ndarray]


def all_rows(dataset: Dataset) -> Columns:
    """The rows of train, then the unlabelled ones, with `None` in the columns they lack."""
    train, extra = dataset.splits["train"], dataset.splits.get(UNLABELLED_SPLIT, {})
    count = len(next(iter(extra.values()), []))
    return {name: [*values, *extra.get(name, [None] * count)] for name, values in train.items()}


class Teacher:
    """A model whose answers a student learns.

    Answers are stored in `teachers/DIGEST` of the zoo's home, in one file for each chunk of
    inputs, so that an interrupted run computes only what is missing.

    Args:
        source: A model, as `zoo.load` takes it; of several, an ensemble that answers as one.
        task: The class that it, or each member, must have.
        key: The key of the recipe that names it. Defaults to `"training.teacher"`.

    Attributes:
        source: The same, with `+` between the members of an ensemble.
        name: Its name on its card, else that of its folder.
        digest: SHA-256 of its files.

    Raises:
        zoo.presets.PresetError: if there is no such preset.
        ValueError: if models of this task are no ensemble.
    """

    def __init__(
        self,
        source: str | Sequence[str],
        task: type[keras_hub.models.Task],
        key: str = "training.teacher",
    ):
        sources = [source] if isinstance(source, str) else source
        self.members = [str(member) for it in sources for member in members_of(it)]
        self.source, self.task, self.key = "+".join(self.members), task, key
        row = task_of(task)
        self._ensemble = (row and row.ensemble) or ""
        if len(self.members) > 1 and not self._ensemble:
            raise ValueError(
                f"Several models of this task are no ensemble: give {key} a list, whose answers "
                f"are averaged, or one model. Received: {self.source!r}"
            )
        directories = [presets.resolve(member) for member in self.members]
        cards = [presets.read_card(directory) for directory in directories]
        self.name = "+".join(
            card.name if card else directory.name
            for card, directory in zip(cards, directories, strict=True)
        )
        digests = [digest_of(hash_files(directory)) for directory in directories]
        members = {f"member {place}": digest for place, digest in enumerate(digests)}
        self.digest = digests[0] if len(digests) == 1 else digest_of(members)
        self.folder = home() / "teachers" / self.digest[:32]

    @functools.cached_property
    def model(self) -> Any:
        """The model, or the ensemble.

        Raises:
            ValueError: if it is of another task, or the members do not fit each other.
        """
        models = [pretrained.load(it, self.task, key=self.key) for it in self.members]
        return models[0] if len(models) == 1 else pkgutil.resolve_name(self._ensemble)(models)

    def answers(
        self,
        inputs: Sequence,
        ask: Callable[[keras_hub.models.Task, Sequence], Answers],
        display: Display,
        options: str = "",
    ) -> Answers:
        """The answers to inputs, from the disk where they are known.

        Args:
            inputs: Texts, or lists of words.
            ask: Function of the model and some inputs that returns their answers, as arrays.
            display: Shows the progress.
            options: What the answers depend on beside the model and the inputs.

        Returns:
            The arrays of `ask`, those of all inputs in one.
        """
        files = self._files(inputs, options)
        stored: dict[int, Any] = {
            start: answers for start, path in files if (answers := _read(path)) is not None
        }
        if len(stored) == len(files):
            display.say(f"{self.source}: the answers to {len(inputs):,} texts are stored already")
        else:
            display.say(f"{self.source}: asking for {len(inputs):,} texts")
            display.work(self.source, len(files), len(stored))
        begin, asked = time.perf_counter(), 0
        for start, path in files:
            if start in stored:
                continue
            chunk = inputs[start : start + CHUNK]
            with warnings.catch_warnings():
                # A teacher reads as much of a text as it does in use.
                warnings.filterwarnings("ignore", ".*were truncated")
                stored[start] = ask(self.model, chunk)
            with atomic_write(path) as temporary:
                np.savez(temporary, **stored[start])
            asked += len(chunk)
            display.batch(len(stored), None)
        if asked:
            seconds = time.perf_counter() - begin
            speed = f"{asked / seconds:,.0f} texts/s"
            display.say(f"{self.source}: {asked:,} texts in {seconds:.1f} s, {speed}")
        parts = [stored[start] for start, _ in files]
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    def probe(
        self,
        inputs: Sequence,
        ask: Callable[[keras_hub.models.Task, Sequence], Answers],
        options: str = "",
    ) -> None:
        """Asks for the answers to the first inputs, which fails early if it fails.

        Args:
            inputs, ask, options: See `answers`. Does nothing if all answers are stored.
        """
        if not all(path.is_file() for _, path in self._files(inputs, options)):
            ask(self.model, inputs[:PROBED])

    def unload(self) -> None:
        """Frees the memory of the model."""
        vars(self).pop("model", None)

    def _files(self, inputs, options):
        """The start of each chunk, and the file of its answers."""
        return [
            (start, self.folder / f"{_digest(options, inputs[start : start + CHUNK])}.npz")
            for start in range(0, len(inputs), CHUNK)
        ]


def _digest(options: str, inputs: Sequence) -> str:
    return sha256(json.dumps([options, list(inputs)]).encode()).hexdigest()


def _read(path: Path) -> Answers | None:
    """Stored answers; `None` if there are none, or the file is damaged."""
    try:
        with np.load(path, allow_pickle=False) as file:
            return dict(file)
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
