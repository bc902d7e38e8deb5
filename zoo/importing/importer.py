"""Makes layers of imported weights, and keeps them only if they agree with the source."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
from keras import ops

import zoo
from zoo.files import atomic_directory, sha256
from zoo.importing import crf, recurrent, references
from zoo.importing.files import FileError, WeightFile, described, read
from zoo.layers import LinearChainCRF, RecurrentEncoder
from zoo.suggestions import did_you_mean

TOLERANCE = 1e-4
MODEL_FILE, DESCRIPTION_FILE = "model.keras", "import.json"
LENGTHS = (9, 5, 1)  # of the sequences that are compared


class Disagreement(RuntimeError):
    """Error for a layer that computes other values than the source of its weights."""


@dataclass(frozen=True)
class Imported:
    """An imported layer.

    Attributes:
        model: A Keras model of the layer, from `inputs` `[batch, time, features]` and
            `padding_mask` `[batch, time]` to `outputs` and `states` of a `RecurrentEncoder`, or
            `potentials` and `tags` of a `LinearChainCRF`.
        layer: That `RecurrentEncoder` or `LinearChainCRF`.
        source: What the weights belonged to, such as `"torch.nn.LSTM"`.
        difference: The largest difference between source and layer on the same inputs.
        arrays: The shapes of the arrays that were used, by name.
        left_out: The shapes of the other arrays of the file.
        notes: What was assumed.
        path: The file.
    """

    model: keras.Model
    layer: keras.layers.Layer
    source: str
    difference: float
    arrays: Mapping[str, tuple[int, ...]]
    left_out: Mapping[str, tuple[int, ...]]
    notes: Sequence[str]
    path: Path


def load(path: str | Path, layer: str | Sequence[str] | None = None) -> Imported:
    """Reads an LSTM, a GRU or a CRF of another library, and compares it with its source.

    Args:
        path: A state dict of torch (`.pt`, `.pth`, `.safetensors`) with a `torch.nn.LSTM` or
            `GRU`; or a model or weights saved by Keras 2 (`.h5`) with `LSTM`, `GRU`,
            `Bidirectional` of one of them, or `tfa.layers.CRF`.
        layer: Which one: the prefix in a state dict (`"encoder.rnn"`), the layer's name in a file
            of Keras, or several names there, which become one stack. Defaults to the only one.

    Returns:
        An `Imported`.

    Raises:
        FileError: if the file is damaged or too large, has no such layer, or several and none was
            chosen, or if weights are missing or have other shapes.
        Disagreement: if layer and source differ by more than 1e-4 on the same inputs.
        MissingExtra: if the file is of torch, and torch is not installed.
    """
    file = read(path)
    chosen = _chosen(file, [layer] if isinstance(layer, str) else layer)
    random = np.random.default_rng(0)
    mask = np.arange(max(LENGTHS)) < np.array(LENGTHS)[:, None]
    notes = []
    if chosen[0] in recurrent.names(file):
        weights = recurrent.find(file, chosen)
        model, made = _encoder(weights)
        inputs = random.normal(size=(*mask.shape, weights.features)).astype("float32")
        run = references.torch_outputs if file.framework == "torch" else references.keras_outputs
        found = model({"inputs": inputs, "padding_mask": mask})
        found = map(ops.convert_to_numpy, keras.tree.flatten([found["outputs"], found["states"]]))
        pairs = zip(found, run(weights, inputs, mask), strict=True)
        difference = max(float(np.abs(ours - theirs).max()) for ours, theirs in pairs)
        library = "torch.nn" if file.framework == "torch" else "keras.layers"
        options = ", reset_after=False" if weights.cell == "gru_reset_before" else ""
        source = f"{library}.{weights.cell[:4].rstrip('_').upper()}{options}"
        notes += [weights.assumption] if weights.assumption else []
        arrays = weights.arrays
    else:
        parts = crf.find(file, chosen[0])
        model, made = _crf(parts)
        inputs = random.normal(size=(*mask.shape, parts.features)).astype("float32")
        difference = _crf_difference(parts, model, made, inputs, mask, random)
        source, arrays = "tfa.layers.CRF", parts.arrays
    if not difference <= TOLERANCE:
        raise Disagreement(
            f"Layer and source must agree within {TOLERANCE:.0e} on the same inputs; nothing was "
            f"imported. Received: a difference of {difference:.2g} from {source} in {path}"
        )
    left_out = {name: it.shape for name, it in file.arrays.items() if name not in arrays}
    return Imported(
        model, made, source, difference, {name: it.shape for name, it in arrays.items()},
        left_out, notes, file.path,
    )  # fmt: skip


def save(found: Imported, directory: str | Path) -> Path:
    """Writes `model.keras`, which Keras loads after `import zoo.layers`, and `import.json`.

    Args:
        found: What `load` returned.
        directory: A new or empty directory.

    Returns:
        The path of `model.keras`.

    Raises:
        FileExistsError: if the directory is not empty.
    """
    description = {
        "source": found.source,
        "file": found.path.name,
        "sha256": sha256(found.path),
        "difference": found.difference,
        "arrays": found.arrays,
        "left_out": found.left_out,
        "notes": list(found.notes),
        "seqzoo": zoo.__version__,
    }
    with atomic_directory(directory) as folder:
        found.model.save(folder / MODEL_FILE)
        text = json.dumps(description, ensure_ascii=False, indent=2)
        (folder / DESCRIPTION_FILE).write_text(text + "\n", "utf-8")
    return Path(directory) / MODEL_FILE


def _chosen(file: WeightFile, layer: Sequence[str] | None) -> Sequence[str]:
    """The names of the layers to import."""
    layers, crfs = recurrent.names(file), crf.names(file)
    known = [*layers, *crfs]
    if not known:
        raise FileError(
            "The file must have the weights of a `torch.nn.LSTM` or `GRU` (weight_ih_l0, "
            "weight_hh_l0, …), of a Keras `LSTM` or `GRU` (kernel, recurrent_kernel, bias), or of "
            "a `tfa.layers.CRF` (chain_kernel, …). "
            f"Received: {described(file.arrays)} in {file.path}"
        )
    received = f"Received: {', '.join(known)} in {file.path}"
    if not layer:
        if len(known) > 1:
            raise FileError(f"The file has several layers: name one with `layer`. {received}")
        return known
    names = [name.rstrip(".") for name in layer]
    for name in names:
        if name not in known:
            raise FileError(
                f"The file has no recurrent layer or CRF `{name}`.{did_you_mean(name, known)} "
                f"{received}"
            )
    if len(names) > 1 and not set(names) <= set(layers):
        raise FileError(f"A CRF is imported alone. Received: layer={', '.join(names)}")
    return names


def _encoder(weights):
    """The model and the `RecurrentEncoder`."""
    layer = RecurrentEncoder(
        weights.cell,
        weights.units,
        len(weights.stack),
        bidirectional=weights.bidirectional,
        return_state=True,
        name="encoder",
    )
    inputs = _inputs(weights.features)
    outputs, states = layer(inputs["inputs"], inputs["padding_mask"])
    for directions, arrays in zip(layer.stack, weights.stack, strict=True):
        for direction, values in zip(directions, arrays, strict=True):
            direction.set_weights(list(values))
    return keras.Model(inputs, {"outputs": outputs, "states": states}, name="imported"), layer


def _crf(weights):
    """The model and the `LinearChainCRF`."""
    layer = LinearChainCRF(len(weights.start), name="crf")
    inputs = _inputs(weights.features)
    potentials = inputs["inputs"]
    if weights.kernel is not None:
        dense = keras.layers.Dense(layer.num_tags, name="potentials")
        potentials = dense(potentials)
        dense.set_weights([weights.kernel, weights.bias])
    outputs = {
        "potentials": layer(potentials, inputs["padding_mask"]),
        "tags": layer(potentials, inputs["padding_mask"], output="tags"),
    }
    layer.transitions.assign(weights.transitions)
    layer.start_transitions.assign(weights.start)
    layer.end_transitions.assign(weights.end)
    return keras.Model(inputs, outputs, name="imported"), layer


def _inputs(features):
    return {
        "inputs": keras.Input((None, features), name="inputs"),
        "padding_mask": keras.Input((None,), dtype="bool", name="padding_mask"),
    }


def _crf_difference(weights, model, layer, inputs, mask, random):
    """The largest difference of a log-likelihood, and of the score of the best tags."""
    found = model({"inputs": inputs, "padding_mask": mask})
    tags = random.integers(layer.num_tags, size=mask.shape)
    likelihoods = ops.convert_to_numpy(layer.log_likelihood(tags, found["potentials"], mask))
    potentials = references.tfa_potentials(weights, inputs, mask)
    scores, totals, highest = references.tfa_scores(weights, potentials, tags, mask)
    best = ops.convert_to_numpy(found["tags"])
    ours, _, _ = references.tfa_scores(weights, potentials, best, mask)
    differences = np.abs([likelihoods - (scores - totals), ours - highest])
    return float((differences / np.array(LENGTHS)).max())  # per step
