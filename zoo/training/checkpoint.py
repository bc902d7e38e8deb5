"""Checkpoints: everything needed to resume a run, written atomically."""

import json
import shutil
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import yaml

from zoo import presets
from zoo.files import atomic_write
from zoo.home import home
from zoo.processes import OWNER_FILE
from zoo.safe_yaml import read_yaml
from zoo.training.lease import Lease

if TYPE_CHECKING:
    import keras
    import keras_hub

    from zoo.data import Columns, Dataset

RECIPE_FILE, STATE_FILE, BEST_FILE, MODEL_FOLDER = "recipe.yaml", "state.npz", "best.npz", "model"
EPOCH_FILE, FINISHING_FOLDER, DRAWN_FILE = "epoch-{:05}.npz", "finishing", "drawn-{}.json"


class CheckpointError(OSError):
    """A checkpoint that cannot be written, found or read."""

    exit_code = 1


@dataclass
class TrainerState:
    """Progress of a run.

    Attributes:
        epoch: The current epoch, from 0.
        batch: Batches done in this epoch.
        step: Batches done in all epochs.
        sums: Sums of the training metrics over the batches done in this epoch.
        boundaries: Bucket lengths, chosen in the first epoch.
        best: Best value of the metric on the dev split so far.
        best_loss: Loss on the dev split of the best epoch; breaks ties.
        best_epoch: The epoch it was measured in.
        averaged: Number of the last epochs whose averaged weights are better than those of
            `best_epoch`; 0 if they are not.
        moved: Whether the metric on the dev split has had two values.
        seconds: Training time.
        unlogged: Metrics of finished epochs that the tracking store may not have yet: each the
            number of finished epochs, and the values by name.
        history: The same of all finished epochs, for the learning curves of the preset.
    """

    epoch: int = 0
    batch: int = 0
    step: int = 0
    sums: dict[str, float] = field(default_factory=dict)
    boundaries: list[int] = field(default_factory=list)
    best: float | None = None
    best_loss: float | None = None
    best_epoch: int | None = None
    averaged: int = 0
    moved: bool = False
    seconds: float = 0.0
    unlogged: list[tuple[int, dict[str, float]]] = field(default_factory=list)
    history: list[tuple[int, dict[str, float]]] = field(default_factory=list)

    def add(self, metrics: dict[str, float]) -> None:
        """Adds the metrics of the epochs that are finished to `unlogged` and `history`."""
        self.unlogged.append((self.epoch, metrics))
        self.history.append((self.epoch, metrics))

    def scores(self, metric: str) -> list[float]:
        """A metric on the dev split after each finished epoch."""
        return [one[f"dev/{metric}"] for _, one in self.history if f"dev/{metric}" in one]

    def is_over(self, epochs: int, max_steps: int | None, patience: int | None) -> bool:
        """True if training has ended, by the settings of its recipe."""
        if self.batch:  # the current epoch must be finished and evaluated
            return False
        best = -1 if self.best_epoch is None else self.best_epoch
        return (
            self.epoch >= epochs
            or (max_steps is not None and self.step >= max_steps)
            or (patience is not None and self.epoch - 1 - best >= patience)
        )

    def best_weights(self) -> str:
        """The name of the best weights: `epoch 7`, or `the average of epochs 3 to 7`."""
        if self.averaged:
            return f"the average of epochs {self.epoch - self.averaged + 1} to {self.epoch}"
        return f"epoch {(self.best_epoch or 0) + 1}"


@dataclass(frozen=True)
class RunManifest:
    """Identity of a run: its recipe, configuration and data.

    Attributes:
        run_id: Id of the run.
        label: The recipe as `zoo run` takes it: `sentiment/quickstart`, or the path of a file.
        overrides: Changes to its file.
        digest: Digest of the dataset.
        config: The resolved configuration.
        models: Digests of the teachers, and of the models of `training.init_from`.
        backend: The Keras backend; `None` in a checkpoint of an earlier version.
        output: Absolute path of the directory in which to save the preset too, or `None`.
        initial_scores: Scores of the model of `training.init_from`, with
            `evaluation.beat_initial`.
    """

    run_id: str
    label: str
    overrides: list[str]
    digest: str
    config: dict
    models: list[str] = field(default_factory=list)
    backend: str | None = None
    output: str | None = None
    initial_scores: dict[str, float] = field(default_factory=dict)


