"""The `zoo` flavor: a preset as an MLflow model that answers: text in, or pictures, text out.

The model directory holds a preset, as `zoo.load` reads it, and an `MLmodel` file that tells MLflow
to open it with this module. Nothing is pickled and no code travels with the model, so it loads with
`MLFLOW_ALLOW_PICKLE_DESERIALIZATION=false`, on any backend whichever trained it:

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

import pandas as pd
import yaml
from mlflow import pyfunc
from mlflow.models import Model, ModelSignature
from mlflow.types import ColSpec, ParamSchema, ParamSpec, Schema

from zoo.tracking.environment import package_version

FLAVOR = "zoo"
PRESET = "preset"  # the folder of the preset in the model directory
COLUMNS = ("text", "image", 0, "0")  # a list comes as the unnamed column 0

# Of each task: the columns of an answer (see `TextModel.predict`) and the options of `infer`.
OUTPUTS = {
    "image_to_text": {"text": "string", "score": "double", "hypotheses": "string"},
    "seq2seq_lm": {"text": "string", "score": "double", "hypotheses": "string"},
    "text_classifier": {"label": "string", "probability": "double", "probabilities": "string"},
    "token_classifier": {
        "tokens": "string",
        "tags": "string",
        "confidences": "string",
        "spans": "string",
    },
}
_SEARCH = {
    "batch_size": ("long", 64),
    "beam": ("long", 5),
    "length_penalty": ("double", 1.0),
    "n_best": ("long", 1),
}
OPTIONS = {
    "image_to_text": _SEARCH,
    "seq2seq_lm": _SEARCH,
    "text_classifier": {"batch_size": ("long", 64)},
    "token_classifier": {"batch_size": ("long", 64), "n_best": ("long", 1)},
}
REQUIREMENTS = ("seqzoo", "mlflow", "keras", "keras-hub", "tensorflow", "tensorflow-text")


def signature(task: str) -> ModelSignature:
    """What goes in and out of a model of this task.

    One column of strings goes in; for a captioner of bytes, those of the files of pictures, which
    are base64 in a request with `dataframe_split` or `dataframe_records`. It has no name in the
    schema because MLflow refuses a plain list for a column that has one; a data frame calls it
    `text`, or `image`.

    Args:
        task: The name of the task, as on the card.

    Returns:
        A `mlflow.models.ModelSignature`.
    """
    outputs = [ColSpec(kind, name) for name, kind in OUTPUTS.get(task, {}).items()]
    options = [ParamSpec(name, *spec) for name, spec in OPTIONS.get(task, {}).items()]
    return ModelSignature(
        inputs=Schema([ColSpec("binary" if task == "image_to_text" else "string")]),
        outputs=Schema(outputs) if outputs else None,
        params=ParamSchema(options) if options else None,
    )


def save_model(preset: str | Path, path: str | Path, task: str, mlflow_model: Model | None = None):
    """Writes a model directory for MLflow.

    Args:
        preset: The directory of the preset. It is copied.
        path: The directory to write, which must not exist.
        task: The name of the task, as on the card.
        mlflow_model: The `mlflow.models.Model` to complete. Defaults to a new one.

    Raises:
        FileNotFoundError: if `preset` is not the directory of a preset.
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
    model.add_flavor(FLAVOR, preset=PRESET, task=task, zoo_version=package_version("seqzoo"))
    pyfunc.add_to_model(
        model,
        loader_module=__name__,
        data=PRESET,
        conda_env="conda.yaml",
        python_env="python_env.yaml",
    )
    model.save(path / "MLmodel")
    _write_requirements(path)


def _write_requirements(path: Path) -> None:
    """What a fresh environment needs. Inferring it, MLflow would load the model, for seconds."""
    from mlflow.utils.environment import _PythonEnv

    versions = {name: package_version(name) for name in REQUIREMENTS}
    requirements = [f"{name}=={found}" for name, found in versions.items() if found]
    environment = _PythonEnv.current()
    environment.to_yaml(str(path / "python_env.yaml"))
    (path / "requirements.txt").write_text("\n".join(requirements) + "\n")
    conda = {
        "name": "zoo",
        "channels": ["conda-forge"],
        "dependencies": [f"python={environment.python}", "pip", {"pip": requirements}],
    }
    (path / "conda.yaml").write_text(yaml.safe_dump(conda, sort_keys=False))


def _load_pyfunc(path: str) -> "TextModel":
    """Called by MLflow with the directory of the preset."""
    import zoo

    return TextModel(zoo.load(path))


class TextModel:
    """A model of the zoo behind MLflow's `predict`.

    Args:
        model: What `zoo.load` returns.
    """

    def __init__(self, model):
        self.model = model

    def predict(self, model_input: Any, params: dict[str, Any] | None = None) -> pd.DataFrame:
        """Answers texts, or describes pictures.

        Args:
            model_input: A data frame with the column `text`, a series, a list of strings, or one
                string; for a captioner a data frame with the column `image`, or a list: the bytes
                of files of pictures, or whatever else its `infer` takes.
            params: Options of the model's `infer`, such as `batch_size`.

        Returns:
            A data frame with one row a text or picture, whose columns are the fields of what
            `infer` returns; nested fields are written as JSON.

        Raises:
            ValueError: if a data frame has no such column.
        """
        results = self.model.infer(texts(model_input), **(params or {}))
        return pd.DataFrame([_row(result.to_dict()) for result in results])


def texts(model_input: Any) -> list:
    """The texts, or pictures, in any of the forms in which MLflow hands them over."""
    if isinstance(model_input, str | bytes):
        return [model_input]
    if isinstance(model_input, pd.DataFrame):
        for column in COLUMNS:
            if column in model_input.columns:
                return model_input[column].tolist()
        raise ValueError(
            f"The texts must be in a column called {COLUMNS[0]!r}, pictures in {COLUMNS[1]!r}. "
            f"Received: columns={list(model_input.columns)}"
        )
    if isinstance(model_input, Iterable):
        return list(model_input)
    raise TypeError(f"Give a list of strings. Received: {type(model_input).__name__}")


def _row(result: dict[str, Any]) -> dict[str, Any]:
    return {
        name: value
        if value is None or isinstance(value, str | int | float | bool)
        else json.dumps(value, ensure_ascii=False)
        for name, value in result.items()
    }
