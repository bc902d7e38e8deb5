"""The inputs of a request: what MLflow would change without a word is refused."""

import base64
import binascii
import json
from collections.abc import Iterable
from typing import Any

from mlflow.pyfunc import scoring_server

from zoo.tasks import Task

FORMATS = sorted(scoring_server.SUPPORTED_FORMATS)


def read_input(value: Any, task: Task) -> Any:
    """An input of a request as `infer` takes it.

    Raises:
        ValueError: if it is neither a text nor, of images and recordings, a file in base64. A path
            is never opened.
    """
    if task.input in ("image", "audio"):
        # MLflow decodes the cells of data frames, and leaves `inputs` as they are. No file of an
        # image or a recording is also valid base64.
        encoded = value if isinstance(value, bytes) else str(value).encode()
        try:
            return base64.b64decode(encoded, validate=True)
        except binascii.Error:
            if isinstance(value, bytes):
                return value
        rule = f"{task.inputs_name} must be the contents of files in base64"
    elif isinstance(value, str):
        return value
    else:
        rule = f"{task.inputs_name} must be strings"
    raise ValueError(f"The {rule}. Received: {value!r:.80}")


def check_values(body: bytes) -> list[str] | None:
    """Refuses inputs that are no strings, of which MLflow makes some: `None` and `"[1 2]"`.

    Returns:
        The inputs, if the body is `{"inputs": [...]}` and nothing else.

    Raises:
        ValueError: if the JSON has another value among its inputs.
    """
    try:
        given = json.loads(body)
        inputs = {name: given[name] for name in FORMATS if name in given}
    except RecursionError:
        raise ValueError("The body must be JSON without deep nesting.") from None
    except (ValueError, TypeError):
        return None  # MLflow says what is wrong
    for name, values in inputs.items():
        if name == "dataframe_split":
            values = values.get("data") if isinstance(values, dict) else values
        rows = [values] if isinstance(values, str) else values
        for row in rows if isinstance(rows, list) else [rows]:
            in_columns = name.startswith("dataframe") or isinstance(row, dict)
            cells = (row.values() if isinstance(row, dict) else row) if in_columns else [row]
            for cell in cells if isinstance(cells, Iterable) else [cells]:
                if not isinstance(cell, str):
                    raise ValueError(
                        f"Each input must be a string, in {name!r} too. Received: {cell!r:.80}"
                    )
    alone = inputs.get("inputs") if len(given) == 1 else None
    is_plain = isinstance(alone, list) and all(isinstance(one, str) for one in alone)
    return alone if is_plain and alone else None