class Checkpoint:
    """Files of one run, in `checkpoints/RUN` of the zoo's home.

    `model/` (a preset: tokenizer and architecture) is written once, `recipe.yaml` (the
    `RunManifest`) also when the run is resumed, `state.npz` (model, optimizer, seeds,
    `TrainerState`) at each checkpoint, `best.npz` whenever the model is the best so far, and with
    `training.average_last` the weights of that many last epochs, `epoch-00001.npz` and so on.
    `drawn-0.json` and that of the present epoch have what the model drew for it, if it did.
    After training, `finishing/` holds the final preset and marks of the steps that are done.

    Args:
        run_id: Id of the run.
    """

    def __init__(self, run_id: str):
        self.run_id = run_id
        self.folder = home() / "checkpoints" / run_id
        self._lease: Lease | None = None

    @property
    def model(self) -> Path:
        """Directory of the preset."""
        return self.folder / MODEL_FOLDER

    @property
    def final_preset(self) -> Path:
        """Directory of the preset with the best weights, once training is over."""
        return self.folder / FINISHING_FOLDER / "preset"

    @property
    def is_resumable(self) -> bool:
        """True if it holds a state to resume from."""
        return (self.folder / STATE_FILE).is_file()

    @classmethod
    def find(cls, run: str) -> "Checkpoint":
        """Finds the checkpoint of a run.

        Args:
            run: Id of the run, or its first characters.

        Raises:
            CheckpointError: if no run with a state has such an id, or more than one.
        """
        folder = home() / "checkpoints"
        stored = sorted(path.parent.name for path in folder.glob(f"*/{STATE_FILE}"))
        found = [run_id for run_id in stored if run and run_id.startswith(run)]
        if len(found) != 1:
            raise CheckpointError(
                "No single run with a checkpoint has this id. A checkpoint is kept from the first "
                "epoch, or the first training.checkpoint_every steps, until the run has finished. "
                f"Runs with a checkpoint: {', '.join(stored) or 'none'}. Received: resume={run!r}"
            )
        return cls(found[0])

    @classmethod
    def of(cls, config: dict, digest: str, backend: str) -> "Checkpoint | None":
        """Finds a readable checkpoint of a run with this configuration, data and backend.

        Damaged checkpoints, and those of another version, are skipped.

        Args:
            config: The resolved configuration.
            digest: Digest of the dataset.
            backend: The Keras backend.

        Returns:
            The checkpoint, or `None`.
        """
        for state in sorted((home() / "checkpoints").glob(f"*/{STATE_FILE}")):
            checkpoint = cls(state.parent.name)
            try:
                manifest = checkpoint.read_manifest()
                alike = (manifest.config, manifest.digest) == (config, digest)
                if alike and manifest.backend in (None, backend):
                    checkpoint.progress()
                    return checkpoint
            except CheckpointError:
                continue
        return None

    def hold(self, lease: Lease) -> None:
        """Takes the lease of the checkpoint, and removes files that a killed process left half.

        Raises:
            LeaseError: if another process holds it.
            CheckpointError: if its folder cannot be written.
        """
        with self._writing(OWNER_FILE):
            lease.acquire(self.folder)
        self._lease = lease
        for path in list(self.folder.rglob(".part-*")):
            shutil.rmtree(path) if path.is_dir() else path.unlink()

    def check_lease(self) -> None:
        """Verifies that no other process has taken the run over.

        Raises:
            LeaseError: if one has.
        """
        if self._lease:
            self._lease.check()

    def create(
        self, manifest: RunManifest, model: "keras_hub.models.Task", dataset: "Dataset"
    ) -> None:
        """Writes the manifest and the preset.

        Args:
            manifest: Identity of the run.
            model: The model in float32, for its preprocessor.
            dataset: The data.

        Raises:
            CheckpointError: if it cannot be written.
        """
        self.write_manifest(manifest)
        with self._writing(MODEL_FOLDER) as path:
            presets.save(model, path, name="model", dataset=dataset, dtype="float32")

    def write_manifest(self, manifest: RunManifest) -> None:
        """Writes the manifest, in place of the previous one.

        Raises:
            CheckpointError: if it cannot be written; the previous one is then intact.
        """
        text = yaml.safe_dump(asdict(manifest), sort_keys=False, allow_unicode=True)
        with self._writing(RECIPE_FILE) as path, atomic_write(path) as temporary:
            temporary.write_text(text, "utf-8")

    def read_manifest(self) -> RunManifest:
        """Reads the manifest.

        Raises:
            CheckpointError: if it is missing, damaged, or of another version of the zoo.
        """
        path = self.folder / RECIPE_FILE
        try:
            return RunManifest(**read_yaml(path.read_text("utf-8")))
        except (OSError, UnicodeDecodeError, yaml.YAMLError, TypeError) as error:
            raise self._unreadable(path, error) from error

    def drawn(self, epoch: int, draw: Callable[[], "Columns"]) -> "Columns":
        """The texts that a model drew for an epoch, from the disk where they are known.

        The first epoch's is kept, from which a resumed run counts the steps, and the latest one's.

        Args:
            epoch: int. The epoch, from 0.
            draw: Function that draws. What it returns, if anything, is stored as JSON.

        Raises:
            CheckpointError: if it cannot be written or read.
        """
        file = self.folder / DRAWN_FILE.format(epoch)
        if file.is_file():
            try:
                return json.loads(file.read_text("utf-8"))
            except (OSError, ValueError) as error:
                raise self._unreadable(file, error) from error
        if not (found := draw()):
            return found
        text = json.dumps(found, ensure_ascii=False)
        with self._writing(file.name) as path, atomic_write(path) as temporary:
            temporary.write_text(text, "utf-8")
        for other in self.folder.glob(DRAWN_FILE.format("*")):
            if other.name not in (DRAWN_FILE.format(0), file.name):
                other.unlink()
        return found

    def save(self, model: "keras.Model", progress: TrainerState) -> None:
        """Writes the state of training, replacing the previous one and what followed from it.

        Args:
            model: The compiled model, its optimizer built.
            progress: Progress of the run.

        Raises:
            CheckpointError: if it cannot be written; the previous state is then intact.
        """
        arrays = _arrays("model", model.variables) | _arrays("optimizer", model.optimizer.variables)
        arrays["progress"] = np.frombuffer(json.dumps(asdict(progress)).encode(), "uint8")
        self._write(STATE_FILE, arrays)
        shutil.rmtree(self.folder / FINISHING_FOLDER, ignore_errors=True)

    def restore(self, model: "keras.Model") -> TrainerState:
        """Restores the state into a compiled model whose optimizer is built.

        Args:
            model: The model.

        Returns:
            Progress of the run.

        Raises:
            CheckpointError: if the state cannot be read, or belongs to another model.
        """
        arrays = self._read(STATE_FILE)
        self._assign(arrays, "model", model.variables)
        self._assign(arrays, "optimizer", model.optimizer.variables)
        return self._trainer_state(arrays)

    def progress(self) -> TrainerState:
        """Reads the progress of the run.

        Raises:
            CheckpointError: if the state cannot be read.
        """
        return self._trainer_state(self._read(STATE_FILE))

    def save_best(self, model: "keras.Model") -> None:
        """Writes the weights as the best so far.

        Raises:
            CheckpointError: if they cannot be written; the previous ones are then intact.
        """
        self._write(BEST_FILE, _arrays("model", model.weights))

    def restore_best(self, model: "keras.Model") -> None:
        """Restores the best weights into the model.

        Raises:
            CheckpointError: if they cannot be read, or belong to another model.
        """
        self._assign(self._read(BEST_FILE), "model", model.weights)

    def save_epoch(self, model: "keras.Model", epoch: int, keep: int) -> None:
        """Writes the weights of an epoch, and removes those of all but the last epochs.

        Args:
            model: The model.
            epoch: int. Number of the epoch, from 1.
            keep: int. Number of epochs to keep.

        Raises:
            CheckpointError: if they cannot be written.
        """
        self._write(EPOCH_FILE.format(epoch), _arrays("model", model.weights))
        for path in self._epochs()[:-keep]:
            path.unlink()

    def average_epochs(self, model: "keras.Model") -> int:
        """Sets the weights of the model to the mean of those of the stored epochs.

        Returns:
            The number of epochs.

        Raises:
            CheckpointError: if they cannot be read, or belong to another model.
        """
        paths = self._epochs()
        totals: dict[str, np.ndarray] = {}
        for path in paths:  # one at a time in memory
            for name, array in self._read(path.name).items():
                totals[name] = totals.get(name, 0.0) + array.astype("float64")
        means = {name: total / len(paths) for name, total in totals.items()}
        self._assign(means, "model", model.weights)
        return len(paths)

    def _epochs(self) -> list[Path]:
        """Files of the stored epochs, in order."""
        return sorted(self.folder.glob(EPOCH_FILE.format(0).replace("00000", "*")))

    def once(self, step: str, action: Callable[[], None]) -> None:
        """Runs a step that follows training, unless it was done before the run was resumed.

        Args:
            step: Name of the step.
            action: Function that does it. If the process is killed within, it is run again.
        """
        mark = self.folder / FINISHING_FOLDER / f"{step}.done"
        if not mark.exists():
            action()
            mark.touch()

    def remove(self) -> None:
        """Removes all files of the run."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _write(self, name, arrays):
        with self._writing(name) as path, atomic_write(path) as temporary:
            np.savez(temporary, **arrays)

    @contextmanager
    def _writing(self, name) -> Iterator[Path]:
        self.check_lease()
        try:
            yield self.folder / name
        except OSError as error:
            exists = (self.folder / name).is_file()
            previous = "the previous one is intact" if exists else "there is no previous one"
            raise CheckpointError(
                f"The checkpoint could not be written ({error.strerror or error}); {previous}. "
                f"Free disk space, or set ZOO_HOME to another disk. Received: {self.folder / name}"
            ) from error

    def _read(self, name) -> dict[str, np.ndarray]:
        try:
            with np.load(self.folder / name, allow_pickle=False) as file:
                return dict(file)
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            raise self._unreadable(self.folder / name, error) from error

    def _unreadable(self, path, error) -> CheckpointError:
        reason = " ".join(str(error).split())
        return CheckpointError(
            f"The checkpoint cannot be read ({reason}): run the recipe again from the start, and "
            f"remove its folder. Received: {path}"
        )

    def _trainer_state(self, arrays) -> TrainerState:
        try:
            state = TrainerState(**json.loads(arrays["progress"].tobytes()))
            state.unlogged = [(step, metrics) for step, metrics in state.unlogged]
            state.history = [(step, metrics) for step, metrics in state.history]
            return state
        except (KeyError, ValueError, TypeError) as error:
            raise self._unreadable(self.folder / STATE_FILE, error) from error

    def _assign(self, arrays, prefix, variables):
        stored = [array for name, array in arrays.items() if name.startswith(f"{prefix}/")]
        shapes, expected = [a.shape for a in stored], [tuple(v.shape) for v in variables]
        if shapes != expected:
            raise CheckpointError(
                "The checkpoint belongs to another model, or another version of the zoo or of "
                f"Keras: run the recipe again from the start. Received: {self.folder}, whose "
                f"{len(shapes)} arrays of the {prefix} have other shapes than the {len(expected)} "
                "expected ones"
            )
        for variable, array in zip(variables, stored, strict=True):
            variable.assign(array)


def _arrays(prefix, variables) -> dict[str, np.ndarray]:
    from keras import ops  # heavy: a wrong --resume is reported before Keras is imported

    return {
        f"{prefix}/{i:05}": ops.convert_to_numpy(variable.value)
        for i, variable in enumerate(variables)
    }
