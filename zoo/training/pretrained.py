"""Another model to start from: `training.init_from`."""

from typing import TYPE_CHECKING

import zoo

if TYPE_CHECKING:
    import keras_hub


def load(source: str, task: type) -> "keras_hub.models.Task":
    """Loads the model to start from.

    Args:
        source: What `zoo.load` takes.
        task: The class that it must be of.

    Raises:
        ValueError: if it is of another.
    """
    model = zoo.load(source)
    if not isinstance(model, task):
        folder = task.__module__.split(".")[2]
        raise ValueError(
            f"training.init_from must be a {task.__name__}: `zoo ls --task {folder}`. "
            f"Received: {source!r}, a {type(model).__name__}"
        )
    return model


def check_same_sizes(source, target, keys: list[str], names: dict[str, str] | None = None) -> None:
    """Compares two backbones.

    Args:
        source: That of the model to start from.
        target: That of the recipe.
        keys: Which of their arguments must be equal.
        names: What the recipe calls an argument, where it is not the same. Defaults to `None`.

    Raises:
        ValueError: if one differs; says what the recipe must say.
    """
    theirs, ours = source.get_config(), target.get_config()
    different = [key for key in keys if theirs[key] != ours[key]]
    if not different:
        return

    def words(config):
        return " ".join(f"model.{(names or {}).get(key, key)}={config[key]}" for key in different)

    raise ValueError(
        "The sizes of the model must be those of training.init_from: set "
        f"{words(theirs)}. Received: {words(ours)}"
    )
