"""Reference outputs: those of the source library with imported weights, on given sequences.

torch and Keras run their own layers. TensorFlow Addons is archived, so its CRF is written in NumPy.
"""

import keras
import numpy as np

from zoo.extras import need
from zoo.importing.crf import CRFWeights
from zoo.importing.recurrent import RecurrentWeights


def torch_outputs(
    weights: RecurrentWeights, inputs: np.ndarray, mask: np.ndarray
) -> list[np.ndarray]:
    """The outputs of `torch.nn.LSTM` or `GRU` on packed sequences, and its last states.

    Args:
        weights: As read from a state dict.
        inputs: `[batch, time, features]`, right-padded.
        mask: bool `[batch, time]`, with rows in order of falling length.

    Returns:
        `[batch, time, units]`, zero at padding; then of each layer its states.

    Raises:
        MissingExtra: if torch is not installed.
    """
    need("torch", "The comparison of the weights with those of torch's layer")
    import torch

    cls = {"lstm": torch.nn.LSTM, "gru": torch.nn.GRU}[weights.cell]
    layer = cls(
        weights.features, weights.units, len(weights.stack), bias=weights.has_bias,
        batch_first=True, bidirectional=weights.bidirectional,
    )  # fmt: skip
    prefix = len(next(iter(weights.arrays)).rpartition(".")[0])
    names = {name: name[prefix:].lstrip(".") for name in weights.arrays}
    layer.load_state_dict({names[it]: torch.tensor(value) for it, value in weights.arrays.items()})
    rnn = torch.nn.utils.rnn
    with torch.inference_mode():
        lengths = torch.tensor(mask.sum(1))
        packed = rnn.pack_padded_sequence(torch.tensor(inputs), lengths, batch_first=True)
        outputs, states = layer(packed)
        outputs, _ = rnn.pad_packed_sequence(outputs, batch_first=True)
    found = [outputs.numpy()]
    for depth in range(len(weights.stack)):
        count = len(weights.stack[0])
        for state in states if isinstance(states, tuple) else (states,):
            parts = state[depth * count : (depth + 1) * count]
            found.append(np.concatenate([part.numpy() for part in parts], axis=-1))
    return found


def keras_outputs(
    weights: RecurrentWeights, inputs: np.ndarray, mask: np.ndarray
) -> list[np.ndarray]:
    """The outputs of `keras.layers.LSTM`, `GRU` or `Bidirectional`, and their last states.

    The arguments and results are those of `torch_outputs`.
    """
    found, outputs = [], inputs
    for directions in weights.stack:
        options = {"return_sequences": True, "return_state": True}
        if weights.cell == "lstm":
            layer = keras.layers.LSTM(weights.units, **options)
        else:
            reset_after = weights.cell == "gru"
            layer = keras.layers.GRU(weights.units, reset_after=reset_after, **options)
        if weights.bidirectional:
            layer = keras.layers.Bidirectional(layer, merge_mode="concat")
        layer.build(outputs.shape)
        layer.set_weights([array for direction in directions for array in direction])
        outputs, *states = map(keras.ops.convert_to_numpy, layer(outputs, mask=mask))
        outputs = outputs * mask[:, :, None]
        count = len(states) // len(directions)
        found += [np.concatenate(states[i::count], axis=-1) for i in range(count)]
    return [outputs, *found]


def tfa_potentials(weights: CRFWeights, inputs: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """The potentials of `tfa.layers.CRF`, `[batch, time, tags]` in float64, with its boundaries."""
    potentials = inputs.astype("float64")
    if weights.kernel is not None:
        potentials = potentials @ weights.kernel + weights.bias
    potentials[:, 0] += weights.start
    potentials[np.arange(len(mask)), mask.sum(1) - 1] += weights.end
    return potentials


def tfa_scores(
    weights: CRFWeights, potentials: np.ndarray, tags: np.ndarray, mask: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """`tfa.text`'s functions of a CRF, on the potentials of `tfa_potentials`.

    Args:
        tags: Integers `[batch, time]`.

    Returns:
        The scores of the tags (`crf_sequence_score`), the logarithm of the sum of the exponentials
        of all scores (`crf_log_norm`) and the highest score (of `crf_decode`), each `[batch]`.
    """
    found = []
    for row, chosen, length in zip(potentials, tags, mask.sum(1), strict=True):
        score, total, best = row[0, chosen[0]], row[0], row[0]
        for t in range(1, length):
            score = score + weights.transitions[chosen[t - 1], chosen[t]] + row[t, chosen[t]]
            total = row[t] + np.logaddexp.reduce(total[:, None] + weights.transitions, axis=0)
            best = row[t] + np.max(best[:, None] + weights.transitions, axis=0)
        found.append((score, np.logaddexp.reduce(total), best.max()))
    scores, totals, highest = np.array(found).T
    return scores, totals, highest
