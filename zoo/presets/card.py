"""The card of a preset: its description, metrics and checksums."""

import hashlib
import json
import math
import re
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path, PurePosixPath
from typing import Any

CARD_FILE, README_FILE = "card.json", "README.md"
MAX_CARD_BYTES, MAX_JSON_BYTES, MAX_JSON_DEPTH = 1 << 20, 16 << 20, 64

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_DIGEST = re.compile(r"[0-9a-f]{64}")


class PresetError(ValueError):
    """Error for a preset that is unknown, damaged, or refused.

    Args:
        message: The rule, the remedy, and `Received: …`.
        hint: A command to try next. Defaults to `None`: that of the command that failed.
    """

    def __init__(self, message: str, hint: str | None = None):
        super().__init__(message)
        self.hint = hint


@dataclass(frozen=True)
class Card:
    r"""Metadata of a preset, readable without loading the model.

    Attributes:
        name: Name of the preset: letters, digits, `_`, `-` and `.`.
        task: Name of the task in `zoo.tasks.TASKS`, such as `"text_classifier"`.
        dataset: Name of the training data.
        languages: Language codes.
        parameters: Number of weights.
        bytes: Total size of the files.
        sha256: Digest of all files: the SHA-256 of the sorted lines `"hash  name\n"`.
        licence: Licence of the weights, an SPDX identifier if there is one.
        metrics: Values by metric, measured with the stored weights.
        description: One or two sentences.
        recipe: The recipe that trained the model, such as `"sentiment/bilstm_bahdanau_sst2_en"`.
        citation: Citation of the data.
        behaviour: Right answers of a sentiment model by kind of sentence, as
            `zoo.metrics.Behaviour.summary` returns them; `{}` if they were not measured.
        seeds: `seeds`, and `mean` and `deviation` of each metric over runs that differ in the
            seed alone, of which this model is the best on dev; `{}` for one run.
        training: Facts of the training run: `command`, `seed`, `backend`, `versions`,
            `wall_time_s`, `machine`.
        files: SHA-256 of each file by its path in the preset, without the card and the README.

    Raises:
        PresetError: if a value has the wrong type or form, or a path is outside the preset.
    """

    name: str
    task: str
    dataset: str
    languages: tuple[str, ...]
    parameters: int
    bytes: int
    sha256: str
    licence: str
    metrics: dict[str, float]
    description: str = ""
    recipe: str = ""
    citation: str = ""
    behaviour: dict = field(default_factory=dict)
    seeds: dict = field(default_factory=dict)
    training: dict = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)

    def __post_init__(self):
        for name in ("name", "task", "dataset", "licence", "description", "recipe", "citation"):
            self._check(name, isinstance(getattr(self, name), str), "a string")
        self._check("name", _NAME.fullmatch(self.name), "letters, digits, `_`, `-` and `.`")
        for name in ("parameters", "bytes"):
            value = getattr(self, name)
            self._check(name, type(value) is int and value >= 0, "an integer, 0 or greater")
        self._check("languages", _are(self.languages, str), "a list of strings")
        object.__setattr__(self, "languages", tuple(self.languages))
        values = list(self.metrics.values()) if isinstance(self.metrics, dict) else None
        numbers = _are(values, int | float) and all(map(math.isfinite, values))
        self._check("metrics", numbers, "finite numbers by name")
        self._check("behaviour", _is_behaviour(self.behaviour), "counts by kind of sentence")
        self._check("seeds", _is_of_seeds(self.seeds), "`seeds`, `mean` and `deviation` of metrics")
        self._check("training", isinstance(self.training, dict), "an object")
        self._check("files", isinstance(self.files, dict), "checksums by file name")
        for name, digest in self.files.items():
            self._check("files", is_inside(name), "paths inside the preset", name)
            valid = isinstance(digest, str) and _DIGEST.fullmatch(digest)
            self._check("files", valid, "SHA-256 checksums", digest)
        self._check("sha256", self.sha256 == digest_of(self.files), "the digest of `files`")

    def to_dict(self) -> dict:
        """The card as a dictionary for JSON."""
        return asdict(self) | {"languages": list(self.languages)}

    @classmethod
    def from_dict(cls, values: dict) -> "Card":
        """The inverse of `to_dict`. Unknown keys, from a later version, are ignored.

        Raises:
            PresetError: if a key is missing or a value is invalid.
        """
        known = [one.name for one in fields(cls)]
        needed = known[: known.index("description")]
        if not isinstance(values, dict):
            raise PresetError(f"A card must be a JSON object. Received: {values!r:.80}")
        if missing := [name for name in needed if name not in values]:
            raise PresetError(
                f"A card needs the keys {', '.join(needed)}. Received: a card without "
                f"{', '.join(missing)}"
            )
        return cls(**{name: values[name] for name in known if name in values})

    def _check(self, name, valid, rule, received=None):
        if not valid:
            received = getattr(self, name) if received is None else received
            raise PresetError(f"`{name}` of a card must be {rule}. Received: {received!r}")


