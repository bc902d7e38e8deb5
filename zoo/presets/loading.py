"""Loads a preset into the model that answers."""

import importlib
from pathlib import Path
from typing import TYPE_CHECKING

from zoo.presets.builtin import tasks
from zoo.presets.card import PresetError, read_json
from zoo.presets.sources import resolve
from zoo.presets.validation import TASK_FILE

if TYPE_CHECKING:
    import keras_hub


def load(source: str | Path, **kwargs) -> "keras_hub.models.Task":
    """Loads a model, ready to answer, on whatever backend Keras runs.

    The checksum of every file is verified, and every class it names is looked at, before
    Keras sees any of it; loading runs no code that came with the preset.

    Args:
        source: The name of a pretrained model; a directory; `models:/NAME@ALIAS`,
            `models:/NAME/VERSION` or `runs:/RUN/PATH` of MLflow; `hf://OWNER/NAME` of Hugging
            Face; or `kaggle://OWNER/NAME/keras/VARIATION` of Kaggle.
        **kwargs: Go to `from_preset` of the model: `dtype`, `load_weights`, or arguments of its
            backbone; and `compile`, which is `False` here: to answer needs no optimizer.

    Returns:
        The task model, such as a `zoo.models.TextClassifier`, in float32 if nothing else is
        asked for.

    Raises:
        PresetError: if there is no such preset, it could not be downloaded, is damaged, or was
            refused.
        ImportError: if the package that downloads from there is not installed.

    Example:

    >>> model = zoo.load("bilstm_bahdanau_nsmc_ko")
    >>> model.infer(["정말 재미있어요"])
    """
    directory = resolve(source)
    model_class = _task_class(directory)
    try:
        return model_class.from_preset(str(directory), **{"compile": False, **kwargs})
    except (ValueError, TypeError, KeyError, AttributeError, OSError, RuntimeError) as error:
        raise PresetError(
            "Keras could not build the model: the preset does not fit this version of the zoo, is "
            f"damaged, or an option is wrong. Received: {directory}, options {kwargs} "
            f"({type(error).__name__}: {error})"
        ) from error


def _task_class(directory):
    """The class that the preset names, which must be a task of `zoo.models`."""
    task = read_json(directory / TASK_FILE)
    registered = task.get("registered_name")
    package, _, name = registered.partition(">") if isinstance(registered, str) else ("",) * 3
    # A task's class is named as its folder: `TextClassifier` is in `text_classifier`.
    folders = {folder.replace("_", ""): folder for folder in tasks()}
    folder = folders.get(name.lower())
    if package != "zoo" or folder is None:
        raise PresetError(
            "A preset must hold a task of `zoo.models`, in the folder of that name; nothing was "
            f"loaded. Received: registered_name={registered!r} in {directory / TASK_FILE}"
        )
    importlib.import_module("zoo.models")  # registers the parts
    model_class = getattr(importlib.import_module(f"zoo.models.{folder}"), name, None)
    if model_class is None:
        raise PresetError(f"`zoo.models.{folder}` has no such class. Received: {registered!r}")
    return model_class
