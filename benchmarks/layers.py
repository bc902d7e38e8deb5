"""Times a training step of `RecurrentEncoder` against native torch and Keras' own masked layers.

    python benchmarks/layers.py --backend torch

All contestants take turns in one process, on one core. Prints the median time of a step and its
ratio to native torch, which runs without padding, and writes them to
`benchmarks/results/layers_BACKEND.json`. On TensorFlow and JAX the step is compiled.
"""

import argparse
import os

from timing import measure, one_core, write_results

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--backend", choices=["tensorflow", "jax", "torch"], default="torch")
parser.add_argument("--rounds", type=int, default=10, help="timed steps of each contestant")
parser.add_argument("--batch", type=int, default=64)
parser.add_argument("--units", type=int, default=256)
options = parser.parse_args()
os.environ["KERAS_BACKEND"] = options.backend
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
one_core()

import keras  # noqa: E402
import numpy as np  # noqa: E402

from zoo.choices import CELLS  # noqa: E402
from zoo.layers import RecurrentEncoder  # noqa: E402


def keras_step(cell, steps, bidirectional, stock):
    """Returns a function that trains one step of a Keras model on a right-padded batch."""
    inputs = keras.Input((steps, options.units))
    mask = keras.Input((steps,), dtype="bool")
    if stock:
        layer = CELLS[cell](options.units, return_sequences=True)
        layer = keras.layers.Bidirectional(layer) if bidirectional else layer
        states = layer(inputs, mask=mask)
    else:
        encoder = RecurrentEncoder(cell, options.units, bidirectional=bidirectional)
        states = encoder(inputs, padding_mask=mask)
    model = keras.Model([inputs, mask], keras.layers.GlobalMaxPooling1D()(states))
    model.compile("sgd", "mse", jit_compile=options.backend != "torch")
    random = np.random.default_rng(0)
    x = random.normal(size=(options.batch, steps, options.units)).astype("float32")
    lengths = random.integers(steps // 2, steps + 1, size=options.batch)
    y = np.zeros((options.batch, model.output.shape[-1]), "float32")
    batch = [x, np.arange(steps)[None, :] < lengths[:, None]]
    return lambda: model.train_on_batch(batch, y)


def torch_step(cell, steps, bidirectional):
    """Returns a function that trains one step with `torch.nn`, without padding."""
    import torch

    kind = {"lstm": torch.nn.LSTM, "gru": torch.nn.GRU, "simple_rnn": torch.nn.RNN}[cell]
    layer = kind(options.units, options.units, batch_first=True, bidirectional=bidirectional)
    optimizer = torch.optim.SGD(layer.parameters(), 0.01)
    x = torch.randn(options.batch, steps, options.units)

    def step():
        optimizer.zero_grad()
        layer(x)[0].amax(1).square().mean().backward()
        optimizer.step()

    return step


def main():
    rows = []
    print(f"{'cell':12}{'steps':>6}{'ways':>6}  {'contestant':14}{'ms':>9}{'ratio':>8}")
    for cell, steps, both in [
        ("lstm", 30, False),
        ("lstm", 30, True),
        ("lstm", 200, False),
        ("gru", 30, False),
        ("gru", 200, False),
        ("gru", 200, True),
    ]:
        contestants = {"native torch": torch_step(cell, steps, both)}
        contestants["stock Keras"] = keras_step(cell, steps, both, stock=True)
        contestants["zoo"] = keras_step(cell, steps, both, stock=False)
        case = {"cell": cell, "steps": steps, "bidirectional": both}
        row = case | measure(contestants, options.rounds, options.batch, "sequences")
        for name, found in row["contestants"].items():
            shown = f"{cell:12}{steps:6}{2 if both else 1:6}  {name:14}"
            print(f"{shown}{found['seconds'] * 1e3:9.1f}{1 / found['ratio']:8.2f}", flush=True)
        rows.append(row)
    write_results(f"layers_{options.backend}", rows, ("torch", options.backend))


if __name__ == "__main__":
    main()