def digest_of(files: dict[str, str]) -> str:
    r"""The digest of several files: SHA-256 of the sorted lines `"hash  name\n"`."""
    lines = sorted(f"{digest}  {name}\n" for name, digest in files.items())
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def read_json(path: Path) -> Any:
    """The content of a JSON file.

    Raises:
        PresetError: if the file cannot be read, is not JSON, too large or too deeply nested.
    """
    most = MAX_CARD_BYTES if path.name == CARD_FILE else MAX_JSON_BYTES
    try:
        if (size := path.stat().st_size) > most:
            raise ValueError(f"it has {size:,} bytes, more than {most:,}")
        text = path.read_text("utf-8")
        _check_depth(text)
        return json.loads(text)
    except (OSError, ValueError, RecursionError) as error:
        raise PresetError(
            f"`{path.name}` of a preset must be readable JSON. "
            f"Received: {path} ({type(error).__name__}: {error})"
        ) from error


def _check_depth(text: str) -> None:
    """Refuses deep nesting, which recursive code that reads the content cannot follow."""
    depth = 0
    for bracket in re.finditer(r'"(?:[^"\\]|\\.)*+"|[\[\]{}]', text):
        depth += {"[": 1, "{": 1, "]": -1, "}": -1}.get(bracket[0], 0)
        if depth > MAX_JSON_DEPTH:
            raise ValueError(f"it is nested more than {MAX_JSON_DEPTH} deep")


def read_card(directory: str | Path) -> Card | None:
    """The card of a preset directory, or `None` if it has none.

    Args:
        directory: The directory.

    Returns:
        The card, with its values validated; the listed files are not checked.

    Raises:
        PresetError: if the card cannot be read or is invalid.
    """
    path = Path(directory) / CARD_FILE
    if not path.exists():
        return None
    try:
        return Card.from_dict(read_json(path))
    except PresetError as error:
        raise PresetError(f"{error} (card: {path})") from error


def _are(values, kind):
    return isinstance(values, list | tuple) and all(
        isinstance(value, kind) and not isinstance(value, bool) for value in values
    )


def _is_behaviour(value):
    if value == {}:
        return True
    if not isinstance(value, dict) or not isinstance(value.get("dataset"), str):
        return False
    kinds = value.get("kinds")
    if not isinstance(kinds, dict) or not all(isinstance(it, dict) for it in kinds.values()):
        return False
    counts = [it.get(key) for it in kinds.values() for key in ("n", "right")]
    return _are([*counts, value.get("pairs"), value.get("pairs_agree")], int)


def _is_of_seeds(value):
    if value == {}:
        return True
    if not isinstance(value, dict) or not _are(value.get("seeds"), int):
        return False
    mean, deviation = value.get("mean"), value.get("deviation")
    if not isinstance(mean, dict) or not isinstance(deviation, dict):
        return False
    return mean.keys() == deviation.keys() and _are(
        [*mean.values(), *deviation.values()], int | float
    )


def is_inside(name: str) -> bool:
    """True if a path is relative, normalised, and inside its directory."""
    if not isinstance(name, str) or not name or "\\" in name or ":" in name or "\0" in name:
        return False
    path = PurePosixPath(name)
    return not path.is_absolute() and ".." not in path.parts and str(path) == name != "."
