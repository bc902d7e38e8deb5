"""The MLflow flavor `zoo`: a preset as a pyfunc model that takes texts, images or recordings.

The model directory holds a preset, as `zoo.load` reads it, and an `MLmodel` file that names this
module as the loader. Nothing is pickled and no code is stored with the model, so it loads with
`MLFLOW_ALLOW_PICKLE_DESERIALIZATION=false`. Its requirements are those of the backend that it was
logged with, which the loader takes unless another is chosen; it loads on each of them:

>>> model = mlflow.pyfunc.load_model("models:/sentiment@champion")
>>> model.predict(["a gripping film"])
      label  probability                              probabilities
0  positive         0.97  {"negative": 0.03, "positive": 0.97}
"""

import json
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml
from mlflow import pyfunc
from mlflow.models import Model, ModelSignature
from mlflow.types import ColSpec, ParamSchema, ParamSpec, Schema

from zoo import backends
from zoo.tasks import TASKS
from zoo.tracking.environment import package_version

FLAVOR = "zoo"
PRESET = "preset"  # the folder of the preset in the model directory
WORD_LISTS = ("auto", "none")
COLUMNS = ("text", "image", "audio", 0, "0")  # MLflow passes a list as the unnamed column 0
REQUIREMENTS = ("seqzoo", "mlflow", "keras", "keras-hub")
SOUND_REQUIREMENTS = ("soundfile", "soxr")
NOTE = (
    "# The package of KerasHub requires TensorFlow, which this model does not need. Without it: "
    f"{backends.INSTALL_KERAS_HUB}"
)


def signature(task: str) -> ModelSignature:
    """The MLflow signature of a model of this task.

    For images and recordings the input is one column of bytes, the contents of files, which are
    base64 in a request with `dataframe_split` or `dataframe_records`. It has no name in the schema
    because MLflow refuses a plain list for a named column; in a data frame it is called `image` or
    `audio`. Texts, in a data frame the column `text`, have no schema: by one, MLflow would pass the
    first of several columns alone, and the first word of a list of words.

    Args:
        task: Name of the task, as on the card. A task that is not in `zoo.tasks.TASKS` gets a
            signature of text inputs alone.

    Returns:
        A `mlflow.models.ModelSignature`.
    """
    row = TASKS.get(task)
    if row is None:
        return ModelSignature(inputs=Schema([ColSpec("string")]))
    options = [ParamSpec(name, option.type, option.default) for name, option in row.options.items()]
    return ModelSignature(
        inputs=Schema([ColSpec("binary")]) if row.input in ("image", "audio") else None,
        outputs=Schema(
            [
                ColSpec(kind, name, required=name not in row.optional_outputs)
                for name, kind in row.outputs.items()
            ]
        ),
        params=ParamSchema(options),
    )


def save_model(
    preset: str | Path,
    path: str | Path,
    task: str,
    mlflow_model: Model | None = None,
    column: str | None = None,
):
    """Writes a model directory for MLflow.

    Args:
        preset: The directory of the preset. It is copied.
        path: The directory to write, which must not exist.
        task: Name of the task, as on the card.
        mlflow_model: The `mlflow.models.Model` to complete. Defaults to a new one.
        column: The column of a data frame that `predict` reads: that of the training data. It also
            reads `text`, `image` or `audio`. Defaults to `None`: those alone.

    Raises:
        FileNotFoundError: if `preset` is not a preset directory.
        FileExistsError: if `path` exists.
    """
    preset, path = Path(preset), Path(path)
    if not (preset / "config.json").is_file():
        raise FileNotFoundError(
            "A preset is a directory with a `config.json`; write one with `zoo.presets.save`. "
            f"Received: preset={str(preset)!r}"
        )
    shutil.copytree(preset, path / PRESET)

    model = mlflow_model or Model()
    model.signature = signature(task)
    model.model_size_bytes = sum(
        file.stat().st_size for file in (path / PRESET).rglob("*") if file.is_file()
    )
    backend = backends.current()
    version = package_version("seqzoo")
    model.add_flavor(FLAVOR, preset=PRESET, task=task, backend=backend, zoo_version=version)
    pyfunc.add_to_model(
        model,
        loader_module=__name__,
        data=PRESET,
        conda_env="conda.yaml",
        python_env="python_env.yaml",
        model_config={"backend": backend} | ({"column": column} if column else {}),
    )
    model.save(path / "MLmodel")
    _write_requirements(path, task, backend)


