"""Training on several devices: the same weights as on one."""

import json
import os
import subprocess
import sys

import keras
import pytest

from recipes import sentiment
from zoo.data.planning import plan_batches
from zoo.training import loop
from zoo.training import run as run_recipe
from zoo.training.checkpoint import Checkpoint, CheckpointError
from zoo.training.config import ConfigError
from zoo.training.devices import count_devices, data_parallel

# Trains small models on one and on two virtual devices of a CPU, and prints what differs.
TWO_DEVICES = """
import json
import jax, keras, numpy as np
from recipes import language_modeling, sentiment
from tests.small_recipe import SMALL
from zoo.data.batches import Batches
from zoo.data.planning import plan_batches
from zoo.training import resolve
from zoo.training.devices import count_devices, data_parallel
from zoo.training.optimizer import compile_model

def train(spec, changes, devices):
    config = resolve(spec, overrides=[*changes, f"training.devices={devices}"])
    recipe, dataset = spec.load()(config), config.data.load(1)
    settings = config.training
    keras.utils.set_random_seed(1)
    with data_parallel(count_devices(settings.devices)):
        model = recipe.build(dataset, recipe.prepare(dataset), "float32")
        before = model.get_weights()
        examples = recipe.examples(model, dataset.splits["train"], 0)
        trained = recipe.training_model(model)
        compile_model(trained, settings, 10, **recipe.compile_options(model))
        plan = plan_batches(
            examples.lengths, [max(examples.lengths)], settings.batch_size, multiple=int(devices)
        )[:6]
        keras.Model.fit(trained, Batches(plan, examples.collate), verbose=0)
        after = model.get_weights()
    return before, after

assert len(jax.devices()) == 2
found = {}
sgd = ["training.optimizer=sgd", "training.learning_rate=0.1"]
for spec, changes in (
    (sentiment.RECIPE, [*SMALL, *sgd]),
    (language_modeling.RECIPE, ["data.options={train: 200, dev: 20, test: 20}", "model.units=8",
                                "training.batch_size=4", *sgd]),
):
    (start, one), (_, two) = (train(spec, changes, devices) for devices in (1, 2))
    found[spec.name] = [max(float(np.abs(a - b).max()) for a, b in zip(x, y, strict=True))
                        for x, y in ((one, two), (start, one))]
print(json.dumps(found))
"""


@pytest.mark.slow
@pytest.mark.skipif(keras.config.backend() != "jax", reason="several devices need JAX")
def test_two_devices_end_in_the_weights_of_one():
    flags = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count=2"
    result = subprocess.run(
        [sys.executable, "-c", TWO_DEVICES],
        env=os.environ | {"XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu"},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    found = json.loads(result.stdout.splitlines()[-1])
    assert found.keys() == {"sentiment", "language_modeling"}
    for difference, change in found.values():
        assert difference < 1e-5 and change > 1e-3


@pytest.mark.once
def test_batches_are_multiples_of_the_devices():
    plan = plan_batches([3, 3, 3, 9, 9, 100], [8, 16, 104], 6, multiple=4)
    assert {len(batch.indices) for batch in plan} == {4}
    assert sum(batch.num_real for batch in plan) == 6
    plan = plan_batches([100] * 5, [104], 6, batch_tokens=110, multiple=2)
    assert [len(batch.indices) for batch in plan] == [2, 2, 2]


@pytest.mark.once
def test_a_run_is_resumed_on_as_many_devices(run, client, home, monkeypatch):
    def stop(self, batch, logs=None):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(loop._Steps, "on_epoch_end", stop)
        run("training.devices=auto", "training.checkpoint_every=1")
    (folder,) = (home / "checkpoints").iterdir()
    checkpoint = Checkpoint(folder.name)
    manifest = checkpoint.read_manifest()
    assert manifest.config["training"]["devices"] == count_devices("auto")
    logged = client.get_run(folder.name).data.params["training.devices"]
    assert logged == str(count_devices("auto"))
    manifest.config["training"]["devices"] = 16
    checkpoint.write_manifest(manifest)
    with pytest.raises(CheckpointError, match="planned for the 16 devices it started on.*resume="):
        run_recipe(sentiment.RECIPE, "quickstart", resume=folder.name)


def test_mistakes(run):
    with pytest.raises(ConfigError, match="set batch_size to a multiple of devices"):
        run("training.devices=3")
    many = 1024
    with pytest.raises(ValueError, match=f"Received: training.devices={many}"):
        count_devices(many)
    assert count_devices(1) == 1 and count_devices("auto") >= 1
    with data_parallel(1):
        assert keras.distribution.distribution() is None
