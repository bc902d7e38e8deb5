"""Trains small models on one device and on two, and prints how much their weights differ.

A program, for the tests of `test_devices.py`: on JAX and TensorFlow with two virtual devices, on
torch with two processes, or in each of two processes that a launcher has started.
"""

import json
import sys
import tempfile
from pathlib import Path

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
from zoo.training.parallel.group import joined, training_group
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
    "dropout": (translation.RECIPE, [*SGD, *TINY, "model.dropout=0.5"]),
}


def train(name, devices, *more):
    """Trains a model; returns its weights before and after, and its metrics."""
    spec, changes = RUNS[name]
    config = resolve(spec, overrides=[*changes, *more, f"training.devices={devices}"])
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


def main(names):
    found = {}
    for name in names:
        with tempfile.TemporaryDirectory() as folder:
            start, one, sums = train(name, 1, *same_rows(name, folder, 6))
            _, two, shared = train(name, 2, *same_rows(name, folder, 12))
        found[name] = {
            "difference": difference(one, two),
            "change": difference(start, one),
            "metrics": [sums, shared],
        }
    print(json.dumps(found))


def same_rows(name, folder, count):
    """Settings of a batch whose rows are all the same.

    Twice the rows on two devices train as one device does, if both devices drop the same.
    """
    if name != "dropout":
        return []
    train, dev = (Path(folder) / f"{split}.tsv" for split in ("train", "dev"))
    train.write_text("source\ttarget\n" + "a word\ta word\n" * 2 * count)
    dev.write_text("source\ttarget\nwords\twords\n")
    return [f"data.train={train}", f"data.dev={dev}", f"training.batch_size={count}"]


def difference(one, two):
    return max(float(np.abs(a - b).max()) for a, b in zip(one, two, strict=True))


if __name__ == "__main__":
    if keras.config.backend() == "tensorflow":
        import tensorflow as tf

        (cpu,) = tf.config.list_physical_devices("CPU")
        halves = [tf.config.LogicalDeviceConfiguration()] * 2
        tf.config.set_logical_device_configuration(cpu, halves)
    place = launched()
    if place is None:
        main(sys.argv[1:])
    else:
        (name,) = sys.argv[1:]
        with joined(place) as group:
            if group.rank == 0:
                main([name])
            else:
                spec, _ = RUNS[name]
                follow(group, spec.load(), spec.Config)
                group.leave()
