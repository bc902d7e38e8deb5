"""Texts that a model writes for many inputs, cached on disk."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import keras_hub
import numpy as np

from zoo.home import home
from zoo.training.display import Display

CHUNK = 1024  # texts between two writes to the disk


def written(
    model: keras_hub.models.Task, texts: Sequence[str], display: Display, *, beam: int = 1
) -> list[str]:
    """The text that a model writes for each text: `infer`, cached in `outputs` of the zoo's home.

    An interrupted call continues where it was; one with other texts keeps those that it shares.

    Args:
        model: A model whose `infer` takes texts and `beam`, and whose answers have a `text`.
        texts: The texts.
        display: Shows the progress.
        beam: int. Size of the beam. Defaults to `1`, greedy search.

    Returns:
        A text for each of `texts`.
    """
    path = _path(model, beam)
    known = _read(path)
    missing = [text for text in dict.fromkeys(texts) if text not in known]
    missing.sort(key=len)  # batches need little padding
    for start in range(0, len(missing), CHUNK):
        display.work("writing", len(missing), start)
        chunk = missing[start : start + CHUNK]
        answers = [answer.text for answer in model.infer(chunk, beam=beam)]
        found = dict(zip(chunk, answers, strict=True))
        _append(path, found)
        known |= found
    return [known[text] for text in texts]


def _path(model, beam) -> Path:
    """File of a model, by its weights and pieces, and of a size of the beam."""
    content = hashlib.sha256(f"{beam}".encode())
    for weight in model.get_weights():
        content.update(np.ascontiguousarray(weight).tobytes())
    for piece in model.preprocessor.tokenizer.get_vocabulary():
        content.update(piece.encode())
    return home() / "outputs" / f"{content.hexdigest()[:16]}.jsonl"


def _read(path: Path) -> dict[str, str]:
    """Outputs by text; removes a last line that was not written whole."""
    if not path.exists():
        return {}
    lines = path.read_bytes().split(b"\n")
    if lines[-1]:
        with open(path, "r+b") as file:
            file.truncate(path.stat().st_size - len(lines[-1]))
    return dict(map(json.loads, lines[:-1]))


def _append(path: Path, found: dict[str, str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = "".join(f"{json.dumps(pair, ensure_ascii=False)}\n" for pair in found.items())
    with open(path, "ab") as file:
        file.write(lines.encode())
