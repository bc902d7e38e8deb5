"""Weights of `tfa.layers.CRF` in files of Keras 2."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from zoo.importing.files import FileError, WeightFile, described


@dataclass(frozen=True)
class CRFWeights:
    """The weights of a linear-chain CRF.

    Attributes:
        transitions: `[tags, tags]`, from row to column: `chain_kernel`.
        start, end: `[tags]`: `left_boundary` and `right_boundary`; zeros without them.
        kernel, bias: `[features, tags]` and `[tags]`: the layer from features to potentials;
            `None` without one.
        arrays: Those of the file that were used, by name.
    """

    transitions: np.ndarray
    start: np.ndarray
    end: np.ndarray
    kernel: np.ndarray | None
    bias: np.ndarray | None
    arrays: Mapping[str, np.ndarray]

    @property
    def features(self) -> int:
        return (self.transitions if self.kernel is None else self.kernel).shape[0]


def names(file: WeightFile) -> list[str]:
    """The names of the CRF layers in a file."""
    folders = [name.split("/")[:-1] for name in file.arrays if name.endswith("chain_kernel")]
    return [it[-1] if it else "" for it in folders]


def find(file: WeightFile, layer: str) -> CRFWeights:
    """The weights of a named CRF.

    Raises:
        FileError: if weights are missing or have other shapes.
    """
    arrays = {
        name: array for name, array in file.arrays.items() if layer in ("", *name.split("/")[:-1])
    }
    found = {name.split("/")[-1]: array for name, array in arrays.items()}
    tags = found["chain_kernel"].shape[-1] if found["chain_kernel"].ndim else 0
    expected: dict[str, tuple[int, ...]] = {"chain_kernel": (tags, tags)}
    if {"left_boundary", "right_boundary"} & set(found):
        expected |= {"left_boundary": (tags,), "right_boundary": (tags,)}
    if {"kernel", "bias"} & set(found):
        features = found["kernel"].shape[0] if "kernel" in found and found["kernel"].ndim else 0
        expected |= {"kernel": (features, tags), "bias": (tags,)}
    shapes = {name: array.shape for name, array in found.items()}
    if shapes != expected or len(found) < len(arrays) or not tags:
        wanted = ", ".join(f"{name} {shape}" for name, shape in expected.items())
        raise FileError(
            f"A `tfa.layers.CRF` has the weights {wanted}. "
            f"Received: {described(arrays)} in {file.path}"
        )
    zeros = np.zeros(tags, "float32")
    return CRFWeights(
        found["chain_kernel"],
        found.get("left_boundary", zeros),
        found.get("right_boundary", zeros),
        found.get("kernel"),
        found.get("bias"),
        arrays,
    )
