"""Training on several devices: the same weights as on one."""

import json
import os
import signal
import socket
import subprocess
import sys

import keras
import numpy as np
import psutil
import pytest

from recipes import language_modeling, sentiment, translation
from tests.small_recipe import SMALL
from tests.training import two_devices
from zoo.data.planning import part_of, plan_batches
from zoo.layers import LinearChainCRF, SpecAugment
from zoo.training import loop, resolve
from zoo.training import run as run_recipe
from zoo.training.checkpoint import Checkpoint, CheckpointError
from zoo.training.config import ConfigError
from zoo.training.devices import count_devices, launched
from zoo.training.losses import TokenCrossentropy
from zoo.training.optimizer import compile_model
from zoo.training.parallel import reduction
from zoo.training.sweep import sweep

BACKEND = keras.config.backend()
PROGRAM = """
from zoo.cli.backend import others_hidden
with others_hidden():  # whose import takes seconds
    import keras_hub
from tests.training import two_devices
print("ready", flush=True)
two_devices.main()
"""
COMMAND = [sys.executable, "-c", PROGRAM]
LIMIT = 480  # seconds, after which processes that wait for each other are killed
QUIET = {"OMP_NUM_THREADS": "1", "JAX_PLATFORMS": "cpu", "TF_CPP_MIN_LOG_LEVEL": "3"}


def check(found, names):
    """Checks the differences that `two_devices` finds."""
    assert list(found) == names
    for run in found.values():
        assert run["difference"] < 1e-5 and run["change"] > 1e-3
        one, two = run["metrics"]
        assert two == pytest.approx(one, rel=1e-4)


@pytest.mark.slow
def test_two_devices_end_in_the_weights_of_one():
    if BACKEND == "torch":  # where a training starts the other process
        check(two_devices.compare(["classes"]), ["classes"])
        return
    flags = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count=2"
    # On JAX and torch, tokens are trained in two processes below.
    names = ["classes", "tokens"] if BACKEND == "tensorflow" else ["classes"]
    result = subprocess.run(
        [*COMMAND, *names],
        env=os.environ | QUIET | {"XLA_FLAGS": flags},
        capture_output=True,
        text=True,
        timeout=LIMIT,
    )
    assert result.returncode == 0, result.stderr
    found, masks = json.loads(result.stdout.splitlines()[-1])
    check(found, names)
    if BACKEND == "tensorflow":  # of torch, see below
        one, other = masks
        assert one != other and {0.0, 2.0} == {*sum(one + other, [])}


@pytest.mark.slow
@pytest.mark.skipif(BACKEND == "tensorflow", reason="TensorFlow trains on one machine")
def test_two_processes_end_in_the_weights_of_one(monkeypatch, tmp_path):
    # Bound without listening until the end: no one else is given this port, and the first process,
    # which reuses addresses as all servers do, can listen at it.
    reserved = socket.socket()
    reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    reserved.bind(("127.0.0.1", 0))
    port = reserved.getsockname()[1]
    places = []
    for rank in ("0", "1"):
        place = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": "2"}
        place |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
        if BACKEND == "jax":
            place = {"NUM_PROCESSES": "2", "PROCESS_ID": rank}
            place |= {"JOB_ADDRESSES": f"127.0.0.1:{port}"}
            place = {f"KERAS_DISTRIBUTION_{name}": place[name] for name in place}
        places.append(place)
    own = places.pop(0) if BACKEND == "torch" else {}  # JAX joins before its first computation
    messages = tmp_path / "messages.txt"  # which no one reads before the end
    with messages.open("w") as file:
        processes = [
            subprocess.Popen(
                [*COMMAND, "tokens"],
                env=os.environ | QUIET | place,
                stdout=subprocess.PIPE,
                stderr=file,
                text=True,
            )
            for place in places
        ]
    try:
        if own:
            for name, value in own.items():
                monkeypatch.setenv(name, value)
            assert processes[0].stdout.readline() == "ready\n", messages.read_text()
            check(two_devices.run(["tokens"]), ["tokens"])
        outputs = [process.communicate(timeout=LIMIT)[0] for process in processes]
    finally:
        for process in processes:
            process.kill()
        reserved.close()
    assert not any(process.returncode for process in processes), messages.read_text()
    if not own:
        check(json.loads(outputs[0].splitlines()[-1])[0], ["tokens"])


