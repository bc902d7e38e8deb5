"""The presets that come with the package."""

from pathlib import Path

from zoo.presets.card import CARD_FILE, Card, PresetError, read_card
from zoo.suggestions import did_you_mean
from zoo.tasks import TASKS

PRETRAINED = Path(__file__).parent / "pretrained"


def list_models(task: str | None = None) -> list[Card]:
    """Lists the pretrained models that come with the zoo.

    Only the cards are read: neither Keras nor a backend is imported.

    Args:
        task: Name of a task, such as `"text_classifier"`, to list only its models. Defaults to
            `None`: all models.

    Returns:
        Their cards, sorted by task and name.

    Raises:
        ValueError: if there is no such task.
    """
    if task is not None and task not in TASKS:
        raise ValueError(
            f"`task` must be one of {', '.join(TASKS)}.{did_you_mean(task, TASKS)} "
            f"Received: task={task!r}"
        )
    cards = [read_card(path.parent) for path in PRETRAINED.glob(f"*/{CARD_FILE}")]
    return sorted(
        (card for card in cards if card and task in (None, card.task)),
        key=lambda card: (card.task, card.name),
    )


def find(name: str) -> Path:
    """The directory of a pretrained model.

    Args:
        name: Name of the model.

    Returns:
        The directory.

    Raises:
        PresetError: if there is no model of that name; the message suggests similar names.
    """
    names = sorted(path.parent.name for path in PRETRAINED.glob(f"*/{CARD_FILE}"))
    if name in names:
        return PRETRAINED / name
    raise PresetError(
        "There is no pretrained model and no directory of this name."
        f"{did_you_mean(name, names)} `zoo ls` lists the models. Received: {name!r}"
    )
