"""What a run needs to go on after it was killed, in files that are whole or not there."""

import json
import shutil
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import yaml

from zoo import presets
from zoo.files import atomic_write
from zoo.home import home

if TYPE_CHECKING:
    import keras
    import keras_hub

    from zoo.data import Dataset

RECIPE_FILE, STATE_FILE, BEST_FILE, MODEL_FOLDER = "recipe.yaml", "state.npz", "best.npz", "model"


class CheckpointError(OSError):
    """A checkpoint that could not be written, found or read, and what to do about it."""

    exit_code = 1


@dataclass
class TrainerState:
    """Where a run is.

    Attributes:
        epoch: The epoch in work, from 0.
        batch: How many of its batches are done.
        step: How many batches are done in all.
        sums: Of the training metrics over the done batches of this epoch.
        boundaries: The bucket lengths, decided in the first epoch.
        best: The best value of the metric so far, on the dev split.
        best_epoch: When it was measured.
        seconds: Time spent training.
    """

    epoch: int = 0
    batch: int = 0
    step: int = 0
    sums: dict[str, float] = field(default_factory=dict)
    boundaries: list[int] = field(default_factory=list)
    best: float | None = None
    best_epoch: int | None = None
    seconds: float = 0.0


@dataclass(frozen=True)
class RunManifest:
    """What is run.

    Attributes:
        run_id: The id of the run.
        label: The recipe, `sentiment/quickstart`.
        overrides: What differed from its file.
        digest: Of the data.
        config: The resolved configuration.
    """

    run_id: str
    label: str
    overrides: list[str]
    digest: str
    config: dict


