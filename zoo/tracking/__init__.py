"""Experiment tracking and the model registry, on MLflow.

`start_run` tracks a training run, `Gate` decides whether its model may become the champion, and
`serve` opens the runs in a browser. By default everything is stored in `~/.zoo/runs`; set
`MLFLOW_TRACKING_URI` to use a server. Names that need MLflow are imported when they are first
used, because its import takes seconds.
"""

import importlib

from zoo.extras import need
from zoo.tracking_store import StoreError, prepare_store, tracking_uri

need("train", "Tracking", "mlflow")

_MODULES = {
    "Gate": "gates",
    "GateResult": "gates",
    "Registered": "registry",
    "Run": "run",
    "serve": "ui",
    "start_run": "lifecycle",
}

__all__ = ["StoreError", "prepare_store", "tracking_uri", *_MODULES]


def __getattr__(name: str):
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)


def __dir__():
    return __all__