@pytest.mark.skipif(BACKEND != "torch", reason="of TensorFlow above; those of JAX are of a batch")
def test_processes_drop_different_places():
    from zoo.training.parallel.torch_processes import TorchGroup

    masks = []
    for rank in (0, 1, 1):
        group = TorchGroup.__new__(TorchGroup)  # which would wait for the others
        group.rank = rank
        with group.scope():
            drop = keras.layers.Dropout(0.5, seed=1)
            masks.append(drop(np.ones((4, 4), "float32"), training=True).tolist())
    assert masks[0] != masks[1] == masks[2]


class _Killed:
    """A recipe whose process is killed."""

    def __init__(self, config):
        os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.skipif(BACKEND != "torch", reason="only torch starts processes")
def test_a_process_that_is_killed_ends_the_run():
    from zoo.training.parallel.group import WorkerError, training_group

    config = resolve(sentiment.RECIPE, overrides=SMALL)
    before = listening()
    with pytest.raises(WorkerError, match="process 1 of 2, which was killed by signal 9"):  # noqa: SIM117
        with training_group(2, _Killed, type(config)) as group:
            assert {address.ip for address in listening() - before} == {"127.0.0.1"}
            for _ in range(3):
                group.send({"config": config.model_dump()})
    assert "GLOO_SOCKET_IFNAME" not in os.environ


def listening():
    """The addresses at which this process and its children listen."""
    here = psutil.Process()
    return {
        connection.laddr
        for process in (here, *here.children(recursive=True))
        for connection in process.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    }


@pytest.mark.skipif(BACKEND != "torch", reason="only torch starts processes")
def test_a_recipe_that_other_processes_cannot_import():
    from zoo.training.parallel.group import training_group

    class Inner:
        pass

    with pytest.raises(ValueError, match=r"Received: .*test_devices\..*<locals>\.Inner"):  # noqa: SIM117
        with training_group(2, Inner, sentiment.RECIPE.Config):
            pass


@pytest.mark.skipif(BACKEND != "torch", reason="torch has a process for each device")
def test_processes_draw_masks_of_their_own():
    def masks(rank):
        with group_of(rank).scope():
            layer = SpecAugment(4, 0.5, seed=1)
            return layer(np.ones((4, 16, 8)), np.ones((4, 16), "bool"), training=True).tolist()

    assert masks(0) == masks(0) != masks(1)


def group_of(rank):
    """A group without connections, which counts its messages."""
    from zoo.training.parallel.torch_processes import TorchGroup

    class Alone(TorchGroup):
        def __init__(self):
            self.rank, self.messages = rank, 0

        def mean(self, tensors):
            self.messages += 1
            return tensors

    return Alone()


@pytest.mark.skipif(BACKEND != "torch", reason="torch has a process for each device")
@pytest.mark.parametrize("precision", ["float32", "mixed_float16"])
def test_a_step_sends_its_gradients_once(precision):
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    settings = resolve(sentiment.RECIPE, overrides=[f"training.precision={precision}"]).training
    compile_model(model, settings, 2, loss="mse")
    group = group_of(0)
    before = model.get_weights()
    with group.scope():
        for _ in range(2):
            model.optimizer.apply([keras.ops.ones_like(it) for it in model.trainable_variables])
    assert group.messages == 2
    assert np.abs(model.get_weights()[0] - before[0]).min() > 0


@pytest.mark.once
def test_a_mean_is_divided_by_the_weights_of_the_whole_batch(monkeypatch):
    def value(loss, weights, mean):
        monkeypatch.setattr(reduction, "mean_over_devices", lambda _: mean)
        logits, truth = np.zeros((2, 3, 4), "float32"), np.zeros((2, 3), "int32")
        logits = keras.ops.convert_to_tensor(logits)
        logits._keras_mask = keras.ops.ones((2, 3), "bool")
        return float(reduction.LossOfAll(loss)(truth, logits, np.asarray(weights, "float32")))

    tokens = [[1, 1, 0], [1, 0, 0]]  # 3 of this device; the other one has 5
    assert value(TokenCrossentropy(), tokens, 4.0) == pytest.approx(3 / 4 * np.log(4))
    crf = LinearChainCRF(4)
    crf.build((2, 3, 4))
    # A mean over rows, of which each device has as many.
    assert value(crf.loss, [1, 1], 4.0) == value(crf.loss, [1, 1], 5.0) > 0