class Checkpoint:
    """The files of one run, in `checkpoints/RUN` of the zoo's home.

    `recipe.yaml` (which recipe, and its resolved configuration) and `model/` (a preset: tokenizer
    and architecture) are written once, `state.npz` (model, optimizer, seeds, `TrainerState`) again and
    again, and `best.npz` whenever there is a better model.

    Args:
        run_id: The id of the run.
    """

    def __init__(self, run_id: str):
        self.run_id = run_id
        self.folder = home() / "checkpoints" / run_id

    @property
    def model(self) -> Path:
        """Where the preset is."""
        return self.folder / MODEL_FOLDER

    @property
    def is_resumable(self) -> bool:
        """Whether there is a state to go on from."""
        return (self.folder / STATE_FILE).is_file()

    @classmethod
    def find(cls, run: str) -> "Checkpoint":
        """The checkpoint of a run.

        Args:
            run: The id of the run, or its first letters.

        Raises:
            CheckpointError: if no run, or more than one, has such an id and a state.
        """
        folder = home() / "checkpoints"
        kept = sorted(path.parent.name for path in folder.glob(f"*/{STATE_FILE}"))
        found = [run_id for run_id in kept if run and run_id.startswith(run)]
        if len(found) != 1:
            raise CheckpointError(
                "There is no one checkpoint to go on from. One is kept from the first epoch, or "
                "the first training.checkpoint_every steps, until the run has ended well; there "
                f"are: {', '.join(kept) or 'none'}. Received: resume={run!r}"
            )
        return cls(found[0])

    @classmethod
    def of(cls, config: dict, digest: str) -> "Checkpoint | None":
        """A checkpoint to go on from, of a run with this configuration and data, if there is one.

        Args:
            config: The resolved configuration.
            digest: Of the data.
        """
        for state in sorted((home() / "checkpoints").glob(f"*/{STATE_FILE}")):
            checkpoint = cls(state.parent.name)
            try:
                kept = checkpoint.read_recipe()
            except (CheckpointError, TypeError):  # of another version, or damaged
                continue
            if (kept.config, kept.digest) == (config, digest):
                return checkpoint
        return None

    def begin(self, kept: RunManifest, model: "keras_hub.models.Task", dataset: "Dataset") -> None:
        """Keeps what is written once.

        Args:
            kept: What is run.
            model: The model in float32, for its preprocessor.
            dataset: The data.

        Raises:
            CheckpointError: if it cannot be written.
        """
        text = yaml.safe_dump(asdict(kept), sort_keys=False, allow_unicode=True)
        with self._writing(RECIPE_FILE) as path, atomic_write(path) as beside:
            beside.write_text(text, "utf-8")
        with self._writing(MODEL_FOLDER) as path:
            presets.save(model, path, name="model", dataset=dataset, dtype="float32")

    def read_recipe(self) -> RunManifest:
        """What is run."""
        return RunManifest(**yaml.safe_load((self.folder / RECIPE_FILE).read_text("utf-8")))

    def save(self, model: "keras.Model", progress: TrainerState) -> None:
        """Keeps the state of training, in place of the state before.

        Args:
            model: The compiled model, its optimizer built.
            progress: Where the run is.

        Raises:
            CheckpointError: if it cannot be written; the state before stays as it was.
        """
        arrays = _arrays("model", model.variables) | _arrays("optimizer", model.optimizer.variables)
        arrays["progress"] = np.frombuffer(json.dumps(asdict(progress)).encode(), "uint8")
        self._write(STATE_FILE, arrays)

    def restore(self, model: "keras.Model") -> TrainerState:
        """Puts the kept state into a model that is compiled and whose optimizer is built.

        Raises:
            CheckpointError: if the state cannot be read, or is not of such a model.
        """
        arrays = self._read(STATE_FILE)
        self._assign(arrays, "model", model.variables)
        self._assign(arrays, "optimizer", model.optimizer.variables)
        return _progress(arrays)

    def progress(self) -> TrainerState:
        """Where the run is.

        Raises:
            CheckpointError: if the state cannot be read.
        """
        return _progress(self._read(STATE_FILE))

    def save_best(self, model: "keras.Model") -> None:
        """Keeps the weights as the best so far.

        Raises:
            CheckpointError: if they cannot be written; those before stay as they were.
        """
        self._write(BEST_FILE, _arrays("model", model.weights))

    def restore_best(self, model: "keras.Model") -> None:
        """Puts the best weights into the model.

        Raises:
            CheckpointError: if they cannot be read, or are not of such a model.
        """
        self._assign(self._read(BEST_FILE), "model", model.weights)

    def remove(self) -> None:
        """Removes all files of the run."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _write(self, name, arrays):
        with self._writing(name) as path, atomic_write(path) as beside:
            np.savez(beside, **arrays)

    @contextmanager
    def _writing(self, name) -> Iterator[Path]:
        try:
            yield self.folder / name
        except OSError as error:
            kept = "the one before is intact" if (self.folder / name).is_file() else "there is none"
            raise CheckpointError(
                f"The checkpoint could not be written ({error.strerror or error}); {kept}. Make "
                f"room, or set ZOO_HOME to another disk. Received: {self.folder / name}"
            ) from error

    def _read(self, name) -> dict[str, np.ndarray]:
        try:
            with np.load(self.folder / name, allow_pickle=False) as file:
                return dict(file)
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            raise CheckpointError(
                f"The checkpoint cannot be read ({error}): run the recipe again from the start. "
                f"Received: {self.folder / name}"
            ) from error

    def _assign(self, arrays, prefix, variables):
        kept = [array for name, array in arrays.items() if name.startswith(f"{prefix}/")]
        shapes, wanted = [a.shape for a in kept], [tuple(v.shape) for v in variables]
        if shapes != wanted:
            raise CheckpointError(
                "The checkpoint is of another model, or of another version of the zoo or of "
                f"Keras: run the recipe again from the start. Received: {self.folder}, "
                f"{prefix} with {len(shapes)} arrays instead of {len(wanted)} of the same shapes"
            )
        for variable, array in zip(variables, kept, strict=True):
            variable.assign(array)


def _progress(arrays) -> TrainerState:
    return TrainerState(**json.loads(arrays["progress"].tobytes()))


def _arrays(prefix, variables) -> dict[str, np.ndarray]:
    from keras import ops  # here, for a run that cannot be resumed is told of before Keras starts

    return {
        f"{prefix}/{i:05}": ops.convert_to_numpy(variable.value)
        for i, variable in enumerate(variables)
    }
