"""Times a training step on torch with torch's own dropout and with that of the recipes.

    python benchmarks/dropout.py

Both take turns in one process, on one core. Prints the median times of a step and their ratio, and
writes them to `benchmarks/results/dropout.json`.
"""

import argparse
import os
from contextlib import nullcontext

from timing import measure, one_core, write_results

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--rounds", type=int, default=10, help="timed steps of each contestant")
parser.add_argument("--batch", type=int, default=64)
parser.add_argument("--length", type=int, default=24, help="tokens of each text")
parser.add_argument("--units", type=int, default=128)
options = parser.parse_args()
os.environ["KERAS_BACKEND"] = "torch"
one_core()

import keras  # noqa: E402
import numpy as np  # noqa: E402

from zoo.models import Seq2SeqLMBackbone, TextClassifierBackbone  # noqa: E402
from zoo.training.torch_dropout import quick_dropout  # noqa: E402

VOCABULARY = 4000
SIZES = {"embedding_dim": options.units, "units": options.units, "dropout": 0.3}
MODELS = {
    "BiLSTM": lambda: TextClassifierBackbone(VOCABULARY, encoder="lstm", **SIZES),
    "Transformer encoder": lambda: TextClassifierBackbone(
        VOCABULARY, encoder="transformer", **SIZES
    ),
    "GRUs with Bahdanau attention": lambda: Seq2SeqLMBackbone(
        VOCABULARY, attention="bahdanau", **SIZES
    ),
    "Transformer": lambda: Seq2SeqLMBackbone(
        VOCABULARY, attention="transformer", num_layers=4, **SIZES
    ),
}


def trainer(make):
    """Returns a function that trains one step on random inputs, and takes the dropout's context."""
    backbone = make()
    states = backbone.output
    if isinstance(states, dict):
        states = states["decoder_sequence_output"]
    model = keras.Model(backbone.input, keras.ops.mean(states, axis=1))
    model.compile("adam", "mse", jit_compile=False)
    random = np.random.default_rng(0)
    shape = options.batch, options.length

    def values(tensor):
        if tensor.dtype == "bool":
            return np.ones(shape, "bool")
        return random.integers(1, VOCABULARY, shape).astype("int32")

    x = keras.tree.map_structure(values, backbone.input)
    y = np.zeros((options.batch, *model.output.shape[1:]), "float32")

    def step(context):
        with context():
            model.train_on_batch(x, y)

    return step


def main():
    rows = []
    print(f"{'model':34}{'torch ms':>9}{'ms':>8}{'ratio':>8}")
    for name, make in MODELS.items():
        step = trainer(make)
        contestants = {
            "torch's dropout": lambda step=step: step(nullcontext),
            "quick dropout": lambda step=step: step(quick_dropout),
        }
        row = {"model": name, "dropout": SIZES["dropout"]}
        row |= measure(contestants, options.rounds, options.batch, "examples")
        plain, quick = (it["seconds"] for it in row["contestants"].values())
        print(f"{name:34}{plain * 1e3:9.0f}{quick * 1e3:8.0f}{quick / plain:8.2f}", flush=True)
        rows.append(row)
    write_results("dropout", rows, ("torch",))


if __name__ == "__main__":
    main()
