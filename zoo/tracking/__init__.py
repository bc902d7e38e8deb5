"""Experiment tracking and the model registry, on MLflow.

`start_run` tracks a training run, `Gate` decides whether its model may become the champion, and
`serve` opens the runs in a browser. By default everything is stored in `~/.zoo/runs`; set
`MLFLOW_TRACKING_URI` to use a server. Names are imported when they are first used, because the
import of MLflow takes seconds.
"""

import importlib
import os

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")  # see `Run.url`

_MODULES = {
    "Gate": "registry",
    "GateResult": "registry",
    "Registered": "registry",
    "Run": "run",
    "StoreError": "store",
    "prepare_store": "store",
    "serve": "ui",
    "start_run": "lifecycle",
    "tracking_uri": "store",
}

__all__ = sorted(_MODULES)


def __getattr__(name: str):
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)


def __dir__():
    return __all__
