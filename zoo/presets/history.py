"""Learning curves of a preset: the metrics after each epoch, in the file `history.json`."""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from zoo.files import atomic_write
from zoo.presets.card import PresetError, read_json

HISTORY_FILE = "history.json"
CURVES = ("train/", "dev/", "average/")  # not throughput, which differs between equal runs
DIGITS = 6


def write_history(
    directory: str | Path, history: Sequence[tuple[int, Mapping[str, float]]]
) -> None:
    """Writes the learning curves.

    Args:
        directory: The directory of the preset.
        history: Metrics after each epoch: the epoch, and values by name.
    """
    epochs = [
        {
            "epoch": epoch,
            "metrics": {
                name: float(f"{value:.{DIGITS}g}")
                for name, value in metrics.items()
                if name.startswith(CURVES) and math.isfinite(value)
            },
        }
        for epoch, metrics in history
    ]
    lines = ",\n".join(json.dumps(epoch) for epoch in epochs)
    with atomic_write(Path(directory) / HISTORY_FILE) as temporary:
        temporary.write_text(f'{{"epochs": [\n{lines}\n]}}\n', "utf-8")


def read_history(directory: str | Path) -> list[tuple[int, dict[str, float]]]:
    """The learning curves of a preset, as `write_history` takes them; empty if it has none.

    Args:
        directory: The directory of the preset.

    Raises:
        PresetError: if the file is damaged.
    """
    path = Path(directory) / HISTORY_FILE
    if not path.is_file():
        return []
    content = read_json(path)
    try:
        return [
            (int(it["epoch"]), {str(name): float(value) for name, value in it["metrics"].items()})
            for it in content["epochs"]
        ]
    except (TypeError, KeyError, ValueError, AttributeError) as error:
        raise PresetError(
            'The learning curves of a preset are {"epochs": [{"epoch": 1, "metrics": {…}}, '
            f"…]}}. Received: {path} ({type(error).__name__}: {error})"
        ) from error
