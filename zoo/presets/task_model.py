"""The type of a loaded model, for editors and type checkers; it is never imported at run time."""

from collections.abc import Iterable
from typing import Any

import keras_hub


class TaskModel(keras_hub.models.Task):
    """Methods of every model of the zoo, beside those of a KerasHub task."""

    def infer(self, inputs: Iterable[Any], /, **options: Any) -> list[Any]:
        """Answers a list of texts, sentences or images, each by a dataclass of the task."""
        raise NotImplementedError

    def explain(self, single_input: Any, /, **options: Any) -> Any:
        """Explains the answer to one input; `.save("map.png")` draws the explanation."""
        raise NotImplementedError

    def score(self, columns: dict[str, list], /, *args: Any, **options: Any) -> dict[str, float]:
        """Compares answers with the references in columns of data."""
        raise NotImplementedError
