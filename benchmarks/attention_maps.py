"""Trains a small encoder-decoder on dates with every attention, and draws the weights of each.

    python benchmarks/attention_maps.py --backend jax -o docs/attention

The model turns "Saturday, March 12, 2022" into "2022-03-12" character by character. Prints the
share of 500 unseen dates that are right, and the training time; draws the attention weights of one
date, a row for each target character and a column for each source character. These are the
pictures in zoo/layers/README.md. Writes the shares to
`benchmarks/results/attention_maps_BACKEND.json`.
"""

import argparse
import datetime
import os
import random
import time
from pathlib import Path

from timing import write_results

parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
)
parser.add_argument("names", nargs="*", metavar="ATTENTION", help="which (default: all)")
parser.add_argument("--backend", choices=["tensorflow", "jax", "torch"], default="jax")
parser.add_argument("--epochs", type=int, default=12, help="over 16,000 dates (default: 12)")
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("-o", "--output", type=Path, metavar="FOLDER", default=Path("."))

DATE = datetime.date(2022, 3, 12)
# Half width of the window of local attention, in characters.
WINDOW = 3


def spelled(date, style):
    """Returns a date in one of three English styles."""
    return date.strftime(("%A, %B {d}, %Y", "{d} %B %Y", "%b {d}, %Y")[style]).format(d=date.day)


def dates(count, seed):
    """Returns random dates in English styles, and the same in ISO form."""
    rng = random.Random(seed)
    first, last = datetime.date(1900, 1, 1).toordinal(), datetime.date(2099, 12, 31).toordinal()
    days = [datetime.date.fromordinal(rng.randint(first, last)) for _ in range(count)]
    return [spelled(day, rng.randrange(3)) for day in days], [day.isoformat() for day in days]


def draw(source, target, weights, path):
    """Draws a heat map, a row for each character of the target."""
    from matplotlib.figure import Figure

    from zoo.explain.drawing import FAINT, INK, PAPER_TO_MARKER

    rows, columns = weights.shape
    figure = Figure(figsize=(0.16 * columns + 0.4, 0.16 * rows + 0.35), dpi=150, facecolor="white")
    axes = figure.add_axes((0.06, 0.02, 0.93, 0.86))
    axes.imshow(weights, cmap=PAPER_TO_MARKER, vmin=0, vmax=1, aspect="auto")
    style = {"fontsize": 8, "color": INK, "family": "DejaVu Sans Mono"}
    axes.set_xticks(range(columns), [*source.replace(" ", "␣"), "∎"], **style)
    axes.set_yticks(range(rows), [*target, "∎"], **style)
    axes.xaxis.tick_top()
    axes.tick_params(length=0, pad=2)
    axes.set_xticks([x - 0.5 for x in range(1, columns)], minor=True)
    axes.set_yticks([y - 0.5 for y in range(1, rows)], minor=True)
    axes.grid(which="minor", color="white", linewidth=0.6)
    axes.tick_params(which="minor", length=0)
    for spine in axes.spines.values():
        spine.set(color=FAINT, linewidth=0.4)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, metadata={"Software": None})


def main():
    options = parser.parse_args()
    os.environ["KERAS_BACKEND"] = options.backend
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import keras
    from encoder_decoder import Characters, EncoderDecoder

    from zoo.choices import ATTENTIONS
    from zoo.layers import LuongLocalAttention

    local = {"luong_local": "predictive", "luong_local_monotonic": "monotonic"}
    unknown = set(options.names) - {*ATTENTIONS, *local}
    if unknown:
        parser.error(f"ATTENTION is one of {', '.join([*ATTENTIONS, *local])}. Received: {unknown}")
    train, test = dates(16_000, options.seed + 1), dates(500, options.seed + 2)
    example = spelled(DATE, 0)
    longest = max(map(len, [*train[0], *test[0], example])) + 1
    results = []
    for name in options.names or ATTENTIONS:
        attention = name
        if name in local:
            attention = LuongLocalAttention(WINDOW, local[name], units=64)
        keras.utils.set_random_seed(options.seed)
        model = EncoderDecoder(Characters(train[0] + train[1]), attention, 64, longest, 11)
        print(f"--- {name}", flush=True)
        start = time.time()
        model.train(*train, options.epochs)
        seconds = time.time() - start
        right = [ours == true for ours, true in zip(model.decode(test[0]), test[1], strict=True)]
        target, weights = model.attention(example)
        draw(example, target, weights, options.output / f"{name}.png")
        results.append((name, sum(right) / len(right), seconds, example, target))
    print(f"\n{'attention':24}{'right':>8}{'seconds':>9}")
    for name, right, seconds, source, target in results:
        print(f"{name:24}{right:8.1%}{seconds:9.0f}   {source} -> {target}")
    rows = [
        {"attention": name, "right": right, "seconds": round(seconds, 1), "target": target}
        for name, right, seconds, _, target in results
    ]
    write_results(f"attention_maps_{options.backend}", rows, (options.backend,))


if __name__ == "__main__":
    main()
