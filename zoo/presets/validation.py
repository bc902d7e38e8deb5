"""Validation of a preset before Keras reads it.

It works on file names, bytes, plain JSON and the headers of the weights: until every file has
passed, no class of the preset is looked up and no array is made.
"""

import os
import re
import warnings
from pathlib import Path

from zoo.files import sha256
from zoo.presets.card import (
    CARD_FILE,
    README_FILE,
    Card,
    PresetError,
    read_card,
    read_json,
)
from zoo.presets.weights import check_sizes, measure
from zoo.tasks import TASKS, Task

CONFIG_FILE, TASK_FILE, SHARDS_FILE = "config.json", "task.json", "model.weights.json"

_WITH_CLUSTERS = ("CausalLMBackbone", "zoo>CausalLMBackbone")  # of embeddings of several sizes
# What a configuration may name, by the key under which it is built: `weights.check_sizes` knows how
# large these become. The root of a file has the key of its file.
_TOKENIZER, _BACKBONE = r"(zoo|keras_hub)>\w+Tokenizer", r"zoo>\w+Backbone"
_CLASSES = {
    "task": r"zoo>\w+",  # `read_task` knows which
    "config": _BACKBONE,
    "backbone": _BACKBONE,
    "preprocessor": r"zoo>\w+Preprocessor",
    "tokenizer": _TOKENIZER,
    "source_tokenizer": _TOKENIZER,
    "encoder": "keras_hub>(Albert|Bert|DebertaV3|DistilBert|Electra|Roberta|XLMRoberta|XLNet)"
    "Backbone",
    "language_models": "zoo>CausalLMBackbone",
}
_DTYPE, _DTYPES = "dtype", r"\w*DTypePolicy(Map)?"
_DTYPE_MODULES = ("keras", "keras.dtype_policies", "keras.src.backend.common.dtype_policies")
# Layers that contain or load code, or models of another framework.
_CODE = ("Lambda", "TFSMLayer", "TorchModuleWrapper", "JaxLayer", "FlaxLayer", "function")
FREE_PARAMETERS = 10_000  # weights that a card may count beyond twice those of the files
OWN_FILES = "may name only files in its own directory"
# Arguments of tokenizers and layers that name a file to open; a preset stores such files as assets.
_FILE_KEYS = ("proto", "vocabulary", "merges", "filepath", "file_path", "path", "url", "origin")


def check(directory: Path) -> Card | None:
    """Refuses a preset that is damaged or names classes that are not allowed.

    Args:
        directory: The directory, resolved.

    Returns:
        Its card; or `None` if it has none, after a warning that no checksum could be verified.

    Raises:
        PresetError: if it is refused. The message names the file and the fault.
    """
    present = list_files(directory)
    card = read_card(directory)
    if card is not None:
        _check_files(directory, card, present)
    # On a case-insensitive file system, Keras would read TASK.JSON as task.json.
    contents = {
        name: read_json(directory / name)
        for name in present
        if "/" not in name and name.lower().endswith(".json") and name != CARD_FILE
    }
    for name, content in contents.items():
        if not isinstance(content, dict):
            raise PresetError(
                f"{name} of a preset must be a JSON object. Received: {content!r:.80}"
            )
    for name in (CONFIG_FILE, TASK_FILE):
        if name not in present:
            raise PresetError(
                f"A preset of the zoo needs the file {name}; `zoo.presets.save` writes one. "
                f"Received: {directory}"
            )
    task = read_task(directory).name
    for name, content in contents.items():
        _check_json(name, content)
    if card is not None and card.task != task:
        raise PresetError(
            "The card of a preset must name its task; nothing was loaded. "
            f"Received: task={card.task!r} in {CARD_FILE}, and a {task} in {TASK_FILE}"
        )
    _check_sizes(directory, card, present, contents)
    if card is None:
        warnings.warn(
            f"This preset has no {CARD_FILE}, so its files could not be verified: {directory}",
            stacklevel=2,
        )
    return card


def read_task(directory: Path) -> Task:
    """The task of a preset, from the class that its `task.json` names. Imports no Keras.

    Args:
        directory: The directory of the preset.

    Returns:
        The row of `zoo.tasks.TASKS`.

    Raises:
        PresetError: if the class is not a task of the zoo.
    """
    registered = read_json(directory / TASK_FILE).get("registered_name")
    for task in TASKS.values():
        if registered == f"zoo>{task.model.partition(':')[2]}":
            return task
    raise PresetError(
        f"A preset must hold a task of the zoo: {', '.join(TASKS)}; nothing was loaded. "
        f"Received: registered_name={registered!r} in {directory / TASK_FILE}"
    )


def list_files(directory: Path) -> list[str]:
    """The files of a preset as sorted relative paths, without hidden files.

    Raises:
        PresetError: if one is a link or not a regular file.
    """
    names = []
    for folder, folders, files in os.walk(directory):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in folders + [name for name in files if not name.startswith(".")]:
            path = Path(folder, name)
            inside = path.relative_to(directory).as_posix()
            if path.is_symlink() or not (path.is_file() or path.is_dir()):
                raise PresetError(
                    "A preset must hold regular files, no links: copy the targets of the links. "
                    f"Received: {inside} in {directory}"
                )
            if path.is_file():
                names.append(inside)
    return sorted(names)


