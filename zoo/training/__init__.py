"""The training engine that every recipe runs on.

`run` runs a recipe file, `resolve` returns the configuration that `run` would train with. A recipe
consists of a `RecipeSpec` (its name and the schema of its files, without Keras) and a `Recipe`
(builds the model, encodes the data). Each module imports only those before it: `schema`, `config`,
`recipe`, `loop`, `session`, `study`, `runner`. Names are imported on first use.
"""

import importlib

from zoo.backends import check_models
from zoo.extras import need

_MODULES = {
    "CheckpointError": "checkpoint",
    "ConfigError": "config",
    "Recipe": "recipe",
    "RecipeConfig": "schema",
    "RecipeSpec": "schema",
    "RunResult": "finish",
    "SeedsResult": "seeds",
    "StudyResult": "study",
    "TrainingError": "loop",
    "TrainingExamples": "recipe",
    "resolve": "runner",
    "run": "runner",
}

_LIGHT = ("config", "schema")  # modules that need neither Keras nor MLflow

__all__ = sorted(_MODULES)


def __getattr__(name: str):
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = _MODULES[name]
    if module not in _LIGHT:
        need("train", "Training")
        check_models()
    return getattr(importlib.import_module(f"{__name__}.{module}"), name)


def __dir__():
    return __all__
