"""A run killed within an epoch and resumed ends like an uninterrupted run."""

import subprocess
import sys

import keras
import numpy as np
import pytest

from recipes import sentiment
from tests.small_recipe import SMALL
from zoo.training import run as run_recipe
from zoo.training.checkpoint import Checkpoint

OVERRIDES = [
    *SMALL,
    "training.epochs=3",  # of 13 batches each
    "training.checkpoint_every=5",
    "training.ema=0.9",
    "training.average_last=3",
    "training.schedule=cosine",
    "tokenizer.sampling=0.2",
    "model.word_vectors=tiny",
    "model.freeze_vectors=2",
]
KILLED_AT = 18  # in the second epoch, after the checkpoint of step 15

KILLED = f"""
from zoo.cli.backend import others_hidden
with others_hidden():  # whose import takes seconds
    import keras_hub
import os, signal
from recipes.sentiment import RECIPE
from zoo.training import loop, run
count = loop._Steps.on_train_batch_end
def count_and_kill(self, batch, logs=None):
    count(self, batch, logs)
    if self.progress.step == {KILLED_AT}:
        os.kill(os.getpid(), signal.SIGKILL)
loop._Steps.on_train_batch_end = count_and_kill
run(RECIPE, "quickstart", {OVERRIDES})
"""


def arrays(path):
    with np.load(path, allow_pickle=False) as file:
        return {name: array for name, array in file.items() if name != "progress"}


@pytest.mark.once
def test_killed_run_is_resumed_exactly(client, home, tmp_path, monkeypatch):
    (tmp_path / "tiny.txt").write_text("the 1 0.5\ngood 0.3 -1\nwas -0.7 0.2\n")
    monkeypatch.setenv("ZOO_VECTORS", str(tmp_path))
    monkeypatch.setattr(Checkpoint, "remove", lambda self: None)  # keeps the last state
    whole = run_recipe(sentiment.RECIPE, "quickstart", OVERRIDES).run_id

    killed = subprocess.run([sys.executable, "-c", KILLED], capture_output=True, text=True)
    assert killed.returncode == -9, killed.stderr
    (cut,) = {path.name for path in (home / "checkpoints").iterdir()} - {whole}
    assert Checkpoint(cut).progress().step == 15 and Checkpoint(cut).progress().batch == 2
    run_recipe(sentiment.RECIPE, "quickstart", resume=cut)

    # TensorFlow may sum in another order in another process.
    exact = keras.config.backend() != "tensorflow"
    epochs = [f"epoch-0000{epoch}.npz" for epoch in (1, 2, 3)]
    for file in ("state.npz", "best.npz", *epochs):
        one, other = (arrays(home / "checkpoints" / run_id / file) for run_id in (whole, cut))
        assert one.keys() == other.keys() and len(one) > 10
        for name in one:
            np.testing.assert_allclose(
                one[name], other[name], rtol=0, atol=0 if exact else 1e-6, err_msg=name
            )
    for metric in ("train/loss", "dev/loss", "average/loss", "progress/learning_rate"):
        one, other = (
            [(point.step, point.value) for point in client.get_metric_history(run_id, metric)]
            for run_id in (whole, cut)
        )
        for (step, value), (other_step, other_value) in zip(one, other, strict=True):
            assert step == other_step and value == pytest.approx(other_value, abs=1e-6)
