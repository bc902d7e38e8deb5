"""A zoo of sequence models in Keras 3: load one, ask it, see where it looked.

>>> import zoo
>>> model = zoo.load("bilstm_bahdanau_sst2_en")
>>> model.infer(["a gripping film"])
>>> model.explain("a gripping film").save("map.png")

Nothing heavy is imported before it is used. The backend is the one that `KERAS_BACKEND` names, else
the only one that is installed, else that of Keras' own settings.
"""

import contextlib
import importlib
from typing import TYPE_CHECKING

from zoo.backends import provide_backend
from zoo.home import HomeError, provide_home

if TYPE_CHECKING:
    from zoo.presets import Card, list_models, load

__version__ = "0.1.0"
__all__ = ["Card", "__version__", "list_models", "load"]

provide_backend()
with contextlib.suppress(HomeError):  # raised when a model is loaded
    provide_home()


def __getattr__(name):
    if name in ("Card", "list_models", "load"):
        if name == "load":
            provide_home()
        return getattr(importlib.import_module("zoo.presets"), name)
    raise AttributeError(f"module 'zoo' has no attribute {name!r}")


def __dir__():
    return sorted({*globals(), *__all__})
