"""LSTMs and GRUs in files of other libraries, converted to Keras' layout.

Keras' kernels are `[features, gates * units]`, with the gates i, f, c, o of an LSTM and z, r, h of
a GRU. Those of torch are transposed, with the gates i, f, g, o, which is the same order, and r, z,
n.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, NoReturn

import numpy as np

from zoo.importing.files import FileError, WeightFile, described

MAX_LAYERS = 64
_TORCH_NAME = re.compile(
    r"(?P<prefix>.*?)\.?(?P<weight>(?:weight|bias)_(?:ih|hh|hr)_l(?P<depth>\d+)(?:_reverse)?)"
)
_CELLS = {4: "lstm", 3: "gru"}  # by the number of gates


class Direction(NamedTuple):
    """The weights of one direction of one layer, in Keras' layout."""

    kernel: np.ndarray
    recurrent_kernel: np.ndarray
    bias: np.ndarray


@dataclass(frozen=True)
class RecurrentWeights:
    """The weights of a stack of recurrent layers.

    Attributes:
        cell: `"lstm"`, `"gru"` or `"gru_reset_before"`.
        stack: For each layer its directions, one or two.
        arrays: Those of the file that were used, by name.
        has_bias: Whether the file has biases; they are zeros in `stack` otherwise.
        assumption: What was assumed because the file does not say it; empty for nothing.
    """

    cell: str
    stack: Sequence[Sequence[Direction]]
    arrays: Mapping[str, np.ndarray]
    has_bias: bool
    assumption: str = ""

    @property
    def units(self) -> int:
        return self.stack[0][0].recurrent_kernel.shape[0]

    @property
    def features(self) -> int:
        return self.stack[0][0].kernel.shape[0]

    @property
    def bidirectional(self) -> bool:
        return len(self.stack[0]) == 2


def names(file: WeightFile) -> list[str]:
    """The names of the recurrent layers in a file: prefixes of a state dict, layers of Keras."""
    return list(_torch_groups(file) if file.framework == "torch" else _keras_groups(file))


def find(file: WeightFile, chosen: Sequence[str]) -> RecurrentWeights:
    """The weights of named layers, from the input on.

    Args:
        file: A file in which `names` finds them.
        chosen: Their names; of a state dict one, which has all layers of a `torch.nn.LSTM`.

    Raises:
        FileError: if weights are missing, have other shapes, or belong to another kind of layer.
    """
    if file.framework == "torch":
        if len(chosen) > 1:
            raise FileError(
                "All layers of a `torch.nn.LSTM` or `GRU` have one name: name one. "
                f"Received: {', '.join(chosen)}"
            )
        return _from_torch(file, chosen[0])
    return _from_keras(file, chosen)


# === torch ===


def _torch_groups(file):
    """`{prefix: {"weight_ih_l0": name in the file}}`."""
    groups: dict[str, dict[str, str]] = {}
    for name in file.arrays:
        if match := _TORCH_NAME.fullmatch(name):
            groups.setdefault(match["prefix"], {})[match["weight"]] = name
    return groups


def _from_torch(file: WeightFile, prefix: str) -> RecurrentWeights:
    weights = {key: file.arrays[name] for key, name in _torch_groups(file)[prefix].items()}
    if any(key.startswith("weight_hr") for key in weights):
        _refuse("An LSTM with `proj_size` has no counterpart here", weights, file)
    depths = {int(re.findall(r"_l(\d+)", key)[0]) for key in weights}
    first, recurrent = weights.get("weight_ih_l0"), weights.get("weight_hh_l0")
    rule = "A `torch.nn.LSTM` or `GRU` has weight_ih_l0 and weight_hh_l0 (gates * units, …)"
    if first is None or recurrent is None or first.ndim != 2 or recurrent.ndim != 2:
        _refuse(rule, weights, file)
    units = recurrent.shape[1]
    gates, rest = divmod(recurrent.shape[0], max(units, 1))
    if gates not in _CELLS or rest or max(depths) >= MAX_LAYERS:
        _refuse(f"{rule}, with 4 gates of an LSTM or 3 of a GRU", weights, file)
    has_bias = any(key.startswith("bias") for key in weights)
    suffixes = ("", "_reverse") if any(key.endswith("_reverse") for key in weights) else ("",)
    expected: dict[str, tuple[int, ...]] = {}
    for depth in range(max(depths) + 1):
        features = units * len(suffixes) if depth else first.shape[1]
        for suffix in suffixes:
            end = f"l{depth}{suffix}"
            expected[f"weight_ih_{end}"] = (gates * units, features)
            expected[f"weight_hh_{end}"] = (gates * units, units)
            if has_bias:
                expected |= {f"bias_{kind}_{end}": (gates * units,) for kind in ("ih", "hh")}
    _check(weights, expected, file)
    stack = [
        [_torch_direction(weights, f"l{depth}{suffix}", _CELLS[gates]) for suffix in suffixes]
        for depth in range(max(depths) + 1)
    ]
    used = {name: file.arrays[name] for name in _torch_groups(file)[prefix].values()}
    return RecurrentWeights(_CELLS[gates], stack, used, has_bias)


