"""Models that a recipe names: `training.init_from`, `training.teacher`."""

from collections.abc import Sequence
from typing import Any

import keras_hub

import zoo
from zoo.tasks import task_of
from zoo.training.config import resolve
from zoo.training.schema import RecipeConfig


def load(
    source: str, task: type[keras_hub.models.Task], key: str = "training.init_from"
) -> keras_hub.models.Task:
    """Loads a model of a given class.

    Args:
        source: A model, as `zoo.load` takes it.
        task: The class of the model.
        key: The key of the recipe that names it. Defaults to `"training.init_from"`.

    Raises:
        ValueError: if it is of another class.
    """
    model = zoo.load(source)
    if not isinstance(model, task):
        row = task_of(task)  # None for a task of another package
        remedy = f"; `zoo ls --task {row.name}` lists them" if row else ""
        raise ValueError(
            f"{key} must name a {task.__name__}{remedy}. "
            f"Received: {source!r}, a {type(model).__name__}"
        )
    return model


def with_settings(config: RecipeConfig, settings: dict[str, Any]) -> RecipeConfig:
    """The configuration with other values in its section `model`.

    Raises:
        ConfigError: if they do not fit its other settings.
    """
    values = config.model_dump()
    values["model"] |= settings
    source = f"{config.recipe or type(config).__name__} from {config.training.init_from}"
    return resolve(type(config), values, source=source)


def check_same_sizes(
    source, target, keys: Sequence[str], names: dict[str, str] | None = None
) -> None:
    """Checks that two backbones have the same sizes, so that weights can be copied.

    Args:
        source: Backbone of the model to start from.
        target: Backbone of the recipe.
        keys: Names of the arguments that must be equal.
        names: Names of arguments in a recipe, where they differ from those of the backbone.
            Defaults to `None`.

    Raises:
        ValueError: if an argument differs; names the settings the recipe needs.
    """
    expected, received = source.get_config(), target.get_config()
    different = [key for key in keys if expected[key] != received[key]]
    if not different:
        return

    def settings(config):
        return " ".join(f"model.{(names or {}).get(key, key)}={config[key]}" for key in different)

    raise ValueError(
        "The sizes of the model must be those of training.init_from: set "
        f"{settings(expected)}. Received: {settings(received)}"
    )
