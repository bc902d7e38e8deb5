"""Norm of the gradient through a recurrent network, by the distance it travels.

    python benchmarks/gradient_flow.py -o docs/gradient_flow.png

A random direction of the last state is differentiated by the input of each earlier step. In a
SimpleRNN each step multiplies the gradient by one matrix and one slope, so it vanishes
exponentially (Hochreiter 1991; Bengio et al. 1994). In an LSTM or a GRU a gate scales the state at
each step (Hochreiter and Schmidhuber 1997; Gers et al. 2000). The share lost per step is a half
where the gate's bias is 0, as in a new GRU of Keras; a quarter where it is 1, as in its LSTM; a
hundredth where it is log(100), the initialisation for memories of a hundred steps ("chrono",
Tallec and Ollivier 2018). Training may move the bias there; a SimpleRNN has no gate.

Prints the norms relative to that of the last step, and draws them on a logarithmic scale.
"""

import argparse
import math
import os
from pathlib import Path

parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
)
parser.add_argument("--backend", choices=["tensorflow", "jax", "torch"], default="torch")
parser.add_argument("--steps", type=int, default=100, help="longest distance (default: 100)")
parser.add_argument("--units", type=int, default=64)
parser.add_argument("--batch", type=int, default=64, help="sequences to average (default: 64)")
parser.add_argument("--seed", type=int, default=1)
parser.add_argument("-o", "--output", type=Path, metavar="FILE", help="where to draw (PNG)")

# Cell, bias of the gate that keeps the state, colour, line.
CASES = {
    "SimpleRNN": ("simple_rnn", None, "#7a8194", "-"),
    "GRU, gate bias 0 (Keras)": ("gru", 0.0, "#274b8f", ":"),
    "LSTM, gate bias 1 (Keras)": ("lstm", 1.0, "#e07b12", ":"),
    "GRU, gate bias log(100)": ("gru", math.log(100), "#274b8f", "-"),
    "LSTM, gate bias log(100)": ("lstm", math.log(100), "#e07b12", "-"),
}


def gradient_norms(cell, gate_bias, options):
    """Returns the mean norm of the gradient by the input at each distance from the last step."""
    import keras
    import numpy as np
    from keras import ops

    from zoo.layers import RecurrentEncoder

    class Shift(keras.layers.Layer):
        """Adds a weight to its input; one step of SGD changes the weight by the gradient."""

        def build(self, shape):
            self.shift = self.add_weight(shape, initializer="zeros", name="shift")

        def call(self, inputs):
            return inputs + self.shift

    keras.utils.set_random_seed(options.seed)
    rng = np.random.default_rng(options.seed)
    units, shape = options.units, (options.batch, options.steps + 1, options.units)
    encoder = RecurrentEncoder(cell, units)
    encoder.build(shape)
    if gate_bias is not None:
        bias = np.zeros(encoder.stack[0][0].cell.bias.shape, "float32")
        kept = slice(units, 2 * units) if cell == "lstm" else (0, slice(0, units))  # f; z
        bias[kept] = gate_bias
        encoder.stack[0][0].cell.bias.assign(bias)
    encoder.trainable = False
    shift = Shift()
    inputs = keras.Input(batch_shape=shape)
    model = keras.Model(inputs, encoder(shift(inputs))[:, -1])
    model.compile(keras.optimizers.SGD(1.0), lambda direction, state: -ops.sum(direction * state))
    direction = rng.normal(size=(options.batch, units)).astype("float32")
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    model.train_on_batch(rng.normal(size=shape).astype("float32"), direction)
    gradient = ops.convert_to_numpy(shift.shift)  # [batch, step, units]
    return np.linalg.norm(gradient, axis=-1).mean(axis=0)[::-1]


def draw(flows, path):
    """Draws a line for each case, the gradient on a logarithmic scale."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 3.6), dpi=130, layout="constrained")
    axes = figure.add_subplot()
    for name, flow in flows.items():
        _, _, color, line = CASES[name]
        axes.semilogy(flow / flow[0], line, color=color, label=name)
    axes.set(xlabel="steps before the last", ylabel="gradient, relative", ylim=(1e-12, 20))
    axes.grid(color="#eceef2")
    axes.legend(frameon=False, fontsize=8, loc="lower left")
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, metadata={"Software": None})


def main():
    options = parser.parse_args()
    if min(options.steps, options.units, options.batch) < 1:
        parser.error("--steps, --units and --batch must be at least 1")
    os.environ["KERAS_BACKEND"] = options.backend
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    flows = {name: gradient_norms(cell, bias, options) for name, (cell, bias, *_) in CASES.items()}
    distances = [d for d in (1, 5, 10, 20, 50, 100, 200, 500) if d <= options.steps]
    print(f"{'steps before the last':28}" + "".join(f"{d:>10}" for d in distances))
    for name, flow in flows.items():
        print(f"{name:28}" + "".join(f"{flow[d] / flow[0]:10.1e}" for d in distances))
    if options.output:
        draw(flows, options.output)
        print(f"drawn: {options.output}")


if __name__ == "__main__":
    main()
