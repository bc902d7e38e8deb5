"""Initialization from another model: `training.init_from`."""

from typing import TYPE_CHECKING

import zoo

if TYPE_CHECKING:
    import keras_hub


def load(source: str, task: type) -> "keras_hub.models.Task":
    """Loads a model of a given class.

    Args:
        source: A model, as `zoo.load` takes it.
        task: The class of the model.

    Raises:
        ValueError: if it is of another class.
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
    """Checks that two backbones have the same sizes, so that weights can be copied.

    Args:
        source: Backbone of the model to start from.
        target: Backbone of the recipe.
        keys: Arguments that must be equal.
        names: Names of arguments in a recipe, where they differ. Defaults to `None`.

    Raises:
        ValueError: if an argument differs; names the settings the recipe needs.
    """
    theirs, ours = source.get_config(), target.get_config()
    different = [key for key in keys if theirs[key] != ours[key]]
    if not different:
        return

    def settings(config):
        return " ".join(f"model.{(names or {}).get(key, key)}={config[key]}" for key in different)

    raise ValueError(
        "The sizes of the model must be those of training.init_from: set "
        f"{settings(theirs)}. Received: {settings(ours)}"
    )