@pytest.mark.once
def test_batches_are_multiples_of_the_devices():
    plan = plan_batches([3, 3, 3, 9, 9, 100], [8, 16, 104], 6, multiple=4)
    assert {len(batch.indices) for batch in plan} == {4}
    assert sum(batch.num_real for batch in plan) == 6
    plan = plan_batches([100] * 5, [104], 6, batch_tokens=110, multiple=2)
    assert [len(batch.indices) for batch in plan] == [2, 2, 2]
    (batch,) = plan_batches([3] * 3, [8], 6)
    parts = [part_of(batch, number, 3) for number in range(3)]
    assert [part.indices.tolist() for part in parts] == [[0, 1], [2, 0], [1, 2]]
    assert [part.num_real for part in parts] == [2, 1, 0]


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
    manifest.config["training"]["devices"] = 512
    manifest.config["training"]["batch_size"] = 512
    checkpoint.write_manifest(manifest)
    with pytest.raises(CheckpointError, match="planned for the 512 devices it started on.*resume="):
        run_recipe(sentiment.RECIPE, "quickstart", resume=folder.name)


def test_mistakes(run):
    with pytest.raises(ConfigError, match="set batch_size to a multiple of devices"):
        run("training.devices=3")
    many = 1024
    with pytest.raises(ValueError, match=f"Received: training.devices={many}"):
        count_devices(many)
    assert count_devices(1) == 1 and count_devices("auto") >= 1


@pytest.mark.once
def test_settings_that_several_devices_cannot_share():
    def undivided(spec, backend, *changes):
        return spec.load()(resolve(spec, overrides=changes)).undivided(backend)

    assert undivided(sentiment.RECIPE, "tensorflow") is None
    assert undivided(sentiment.RECIPE, "torch", "training.jit=true") == "training.jit"
    assert undivided(sentiment.RECIPE, "jax", "training.jit=true") is None
    copying = ("model.copy=true", "training.coverage=1")
    assert undivided(translation.RECIPE, "tensorflow", *copying) == "training.coverage"
    assert undivided(translation.RECIPE, "torch", *copying) is None
    assert "carried" in undivided(language_modeling.RECIPE, "torch")
    assert undivided(language_modeling.RECIPE, "jax") is None


@pytest.mark.once
def test_mistakes_of_a_launcher(run, monkeypatch):
    assert launched() is None
    monkeypatch.setenv("KERAS_DISTRIBUTION_NUM_PROCESSES", "2")
    with pytest.raises(ValueError, match="KERAS_DISTRIBUTION_PROCESS_ID, its own number from 0"):
        launched()
    monkeypatch.setenv("KERAS_DISTRIBUTION_JOB_ADDRESSES", "127.0.0.1:1,127.0.0.1:2")
    monkeypatch.setenv("KERAS_DISTRIBUTION_PROCESS_ID", "1")
    assert launched().address == "127.0.0.1:1"
    with pytest.raises(ValueError, match="starts processes for jax: choose --backend jax"):
        run("training.devices=2")
    with pytest.raises(ConfigError, match="start a sweep as one process.*Received: 2 processes"):
        sweep(sentiment.RECIPE, "quickstart", ["model.units=3,4"])
    for name, value in {"RANK": "1", "WORLD_SIZE": "3"}.items():
        monkeypatch.setenv(name, value)
    assert (launched().backend, launched().rank, launched().size) == ("torch", 1, 3)
    with pytest.raises(ValueError, match="3 processes .* set training.devices=auto"):
        count_devices(2)
    assert count_devices(3) == count_devices("auto") == 3


@pytest.mark.skipif(BACKEND != "torch", reason="torchrun is for torch")
def test_a_first_process_that_is_not_there(run, monkeypatch):
    from zoo.training.parallel import torch_processes

    monkeypatch.setattr(torch_processes, "JOIN_SECONDS", 1)
    place = {"RANK": "1", "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "9"}
    for name, value in place.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(RuntimeError, match="did not meet within 1 seconds.*process 1 at 127.0.0.1"):
        run("training.devices=2")
