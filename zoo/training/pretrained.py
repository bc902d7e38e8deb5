"""Models that a recipe names: `training.init_from`, `training.teacher`."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import keras_hub
import numpy as np

import zoo
from zoo.data import Dataset
from zoo.presets import resolve as resolve_preset
from zoo.presets.card import digest_of
from zoo.presets.validation import hash_files
from zoo.tags import tagging_scheme
from zoo.tasks import task_of
from zoo.training.config import resolve
from zoo.training.schema import RecipeConfig


def load(
    source: str, *tasks: type[keras_hub.models.Task], key: str = "training.init_from"
) -> keras_hub.models.Task:
    """Loads a model of given classes.

    Args:
        source: A model, as `zoo.load` takes it.
        *tasks: The classes that it may have.
        key: The key of the recipe that names it. Defaults to `"training.init_from"`.

    Raises:
        ValueError: if it is of another class.
    """
    model = zoo.load(source)
    if not isinstance(model, tasks):
        names = " or a ".join(task.__name__ for task in tasks)
        rows = filter(None, map(task_of, tasks))  # without tasks of other packages
        commands = " and ".join(f"`zoo ls --task {row.name}`" for row in rows)
        verb = "lists" if len(tasks) == 1 else "list"
        remedy = f"; {commands} {verb} them" if commands else ""
        raise ValueError(
            f"{key} must name a {names}{remedy}. Received: {source!r}, a {type(model).__name__}"
        )
    return model


def digest(source: str) -> str:
    """SHA-256 of the files of a model, as `zoo.load` takes it."""
    return digest_of(hash_files(resolve_preset(source)))


def with_labels_of(model: keras_hub.models.Task, dataset: Dataset) -> Dataset:
    """The dataset with the labels of a model that is trained further, if it knows all of the data.

    The model then keeps its head, also where some of its labels do not occur in the data. A tagger
    of BIOES does not know the tags of BIO: it forbids many sequences of them.
    """
    tags = getattr(model, "tags", None) or ()
    known = getattr(model, "labels", None) or tags
    if tags and tagging_scheme(tags) != tagging_scheme(dataset.labels):
        return dataset
    if dataset.labels and set(dataset.labels) <= set(known):
        return replace(dataset, labels=tuple(known))
    return dataset


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
    check_settings(source.get_config(), target.get_config(), keys, names)


def check_settings(
    expected: Mapping[str, Any],
    received: Mapping[str, Any],
    keys: Iterable[str],
    names: Mapping[str, str] | None = None,
) -> None:
    """Checks settings of a model against those of `training.init_from`; see `check_same_sizes`."""
    different = [key for key in keys if expected[key] != received[key]]
    if not different:
        return

    def settings(config):
        return " ".join(f"model.{(names or {}).get(key, key)}={config[key]}" for key in different)

    raise ValueError(
        "The sizes of the model must be those of training.init_from: set "
        f"{settings(expected)}. Received: {settings(received)}"
    )


def differences(
    source: keras_hub.models.Task,
    target: keras_hub.models.Task,
    name: str,
    changed: Sequence[str] = (),
) -> list[str]:
    """Lists what a new model lacks of the model that it starts from, a line each.

    Args:
        source: The model of `training.init_from`.
        target: The model to train, with the weights that were copied.
        name: The source as the recipe names it.
        changed: Names of layers that were copied, and changed. Defaults to none.
    """
    lines = []
    for setting in ("labels", "tags", "intents", "languages"):
        old, new = getattr(source, setting, None), getattr(target, setting, None)
        if old and old != new:
            lines.append(f"{setting} {_listed(new)} in place of {_listed(old)} of {name}")
    theirs, ours = _weights(source), _weights(target)
    fresh = [
        layer
        for layer, values in ours.items()
        if layer not in changed and not _equal(values, theirs.get(layer))
    ]
    left = [layer for layer in theirs if layer not in ours or layer in fresh]
    if fresh:
        lines.append(f"new layers, without weights of {name}: {', '.join(fresh)}")
    if left:
        lines.append(f"layers of {name} that are left behind: {', '.join(left)}")
    return lines


def _weights(model: keras_hub.models.Task) -> dict[str, list[np.ndarray]]:
    """The weights of each layer of a model that has any."""
    return {
        "backbone" if layer is model.backbone else layer.name: layer.get_weights()
        for layer in model.layers
        if layer.weights
    }


def _equal(values: list[np.ndarray], others: list[np.ndarray] | None) -> bool:
    return (
        others is not None
        and len(values) == len(others)
        and all(map(np.array_equal, values, others))
    )


def _listed(names: Sequence[str] | None) -> str:
    names = list(names or ())
    more = f" and {len(names) - 6} more" if len(names) > 6 else ""
    return ", ".join(names[:6]) + more or "none"
