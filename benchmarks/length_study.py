"""Accuracy of an encoder-decoder against the length of its input, with and without attention.

    python benchmarks/length_study.py -o docs/length_study.png

The model learns to reverse a string of random letters, once from the encoder's last state alone and
once with attention. A vector of fixed size limits what is remembered, so accuracy without attention
falls with length (Cho et al. 2014, "On the properties of neural machine translation"); attention
gives the decoder access to each letter (Bahdanau et al. 2015, figure 2). Strings longer than any in
training test how each generalises.

Prints and draws the share of letters that are right, by length, on unseen strings.
"""

import argparse
import os
import random
import time
from pathlib import Path

parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
)
parser.add_argument("--backend", choices=["tensorflow", "jax", "torch"], default="jax")
parser.add_argument("--attention", nargs="+", default=["none", "bahdanau"], metavar="NAME")
parser.add_argument("--examples", type=int, default=16_000, help="in training")
parser.add_argument("--epochs", type=int, default=10)
parser.add_argument("--units", type=int, default=64)
parser.add_argument("--longest", type=int, default=24, help="in training; tested up to 1.5 times")
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("-o", "--output", type=Path, metavar="FILE", help="where to draw (PNG)")

LETTERS = "abcdefghijklmnop"
COLORS = ("#7a8194", "#e07b12", "#274b8f", "#3a8f5c", "#8f274b", "#555555", "#b59f00", "#009fb5")


def strings(lengths, seed):
    """Returns a string of random letters of each length."""
    rng = random.Random(seed)
    return ["".join(rng.choices(LETTERS, k=length)) for length in lengths]


def share_right(true, predicted):
    """Returns the share of letters that are right at their position."""
    right = sum(
        a == b for t, w in zip(true, predicted, strict=True) for a, b in zip(t, w, strict=False)
    )
    return right / sum(map(len, true))


def draw(curves, longest, path):
    """Draws a line for each attention."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 3.2), dpi=130, layout="constrained")
    axes = figure.add_subplot()
    for (name, curve), color in zip(curves.items(), COLORS, strict=False):
        label = "no attention" if name == "none" else name
        axes.plot(list(curve), list(curve.values()), "o-", ms=3, color=color, label=label)
    axes.axvspan(longest + 0.5, max(curve), color="#f6f7f9")
    axes.text(longest + 1, 0.03, "longer than in training", fontsize=8, color="#7a8194")
    axes.set(xlabel="letters in the string", ylabel="letters right", ylim=(0, 1.02))
    axes.grid(color="#eceef2")
    axes.legend(frameon=False, fontsize=8, loc="lower left")
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, metadata={"Software": None})


def main():
    options = parser.parse_args()
    if options.longest < 4:
        parser.error("--longest must be at least 4")
    os.environ["KERAS_BACKEND"] = options.backend
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import keras
    from encoder_decoder import Characters, EncoderDecoder

    rng, longest = random.Random(options.seed), options.longest
    train = strings([rng.randint(2, longest) for _ in range(options.examples)], options.seed + 1)
    lengths = list(range(2, longest * 3 // 2 + 1, 2))
    test = strings([length for length in lengths for _ in range(100)], options.seed + 2)
    curves, seconds = {}, {}
    for name in options.attention:
        print(f"--- {name}", flush=True)
        keras.utils.set_random_seed(options.seed)
        size = lengths[-1] + 1
        model = EncoderDecoder(Characters([LETTERS]), name, options.units, size, size)
        start = time.time()
        model.train(train, [text[::-1] for text in train], options.epochs)
        seconds[name] = time.time() - start
        predicted = model.decode(test)
        curves[name] = {
            length: share_right(
                [text[::-1] for text in test[100 * i : 100 * (i + 1)]],
                predicted[100 * i : 100 * (i + 1)],
            )
            for i, length in enumerate(lengths)
        }
    print(f"\n{'letters':16}" + "".join(f"{length:6}" for length in lengths) + f"{'seconds':>9}")
    for name, curve in curves.items():
        cells = "".join(f"{share:6.0%}" for share in curve.values())
        print(f"{name:16}{cells}{seconds[name]:9.0f}")
    if options.output:
        draw(curves, longest, options.output)
        print(f"drawn: {options.output}")


if __name__ == "__main__":
    main()
