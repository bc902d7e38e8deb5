"""Loads a preset into its task model."""

import importlib
import pkgutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from zoo.presets.card import PresetError
from zoo.presets.sources import resolve
from zoo.presets.validation import read_task

if TYPE_CHECKING:
    import keras_hub

    from zoo.presets.task_model import TaskModel


def load(source: str | Path | Sequence[str | Path], **kwargs) -> "TaskModel":
    """Loads a model on the current Keras backend, ready for inference.

    Before Keras reads anything, the checksum of every file is verified and the configuration is
    checked: each object that it names must be of a class of the zoo or KerasHub that belongs there,
    and not larger than the weights. Loading never runs code from the preset.

    Args:
        source: The name of a pretrained model; a directory; `models:/NAME@ALIAS`,
            `models:/NAME/VERSION` or `runs:/RUN/PATH` of MLflow; `hf://OWNER/NAME` of Hugging
            Face; or `kaggle://OWNER/NAME/keras/VARIATION` of Kaggle. Several with `+` between
            them, or as a list, are an ensemble: see `zoo.models.seq2seq_lm.Ensemble`.
        **kwargs: Arguments of the model's `from_preset`: `dtype`, `load_weights`, or arguments of
            its backbone; and `compile`, which defaults to `False` here: inference needs no
            optimizer.

    Returns:
        The task model, such as a `zoo.models.TextClassifier`, in float32 by default.

    Raises:
        PresetError: if the preset does not exist, could not be downloaded, is damaged, or was
            refused.
        MissingExtra: if a package is not installed that downloads from that hub, or that all models
            need: a backend of Keras, or KerasHub.
        ValueError: if the members of an ensemble do not fit each other.

    Example:

    >>> model = zoo.load("bilstm_bahdanau_nsmc_ko")
    >>> model.infer(["정말 재미있어요"])
    """
    if len(members := members_of(source)) > 1:
        return _ensemble(members, kwargs)
    directory = resolve(members[0])
    model_class = _model_class(directory)
    try:
        model = model_class.from_preset(str(directory), **{"compile": False, **kwargs})
    except (ValueError, TypeError, KeyError, AttributeError, OSError, RuntimeError) as error:
        raise PresetError(
            "Keras could not build the model: the preset does not fit this version of the zoo, is "
            f"damaged, or an option is wrong. Received: {directory}, options {kwargs} "
            f"({type(error).__name__}: {error})"
        ) from error
    _check_model(model, directory)
    return model


def members_of(source: str | Path | Sequence[str | Path]) -> list[str | Path]:
    """The sources of the members of an ensemble; of any other model its own.

    Raises:
        PresetError: if there is none between two `+`.
    """
    if not isinstance(source, str):
        return [source] if isinstance(source, Path) else list(source)
    if "+" not in source or Path(source).is_dir():
        return [source]
    members = [member.strip() for member in source.split("+")]
    if not all(members):
        raise PresetError(
            f"An ensemble has a model on each side of a `+`, as in `A+B`. Received: {source!r}"
        )
    return list(members)


def _ensemble(members, kwargs):
    directories = [resolve(member) for member in members]
    (task, *others) = [read_task(directory) for directory in directories]
    if task.ensemble is None or any(other is not task for other in others):
        names = ", ".join(
            f"{name}, a {it.name}" for name, it in zip(members, [task, *others], strict=True)
        )
        raise ValueError(
            "The members of an ensemble must be models of one task that write a text for a text, "
            "an image or a recording. "
            f"Received: {names}"
        )
    return pkgutil.resolve_name(task.ensemble)([load(it, **kwargs) for it in directories])


def _check_model(model, directory):
    """Refuses weights that are no numbers, and a vocabulary with ids that the model lacks."""
    import numpy as np
    from keras import ops

    for weight in model.weights:  # by NumPy, for which JAX would compile a program for each shape
        if "float" in weight.dtype and not np.isfinite(ops.convert_to_numpy(weight)).all():
            raise PresetError(
                "The weights of a preset must be finite: train it again, with a smaller learning "
                f"rate or `training.clip_norm`. Received: {weight.path} in {directory}"
            )
    preprocessor, backbone = model.preprocessor, model.backbone
    for name, size in (
        ("tokenizer", "vocabulary_size"),
        ("source_tokenizer", "source_vocabulary_size"),
    ):
        tokenizer = getattr(preprocessor, name, None)
        known = getattr(backbone, size, None) or getattr(backbone, "vocabulary_size", None)
        if tokenizer is not None and known and tokenizer.vocabulary_size() > known:
            raise PresetError(
                "The vocabulary of a preset must not be larger than the embedding of its tokens. "
                f"Received: {tokenizer.vocabulary_size():,} tokens in the {name}, {known:,} in the "
                f"model, in {directory}"
            )


def _model_class(directory: Path) -> type["keras_hub.models.Task"]:
    task = read_task(directory)
    importlib.import_module("zoo.models")  # registers the backbones, preprocessors and layers
    return pkgutil.resolve_name(task.model)
