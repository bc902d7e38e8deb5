"""Finds, checks and loads the model that a command names."""

import json
from argparse import ArgumentParser
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from zoo.cli import backend
from zoo.cli.errors import WrongUse
from zoo.extras import need
from zoo.suggestions import did_you_mean
from zoo.terminal import starting

if TYPE_CHECKING:
    import keras_hub

    from zoo import Card
    from zoo.tasks import Task

HELP = "a name from `zoo ls`, a directory, models:/NAME@ALIAS, runs:/…, hf://… or kaggle://…"


@dataclass(frozen=True)
class FoundModel:
    """A model whose files were found and checked, and that is not loaded.

    Attributes:
        source: The model as the command names it.
        directory: The directory of its preset.
        card: Its card, or `None` if it has none.
        others: The other members of an ensemble, of which this is the first. Defaults to none.
    """

    source: str
    directory: Path
    card: "Card | None"
    others: "tuple[FoundModel, ...]" = ()

    @property
    def task(self) -> "Task":
        """The row of `zoo.tasks.TASKS`."""
        from zoo import presets

        return presets.read_task(self.directory)

    def config(self, file: str) -> dict | None:
        """The configuration of one Keras object of the preset, or `None` if it has none.

        Args:
            file: Name of the JSON file, such as `"config.json"` for the backbone.
        """
        path = self.directory / file
        return json.loads(path.read_text("utf-8"))["config"] if path.is_file() else None


def add_argument(parser: ArgumentParser) -> None:
    """Adds the argument `MODEL`."""
    parser.add_argument("model", metavar="MODEL", help=HELP)


def check(source: str) -> None:
    """Refuses an unknown model name before anything slow is imported.

    Args:
        source: The model as the command names it.

    Raises:
        WrongUse: if it is neither a known name, a directory, nor a URI.
    """
    if ":/" in source or Path(source).is_dir():
        return
    import zoo

    names = {card.name for card in zoo.list_models()}
    if source not in names:
        raise WrongUse(
            f"There is neither a pretrained model nor a directory `{source}`."
            f"{did_you_mean(source, names)}",
            hint="zoo ls",
        )


def find(source: str, ensembles: bool = False) -> FoundModel:
    """Finds or downloads a model and checks its files. Keras is not imported.

    Args:
        source: The model as the command names it.
        ensembles: bool. Whether it may be several, `A+B`. Defaults to `False`.

    Raises:
        WrongUse: if it is neither a known name, a directory, nor a URI.
        PresetError: if it could not be downloaded, is damaged, or was refused.
    """
    from zoo import presets

    members = [str(member) for member in presets.members_of(source)]
    if len(members) > 1 and not ensembles:
        raise WrongUse(
            f"An ensemble answers `zoo infer` and `zoo eval` alone. Received: {source}",
            hint="zoo infer --help",
        )
    for member in members:
        check(member)
    backend.quiet_libraries()
    directories = [presets.resolve(member) for member in members]
    found = [
        FoundModel(member, directory, presets.read_card(directory))
        for member, directory in zip(members, directories, strict=True)
    ]
    return _ensemble(source, found) if len(found) > 1 else found[0]


def _ensemble(source: str, members: list[FoundModel]) -> FoundModel:
    """Several models as one, with what their cards have in common."""
    first, *others = members
    for member in members:
        if member.task.ensemble is None or member.task is not first.task:
            raise WrongUse(
                "The members of an ensemble must be models of one task that write a text for a "
                "text, an image or a recording. "
                f"Received: {', '.join(f'{it.source}, a {it.task.name}' for it in members)}",
                hint="zoo ls --task seq2seq_lm",
            )
    card = first.card
    if card is not None:
        same = all(it.card is not None and it.card.dataset == card.dataset for it in others)
        card = replace(card, metrics={}, dataset=card.dataset if same else "")
    return FoundModel(source, first.directory, card, tuple(others))


def load(model: FoundModel, backend_name: str | None) -> "keras_hub.models.Task":
    """Loads a model on a backend, with a spinner while Keras is imported."""
    backend.choose(backend_name)
    if model.task.input == "audio":
        need("speech", "Reading recordings")
    members = [model, *model.others]
    with starting(f"Loading {model.source} …"), backend.others_hidden():
        import zoo

        directories = [member.directory for member in members]
        return zoo.load(directories if model.others else model.directory)
