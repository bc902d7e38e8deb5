"""Messages to the other processes of a training: a dictionary and arrays, as bytes."""

import io
import json
from collections.abc import Sequence
from typing import Any

import numpy as np


def pack(message: dict, arrays: Sequence[np.ndarray]) -> bytes:
    """A message as bytes."""
    file = io.BytesIO()
    named: dict[str, Any] = {f"{number:05}": array for number, array in enumerate(arrays)}
    np.savez(file, message=np.frombuffer(json.dumps(message).encode(), "uint8"), **named)
    return file.getvalue()


def unpack(data: bytes) -> tuple[dict, list[np.ndarray]]:
    """The inverse of `pack`."""
    with np.load(io.BytesIO(data), allow_pickle=False) as file:
        message = json.loads(file["message"].tobytes())
        return message, [file[name] for name in file.files if name != "message"]
