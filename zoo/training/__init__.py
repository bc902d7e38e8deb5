"""The training engine that every recipe runs on.

`run` runs a recipe file, `resolve` gives the configuration it would be trained with. A recipe is a
`RecipeSpec` (light: its name, the schema of its files) and a `Recipe` (how its model is built and
its data encoded). Each module imports only those before it: `schema`, `config`, `recipe`, `loop`,
`session`, `study`, `runner`. Nothing is imported before it is used.
"""

import importlib

_MODULES = {
    "CheckpointError": "checkpoint",
    "ConfigError": "config",
    "Recipe": "recipe",
    "RecipeConfig": "schema",
    "RecipeSpec": "schema",
    "RunResult": "session",
    "StudyResult": "study",
    "TrainingError": "loop",
    "TrainingExamples": "recipe",
    "resolve": "runner",
    "run": "runner",
}

__all__ = sorted(_MODULES)


def __getattr__(name: str):
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)


def __dir__():
    return __all__
