"""Trains small models on one device and on two, and tells how much their weights differ.

For the tests of `test_devices.py`: on JAX and TensorFlow in a process with two virtual devices, on
torch with two processes, or in each of two processes that a launcher has started.
"""

import json
import sys

import keras
import numpy as np

from recipes import sentiment, translation
from tests.small_recipe import SMALL
from zoo.training import resolve
from zoo.training.checkpoint import TrainerState
from zoo.training.compiling import compiled
from zoo.training.devices import launched
from zoo.training.display import Display
from zoo.training.loop import fit, plan_epoch
from zoo.training.parallel.group import Group, joined, training_group
from zoo.training.parallel.twin import Twin
from zoo.training.parallel.worker import follow

EPOCHS = 2
SGD = ["training.optimizer=sgd", "training.learning_rate=0.1", "training.clip_norm=0.5"]
COVERAGE = ["model.copy=true", "training.coverage=1"]
if keras.config.backend() == "tensorflow":  # which lacks the penalties of layers
    COVERAGE = []
TINY = [
    "tokenizer.algorithm=characters",
    "model.embedding_dim=6",
    "model.units=5",
    "training.buckets=1",
]
# Batches of 12, of which the last has 8 rows: its second half has fewer tokens than the first.
RUNS = {
    "classes": (
        sentiment.RECIPE,
        [
            *SMALL,
            "model.dropout=0",
            "model.pooled_dropout=0",
            "training.batch_size=12",
            "training.ema=0.9",
            "training.optimizer=adam",
            "training.r_drop=1",
            "training.class_weights={negative: 3}",
        ],
    ),
    "tokens": (
        translation.RECIPE,
        [
            *SGD,
            *TINY,
            "data.options={train: 44, dev: 4, test: 4}",
            "model.dropout=0",
            *COVERAGE,
            "training.batch_size=12",
            "training.accumulate=2",
        ],
    ),
}


def train(name, devices):
    """Trains a model; returns its weights before and after, and its metrics."""
    spec, changes = RUNS[name]
    config = resolve(spec, overrides=[*changes, f"training.devices={devices}"])
    recipe, dataset = spec.load()(config), config.data.load(config.seed)
    keras.utils.set_random_seed(1)
    model = recipe.build(dataset, recipe.prepare(dataset), "float32")
    before = model.get_weights()
    examples = recipe.examples(model, dataset.splits["train"], 0)
    progress = TrainerState(boundaries=[max(examples.lengths)])
    trained = compiled(recipe, model, examples, progress.boundaries)
    if devices == 1:
        epochs(config, progress, examples, lambda plan: fit(trained, *plan, None, Display(False)))
        return before, model.get_weights(), progress.sums
    with training_group(devices, type(recipe), type(config)) as group:
        group.send({"config": config.model_dump()})
        twin = Twin(group, recipe, dataset, model, examples, progress.boundaries)

        def run(plan):
            twin.begin(trained, progress)
            fit(twin.model, *plan, None, Display(False), group)
            twin.end(trained)

        epochs(config, progress, examples, run)
        twin.close()
    return before, model.get_weights(), progress.sums


def epochs(config, progress, examples, run):
    for progress.epoch in range(EPOCHS):
        progress.batch, progress.sums = 0, {}
        run((config, progress, examples, plan_epoch(config, progress, examples)))


def compare(names):
    """The differences between one device and two, of each run."""
    found = {}
    for name in names:
        start, one, sums = train(name, 1)
        _, two, shared = train(name, 2)
        found[name] = {
            "difference": difference(one, two),
            "change": difference(start, one),
            "metrics": [sums, shared],
        }
    return found


def difference(one, two):
    return max(float(np.abs(a - b).max()) for a, b in zip(one, two, strict=True))


def run(names):
    """The differences, or `None` in a process that follows another one."""
    place = launched()
    if place is None:
        return compare(names)
    with joined(place) as group:
        if group.rank == 0:
            return compare(names)
        (name,) = names
        spec, _ = RUNS[name]
        follow(group, spec.load(), spec.Config)
        group.leave()


def masks():
    """The outputs of a dropout of ones on each of two devices of TensorFlow."""
    import tensorflow as tf

    with Group(2).scope():
        drop, strategy = keras.layers.Dropout(0.5, seed=1), tf.distribute.get_strategy()
        outputs = strategy.run(lambda: drop(np.ones((4, 4), "float32"), training=True))
        return [it.numpy().tolist() for it in strategy.experimental_local_results(outputs)]


def main():
    dropped = None
    if keras.config.backend() == "tensorflow":
        import tensorflow as tf

        (cpu,) = tf.config.list_physical_devices("CPU")
        halves = [tf.config.LogicalDeviceConfiguration()] * 2
        tf.config.set_logical_device_configuration(cpu, halves)
        dropped = masks()
    print(json.dumps([run(sys.argv[1:]), dropped]))