def _torch_direction(weights, end, cell):
    kernel, recurrent = weights[f"weight_ih_{end}"].T, weights[f"weight_hh_{end}"].T
    zeros = np.zeros(kernel.shape[1], kernel.dtype)
    biases = [weights.get(f"bias_{kind}_{end}", zeros) for kind in ("ih", "hh")]
    if cell == "lstm":
        return Direction(kernel, recurrent, biases[0] + biases[1])
    # Two biases, because the reset gate multiplies the recurrent one of n.
    return Direction(*(_update_gate_first(it) for it in (kernel, recurrent, np.stack(biases))))


def _update_gate_first(gates):
    """The gates r, z, n of torch as z, r, h of Keras."""
    r, z, n = np.split(gates, 3, axis=-1)
    return np.concatenate([z, r, n], axis=-1)


# === Keras 2 ===


def _keras_groups(file):
    """`{layer: {direction: {"kernel": name in the file}}}`; the direction is `""` for one."""
    groups: dict[str, dict[str, dict[str, str]]] = {}
    doubles: dict[str, tuple[str, str]] = {}
    for name in file.arrays:
        *folders, weight = name.split("/")
        if weight not in ("kernel", "recurrent_kernel", "bias"):
            continue
        folders = [it for it in folders if not re.search(r"(lstm|gru|rnn)_cell(_\d+)?$", it)]
        direction = re.match(r"(forward|backward)_", folders[-1]) if folders else None
        layer = folders[-2 if direction and len(folders) > 1 else -1] if folders else ""
        parts = groups.setdefault(layer, {}).setdefault(direction[1] if direction else "", {})
        if weight in parts:
            doubles[layer] = (parts[weight], name)
        parts[weight] = name
    found = {
        layer: directions
        for layer, directions in groups.items()
        if any("recurrent_kernel" in parts for parts in directions.values())
    }
    for layer in doubles.keys() & found.keys():
        raise FileError(
            "Recurrent layers must have different names: rename those of the inner models, and "
            f"save the weights again. Received: {' and '.join(doubles[layer])}, in {file.path}"
        )
    return found


def _from_keras(file: WeightFile, chosen: Sequence[str]) -> RecurrentWeights:
    groups, layers = _keras_groups(file), []
    used: dict[str, np.ndarray] = {}
    for layer in chosen:
        directions = groups[layer]
        arrays = {
            name: file.arrays[name] for parts in directions.values() for name in parts.values()
        }
        if set(directions) not in ({""}, {"forward", "backward"}):
            _refuse("A Bidirectional layer has forward_… and backward_… weights", arrays, file)
        config = _keras_config(file, layer)
        layers.append(
            [
                _keras_direction({key: file.arrays[it] for key, it in parts.items()}, config, file)
                for _, parts in sorted(directions.items(), reverse=True)  # forward first
            ]
        )
        used |= arrays
    cells = {cell for directions in layers for cell, _, _ in directions}
    stack = [[weights for _, weights, _ in directions] for directions in layers]
    sizes = {it.recurrent_kernel.shape for directions in stack for it in directions}
    outputs = [sum(it.recurrent_kernel.shape[0] for it in directions) for directions in stack]
    inputs = [directions[0].kernel.shape[0] for directions in stack]
    same_inputs = all(len({it.kernel.shape for it in directions}) == 1 for directions in stack)
    if len({*cells}) > 1 or len(sizes) > 1 or not same_inputs or inputs[1:] != outputs[:-1]:
        _refuse(
            "The layers of a stack must be of one kind and size, each of the size of the output "
            "below it, and both directions alike",
            used,
            file,
        )
    if len({len(directions) for directions in stack}) > 1:
        _refuse("All layers of a stack must have as many directions", used, file)
    assumption = (
        ""
        if all(layer in file.configs for layer in chosen)
        else (
            "the file has no configuration: the activations tanh and sigmoid are assumed, the "
            "defaults of tf.keras 2 (Keras before 2.3 had hard_sigmoid)"
        )
    )
    has_bias = layers[0][0][2]
    return RecurrentWeights(cells.pop(), stack, used, has_bias, assumption)