def hash_files(directory: Path) -> dict[str, str]:
    """SHA-256 of each file of a preset except the card and the README."""
    names = [name for name in list_files(directory) if name not in (CARD_FILE, README_FILE)]
    return {name: sha256(directory / name) for name in names}


def _check_files(directory, card, present):
    for name, digest in card.files.items():
        if name not in present:
            raise PresetError(
                f"A file of the preset is missing: download it again. "
                f"Received: no {name} in {directory}"
            )
        if (received := sha256(directory / name)) != digest:
            raise PresetError(
                "A file of the preset is damaged or was changed: download it again. "
                f"Received: {name} in {directory} with SHA-256 {received}, expected {digest}"
            )
    for name in present:
        read = name.lower().startswith("assets/") or name.lower().endswith((".json", ".h5"))
        if read and name not in card.files and name != CARD_FILE:
            raise PresetError(
                "A preset must hold no file that its card does not list: remove the file. "
                f"Received: {name} in {directory}"
            )


def _check_sizes(directory, card, present, contents):
    for name in present:
        if name.endswith((".spm", ".h5")) and not (directory / name).stat().st_size:
            raise PresetError(
                f"A file of the preset is empty: download it again. Received: {name} in {directory}"
            )
    stored = measure([directory / name for name in present if name.lower().endswith(".h5")])
    if card is not None and not card.parameters <= 2 * stored.weights + FREE_PARAMETERS:
        raise PresetError(
            "The card of a preset must state the number of its weights; nothing was loaded. "
            f"Received: parameters={card.parameters:,}, and {stored.weights:,} in the files"
        )
    for file, content in contents.items():
        nodes = list(_nodes(content))
        clustered = {
            id(node.get("config"))
            for node in nodes
            if (node.get("class_name"), node.get("registered_name")) == _WITH_CLUSTERS
        }
        for node in nodes:
            check_sizes(file, node, stored, has_clusters=id(node) in clustered)


def _nodes(content):
    """Every JSON object within a value."""
    pending = [content]
    while pending:
        node = pending.pop()
        if isinstance(node, list):
            pending += node
        elif isinstance(node, dict):
            yield node
            pending += node.values()


def _check_json(file, content):
    if file == SHARDS_FILE:
        _check_shards(content)
    for place, node in _objects(content, file.lower().removesuffix(".json")):
        _check_object(file, place, node)
    for node in _nodes(content):
        for key in _FILE_KEYS:
            if isinstance(node.get(key), str):
                _refuse(file, f"{key}={node[key]!r:.80}", "may not name files to read")
        # KerasHub derives the folder of the assets from `config_file`.
        config_file = node.get("config_file")
        if isinstance(config_file, str) and not re.fullmatch(r"[a-z0-9_]+\.json", config_file):
            _refuse(file, f"config_file={config_file!r:.80}", OWN_FILES)


def _objects(content, place):
    """Every serialised object within a value, with the key under which it would be built."""
    pending = [(place, content)]
    while pending:
        place, node = pending.pop()
        if isinstance(node, list):
            pending += [(place, value) for value in node]
        elif isinstance(node, dict):
            if "class_name" in node or "registered_name" in node:
                yield place, node
            # A dtype policy may hold others under any key.
            pending += [(place if place == _DTYPE else key, node[key]) for key in node]


def _check_object(file, place, node):
    """Checks one serialised object: its class must be one of those that belong in its place."""
    name, registered, module = (
        node.get(key) for key in ("class_name", "registered_name", "module")
    )
    rule = "may contain only the classes of zoo and keras_hub that it needs, each in its place"
    received = f"class_name={name!r}, registered_name={registered!r}, module={module!r}"
    if not isinstance(name, str) or not all(
        isinstance(value, str | None) for value in (registered, module)
    ):
        _refuse(file, received, rule)
    if name in _CODE or name.startswith("__"):
        _refuse(file, received, "may contain no code")
    if place == _DTYPE:
        known = re.fullmatch(_DTYPES, name) and module in _DTYPE_MODULES and not registered
    else:
        # Keras looks for a registered name first, and for the class in the module then.
        package, _, same = (registered or "").partition(">")
        known = (
            (pattern := _CLASSES.get(place))
            and re.fullmatch(pattern, registered or "")
            and name == same
            and (not module or module.startswith(f"{package}."))
        )
    if not known:
        _refuse(file, f"{received} as {place!r:.80}", rule)
    if "compile_config" in node:
        _refuse(file, "compile_config", "must be saved without optimizer and loss")


def _check_shards(content):
    names = content.get("weight_map")
    flat = []
    for value in names.values() if isinstance(names, dict) else []:
        flat += value if isinstance(value, list) else [value]
    if not all(isinstance(name, str) and name.endswith(".h5") for name in flat) or any(
        "/" in name or "\\" in name for name in flat
    ):
        _refuse(SHARDS_FILE, f"weight_map={names!r:.80}", OWN_FILES)


def _refuse(file, received, rule):
    raise PresetError(f"A preset {rule}; nothing was loaded. Received: {received} in {file}")
