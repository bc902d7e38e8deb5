"""Which presets come with the package."""

from pathlib import Path

from zoo.presets.card import CARD_FILE, Card, PresetError, read_card
from zoo.suggestions import did_you_mean

PRETRAINED = Path(__file__).parent / "pretrained"
MODELS = Path(__file__).parents[1] / "models"


def list_models(task: str | None = None) -> list[Card]:
    """The pretrained models that come with the zoo.

    Reads the cards alone: neither Keras nor a backend is imported.

    Args:
        task: Take the models of this task only, such as `"text_classifier"`. Defaults to
            `None`: all.

    Returns:
        Their cards, by task and name.

    Raises:
        ValueError: if there is no such task.
    """
    if task is not None and task not in tasks():
        raise ValueError(
            f"`task` must be one of {', '.join(tasks())}.{did_you_mean(task, tasks())} "
            f"Received: task={task!r}"
        )
    cards = [read_card(path.parent) for path in PRETRAINED.glob(f"*/{CARD_FILE}")]
    chosen = [card for card in cards if task in (None, card.task)]
    return sorted(chosen, key=lambda card: (card.task, card.name))


def tasks() -> list[str]:
    """The tasks there are: the folders of `zoo.models`."""
    return sorted(path.parent.name for path in MODELS.glob("*/task.py"))


def find(name: str) -> Path:
    """The directory of a pretrained model.

    Args:
        name: Its name.

    Returns:
        The directory.

    Raises:
        PresetError: if there is none of that name; says which are near.
    """
    names = sorted(path.parent.name for path in PRETRAINED.glob(f"*/{CARD_FILE}"))
    if name in names:
        return PRETRAINED / name
    raise PresetError(
        "There is no pretrained model and no directory of this name."
        f"{did_you_mean(name, names)} `zoo ls` lists the models. Received: {name!r}"
    )