def _keras_config(file: WeightFile, layer: str) -> dict[str, Any]:
    """The configuration of an LSTM or GRU, checked; empty if the file has none."""
    node = file.configs.get(layer)
    if node is None:
        return {}
    config, inner = node["config"], node["config"].get("layer")
    wrong: dict[str, Any] = {}
    if isinstance(inner, dict) and isinstance(inner.get("config"), dict):  # a Bidirectional
        node, wrapper, config = inner, config, inner["config"]
        if (merge_mode := wrapper.get("merge_mode", "concat")) != "concat":
            wrong["merge_mode"] = merge_mode
        if backward := wrapper.get("backward_layer"):
            found = _unsupported(backward["config"], goes_backwards=True)
            wrong |= {f"backward {key}": value for key, value in found.items()}
    kind = str(node.get("class_name"))
    wrong |= _unsupported(config, goes_backwards=False)
    if kind not in ("LSTM", "GRU") or wrong:
        raise FileError(
            "A layer must be an LSTM or a GRU with the activations tanh and sigmoid, forward or in "
            f"a Bidirectional with merge_mode='concat'. Received: {layer}, a {kind} with "
            f"{wrong or 'the same settings'}, in {file.path}"
        )
    return config


def _unsupported(config: dict[str, Any], goes_backwards: bool) -> dict[str, Any]:
    """The settings of an LSTM or GRU with which it computes something else."""
    settings = {
        "activation": ("tanh",),
        "recurrent_activation": ("sigmoid",),
        "go_backwards": (True,) if goes_backwards else (False, None),
    }
    return {key: config.get(key) for key, good in settings.items() if config.get(key) not in good}


def _keras_direction(weights, config, file):
    """The cell, the weights, and whether there is a bias."""
    kernel, recurrent, bias = (weights.get(it) for it in ("kernel", "recurrent_kernel", "bias"))
    units = recurrent.shape[0] if recurrent is not None and recurrent.ndim == 2 else 0
    gates, rest = divmod(recurrent.shape[1], units) if units else (0, 0)
    if kernel is None or gates not in _CELLS or rest:
        _refuse(
            "An LSTM has a kernel (features, 4 * units) and a recurrent_kernel (units, 4 * units), "
            "a GRU the same with 3 * units",
            weights,
            file,
        )
    cell, count = _CELLS[gates], gates * units
    reset_after = config.get("reset_after")
    if cell == "gru" and bias is None and reset_after is None:
        _refuse(
            "A GRU without bias needs the configuration of the model, which tells reset_after: "
            "save it with model.save('it.h5')",
            weights,
            file,
        )
    expected: dict[str, tuple[int, ...]]
    expected = {"kernel": (kernel.shape[0], count), "recurrent_kernel": (units, count)}
    if cell == "gru" and (reset_after if bias is None else bias.ndim == 2):
        shape: tuple[int, ...] = (2, count)
    else:
        cell, shape = "lstm" if cell == "lstm" else "gru_reset_before", (count,)
    if bias is not None:
        expected["bias"] = shape
    _check(weights, expected, file)
    zeros = np.zeros(shape, kernel.dtype)
    return cell, Direction(kernel, recurrent, zeros if bias is None else bias), bias is not None


# === Checks ===


def _check(weights: Mapping[str, np.ndarray], expected: dict[str, tuple], file: WeightFile) -> None:
    if {name: it.shape for name, it in weights.items()} != expected:
        shapes = ", ".join(f"{name} {shape}" for name, shape in expected.items())
        _refuse(f"The layer must have the weights {shapes}", weights, file)


def _refuse(rule: str, weights: Mapping[str, np.ndarray], file: WeightFile) -> NoReturn:
    raise FileError(f"{rule}. Received: {described(weights)} in {file.path}")