def _write_requirements(path: Path, task: str, backend: str) -> None:
    """Writes the requirements files; MLflow would load the model to infer them, which is slow."""
    from mlflow.utils.environment import _PythonEnv

    names = [*REQUIREMENTS, *(it.replace("_", "-") for it in backends.PACKAGES.get(backend, ()))]
    if task in TASKS and TASKS[task].input == "audio":
        names += SOUND_REQUIREMENTS
    requirements = [_pinned(name) for name in names]
    environment = _PythonEnv.current()
    environment.to_yaml(str(path / "python_env.yaml"))
    notes = [] if backend == backends.DEFAULT else [NOTE]
    (path / "requirements.txt").write_text("\n".join([*notes, *requirements]) + "\n")
    conda = {
        "name": "zoo",
        "channels": ["conda-forge"],
        "dependencies": [f"python={environment.python}", "pip", {"pip": requirements}],
    }
    (path / "conda.yaml").write_text(yaml.safe_dump(conda, sort_keys=False))


def _pinned(name: str) -> str:
    """A package in its version here, without its build: no registry has torch's `+cpu`."""
    version = package_version(name)
    return f"{name}=={version.partition('+')[0]}" if version else name


def _load_pyfunc(path: str, model_config: dict[str, Any] | None = None) -> "TextModel":
    """Loads the model; called by MLflow with the directory of the preset and the stored options."""
    import zoo

    options = model_config or {}
    backends.provide_backend(options.get("backend"))
    return TextModel(zoo.load(path), options.get("column"))


class TextModel:
    """A task model with the `predict` method of an MLflow pyfunc model.

    Args:
        model: A task model, as `zoo.load` returns it.
        column: Name of a column of its inputs, besides `text`, `image` and `audio`. Defaults to
            `None`.
    """

    def __init__(self, model, column: str | None = None):
        self.model = model
        self.column = column

    def predict(self, model_input: Any, params: dict[str, Any] | None = None) -> pd.DataFrame:
        """Runs the model's `infer`.

        Args:
            model_input: A data frame with the column `text` or that of the training data, a
                series, a list of strings, or one string. For images and recordings: a data frame
                with the column `image` or `audio`, or a list, of the bytes of files or other
                inputs of `infer`.
            params: Options of the model's `infer`, such as `batch_size`; none of them names a file
                or a model to load, because servers pass what requests ask.

        Returns:
            A data frame with one row per input. Its columns are the fields of the answer; nested
            fields are JSON strings.

        Raises:
            ValueError: if a data frame lacks that column, or an option names a file or a model.
            TypeError: if the input has another type.
        """
        options = params or {}
        _check_loads_nothing(options)
        results = self.model.infer(to_list(model_input, self.column), **options)
        return pd.DataFrame(rows(results))


def _check_loads_nothing(options: dict[str, Any]) -> None:
    if options.get("language_model"):  # a path or an address
        raise ValueError(
            "A request names no `language_model`: leave it out. "
            f"Received: {options['language_model']!r:.80}"
        )
    words = options.get("words")
    if words is not None and words not in WORD_LISTS:  # else the path of a file
        raise ValueError(
            f"`words` of a request must be one of {', '.join(WORD_LISTS)}. Received: {words!r:.80}"
        )


def to_list(model_input: Any, column: str | None = None) -> list:
    """The inputs as a list, from any type that MLflow passes to `predict`."""
    if isinstance(model_input, str | bytes):
        return [model_input]
    if isinstance(model_input, dict):
        model_input = pd.DataFrame(model_input)
    if (
        isinstance(model_input, np.ndarray)
        and model_input.ndim > 1
        and model_input.dtype.kind in "OU"
    ):
        raise ValueError(
            "An array of texts must have one dimension: give a list of texts, or a data frame with "
            f"the column {COLUMNS[0]!r}. Received: an array of shape {model_input.shape}"
        )
    if isinstance(model_input, pd.DataFrame):
        for name in (column, *COLUMNS) if column else COLUMNS:
            if name in model_input.columns:
                return model_input[name].tolist()
        own = f" or {column!r}" if column else ""
        raise ValueError(
            f"Texts must be in a column called {COLUMNS[0]!r}{own}, images in {COLUMNS[1]!r}{own}, "
            f"recordings in {COLUMNS[2]!r}{own}. Received: columns={list(model_input.columns)}"
        )
    if isinstance(model_input, Iterable):
        return list(model_input)
    raise TypeError(f"The input must be a list of strings. Received: {type(model_input).__name__}")


def rows(results: Iterable[Any]) -> list[dict[str, Any]]:
    """Answers of `infer` as rows of a table; nested fields are JSON strings."""
    return [_row(result.to_dict()) for result in results]


def _row(result: dict[str, Any]) -> dict[str, Any]:
    return {
        name: value
        if value is None or isinstance(value, str | int | float | bool)
        else json.dumps(value, ensure_ascii=False)
        for name, value in result.items()
    }
