"""The copy of a model that several devices train.

The model itself stays on one device of the first process, which evaluates and saves it. Before an
epoch, its state is copied to the twin in every process; after it, back.
"""

import hashlib

import keras
import keras_hub
import numpy as np
from keras import ops

from zoo.data import Dataset
from zoo.data.planning import plan_batches
from zoo.training.checkpoint import TrainerState
from zoo.training.compiling import compiled
from zoo.training.parallel.group import Group
from zoo.training.recipe import Recipe, TrainingExamples


class Twin:
    """The copy of a model on all devices, as the first process drives it.

    Args:
        group: The processes.
        recipe: The recipe.
        dataset: The data.
        model: The model, with the weights that it starts from.
        examples: The training examples of the first epoch.
        boundaries: The lengths of the buckets.
    """

    def __init__(
        self,
        group: Group,
        recipe: Recipe,
        dataset: Dataset,
        model: keras_hub.models.Task,
        examples: TrainingExamples,
        boundaries: list[int],
    ):
        self.group = group
        weights = model.get_weights()
        found = {"boundaries": boundaries, "examples": fingerprint(recipe, examples, boundaries)}
        group.send(found, weights)
        self.model = build_twin(
            group, recipe, dataset, model.preprocessor, weights, examples, boundaries
        )

    def begin(self, model: keras.Model, progress: TrainerState) -> None:
        """Copies the state of the training model before an epoch; the other processes follow."""
        place = {"epoch": progress.epoch, "batch": progress.batch, "step": progress.step}
        arrays = state(model)
        self.group.send(place, arrays)
        assign(self.model, arrays)

    def end(self, model: keras.Model) -> None:
        """Copies the state back after an epoch."""
        assign(model, state(self.model))

    def close(self) -> None:
        """Tells the other processes that the training is over."""
        self.group.send({"over": True})


def build_twin(group, recipe, dataset, preprocessor, weights, examples, boundaries) -> keras.Model:
    """Builds and compiles the twin; in every process the same."""
    # Its own recipe, as a recipe may keep the last model that it has built.
    recipe = type(recipe)(recipe.config)
    if group.size > 1:  # JAX demands that all processes initialize the weights alike
        keras.utils.set_random_seed(recipe.config.seed)
    with group.scope():
        model = recipe.build(dataset, preprocessor, recipe.config.training.precision)
        model.set_weights(weights)
        return compiled(recipe, model, examples, boundaries)


def state(model: keras.Model) -> list[np.ndarray]:
    """The variables of a compiled model and of its optimizer."""
    variables = [*model.variables, *model.optimizer.variables]
    return [np.array(ops.convert_to_numpy(variable.value)) for variable in variables]


def assign(model: keras.Model, arrays: list[np.ndarray]) -> None:
    """Sets the variables of `state`."""
    variables = [*model.variables, *model.optimizer.variables]
    for variable, array in zip(variables, arrays, strict=True):
        variable.assign(array)


def fingerprint(recipe: Recipe, examples: TrainingExamples, boundaries: list[int]) -> str:
    """A digest of the lengths of all examples, and of the integers of the first batch."""
    settings = recipe.config.training
    first = plan_batches(examples.lengths, boundaries, settings.batch_size)[0]
    lengths = np.asarray(examples.lengths, "int64")
    arrays = [lengths, *keras.tree.flatten(examples.collate(first.indices, first.length))]
    integers = [array for array in map(np.asarray, arrays) if array.dtype.kind in "iub"]
    return hashlib.sha256(b"".join(array.tobytes() for array in integers)).hexdigest()
