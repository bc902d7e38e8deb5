"""Time and memory of translators by length, batch, vocabulary and beam, with fitted exponents.

    python benchmarks/scaling.py --backend jax
    python benchmarks/scaling.py --draw

A GRU with Luong's attention and a Transformer of three layers, both of 256 units, train a step and
search. One size grows at a time; the others stay as the options say. `time ~ size^e`: `e` is the
slope of a line through the points of logarithms, given with its standard error, for the medians of
a step. The memory of a step is the highest of the process during it, less what it held before. The
share of the peak is the matrix multiplications of a training step, counted by hand, per second,
against the fastest of large square matrices in the same process. Runs on one core and writes
`benchmarks/results/scaling_BACKEND.json`. With `--draw` it draws those files to `docs/scaling.png`.
"""

import argparse
import ctypes
import gc
import json
import os
from pathlib import Path

from timing import RESULTS, exponent, measure, one_core, write_results

SIZES = {
    "length": [8, 16, 32, 64],
    "batch": [8, 16, 32, 64],
    "vocabulary": [2000, 4000, 8000, 16000],
    "beam": [1, 2, 4, 8],
}
MODELS = {"luong_general": {}, "transformer": {"num_layers": 3}}
NAMES = {"luong_general": ("GRU, Luong", "-"), "transformer": ("Transformer", "--")}
TITLES = {"train": "training step", "search": "search"}
BACKENDS = {
    "torch": ("torch", "#d95f02"),
    "tensorflow": ("TensorFlow", "#7570b3"),
    "jax": ("JAX", "#1b9e77"),
}
parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--backend", choices=["tensorflow", "jax", "torch"], default="jax")
parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))
parser.add_argument("--sizes", nargs="+", choices=SIZES, default=list(SIZES))
parser.add_argument("--rounds", type=int, default=3, help="timed turns of each size")
parser.add_argument("--length", type=int, default=24, help="tokens of sources and of targets")
parser.add_argument("--batch", type=int, default=32)
parser.add_argument("--vocabulary", type=int, default=4000)
parser.add_argument("--beam", type=int, default=4)
parser.add_argument("--units", type=int, default=256)
parser.add_argument("--draw", action="store_true", help="draw docs/scaling.png from the results")
options = parser.parse_args()
os.environ["KERAS_BACKEND"] = options.backend
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
one_core()

import numpy as np  # noqa: E402

LIBC = ctypes.CDLL(None)
PICTURE = Path(__file__).resolve().parent.parent / "docs" / "scaling.png"
START, NEVER = 2, -1


def translator(kind, vocabulary):
    """Returns a model, and a function of a batch and a beam that compiles a search."""
    import keras

    from zoo.decoding import beam_search, compiled
    from zoo.models import Seq2SeqLM, Seq2SeqLMBackbone
    from zoo.training.losses import TokenCrossentropy
    from zoo.training.optimizer import compile_model
    from zoo.training.schema import TrainingConfig

    backbone = Seq2SeqLMBackbone(
        vocabulary,
        attention=kind,
        embedding_dim=options.units,
        units=options.units,
        num_heads=4,
        intermediate_dim=2 * options.units,
        tie_embeddings="all",
        **MODELS[kind],
    )
    model = Seq2SeqLM(backbone)
    settings = TrainingConfig(optimizer="adam", learning_rate=1e-4)
    compile_model(model, settings, 1000, loss=TokenCrossentropy(0.1), weighted_metrics=[])

    def searching(source, beam):
        batch, length = source.shape

        def search(source, mask):
            encoded = backbone.encode(source, mask)
            state, constants = backbone.init_decoding(encoded, length)

            def step(tokens, state, index):
                hidden, state, weights = backbone.decode_step(tokens, state, constants)
                return model.head(hidden), state, weights

            return beam_search(step, state, batch, START, NEVER, length, beam)

        program = compiled(search, layers=[model])
        mask = np.ones(source.shape, bool)
        return lambda: keras.ops.convert_to_numpy(program(source, mask).tokens)

    return model, searching


def training(model, source):
    """Returns a function that trains a step on a batch of sources, which are also the targets."""
    mask = np.ones(source.shape, bool)
    x = {
        "encoder_token_ids": source,
        "encoder_padding_mask": mask,
        "decoder_token_ids": source,
        "decoder_padding_mask": mask,
    }
    weights = mask.astype("float32")
    return lambda: model.train_on_batch(x, source, sample_weight=weights)


def multiplications(model, batch, length):
    """Floating-point operations of the matrix multiplications of a training step.

    Forward, two for each weight of a matrix and token; each query meets each key twice, for its
    score and in the weighted sum. The gradients take twice as many.
    """
    backbone, units = model.backbone, options.units
    tokens = batch * length
    matrices = [w for w in model.weights if len(w.shape) > 1 and "bridge" not in w.path]
    # The embedding is multiplied once, as the last layer.
    per_token = sum(int(np.prod(w.shape)) for w in matrices)
    meetings = batch * length * length
    if backbone.attention == "transformer":
        # Of the encoder, of the decoder with itself and with the encoder; scores and sums.
        attention = 3 * MODELS["transformer"]["num_layers"] * 2 * units * meetings
    else:
        attention = (units + 2 * units) * meetings
    return 3 * 2 * (per_token * tokens + attention)


def peak():
    """The most operations per second in multiplications of matrices, of this backend and NumPy."""
    import keras

    from zoo.decoding import compiled

    found = 0.0
    multiply = compiled(keras.ops.matmul, layers=[])
    for size in (512, 1024, 2048):
        one = np.random.default_rng(0).normal(size=(size, size)).astype("float32")
        contestants = {
            "numpy": lambda one=one: one @ one,
            "backend": lambda one=one: keras.ops.convert_to_numpy(multiply(one, one)),
        }
        speeds = measure(contestants, 4, 2 * size**3, "operations")["contestants"]
        found = max(found, *(speed["per_second"] for speed in speeds.values()))
    return found


def memory(function):
    """Megabytes that a call of a function takes at most, on Linux; elsewhere `None`."""
    try:
        gc.collect()
        LIBC.malloc_trim(0)
        before = _status("VmRSS")
        Path("/proc/self/clear_refs").write_text("5")  # resets the highest
        function()
        return round(max(_status("VmHWM") - before, 0.0), 1)
    except (OSError, AttributeError):
        return None


def _status(name):
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(f"{name}:"))


def curve(kind, what, size):
    """The row of one curve: costs by one size."""
    points = []
    for value in SIZES[size]:
        setting = {name: getattr(options, name) for name in SIZES} | {size: value}
        model, searching = translator(kind, setting["vocabulary"])
        shape = setting["batch"], setting["length"]
        source = np.random.default_rng(0).integers(4, setting["vocabulary"], shape, "int32")
        if what == "train":
            function = training(model, source)
        else:
            function = searching(source, setting["beam"])
        measured = measure({what: function}, options.rounds, source.size, "tokens")
        found = measured["contestants"][what]
        point = {size: value, "seconds": found["seconds"], "quartiles": found["quartiles"]}
        point["megabytes"] = memory(function)
        if what == "train":
            point["operations_per_second"] = multiplications(model, *shape) / found["seconds"]
        points.append(point)
    row = {"model": kind, "what": what, "size": size, "points": points}
    sizes = [point[size] for point in points]
    row["time_exponent"] = exponent(sizes, [point["seconds"] for point in points])
    megabytes = [point["megabytes"] for point in points]
    if None not in megabytes:
        row["memory_exponent"] = exponent(sizes, megabytes)
    return row


def run():
    rows = []
    print(f"{'model':15}{'what':8}{'by':12}{'ms, first to last size':26}{'e':>14}{'memory':>16}")
    for kind in options.models:
        for what in ("train", "search"):
            for size in options.sizes:
                if (what, size) == ("train", "beam"):
                    continue
                row = curve(kind, what, size)
                times = " ".join(f"{1000 * point['seconds']:.0f}" for point in row["points"])
                slope, error = row["time_exponent"]
                taken = "{:.2f} ± {:.2f}".format(*row.get("memory_exponent", (0, 0)))
                print(
                    f"{kind:15}{what:8}{size:12}{times:26}{slope:7.2f} ± {error:.2f}{taken:>16}",
                    flush=True,
                )
                rows.append(row)
    best = peak()
    for row in rows:
        for point in row["points"]:
            if "operations_per_second" in point:
                point["share_of_peak"] = round(point.pop("operations_per_second") / best, 3)
        row["peak_gigaflops"] = round(best / 1e9, 1)
        if (row["what"], row["size"]) == ("train", "batch"):
            share = row["points"][-1]["share_of_peak"]
            print(f"{row['model']}: {share:.0%} of {best / 1e9:.1f} GFLOP/s in the largest batch")
    write_results(f"scaling_{options.backend}", rows, (options.backend,))


def draw():
    """Draws the time by each size, and the share of the peak, from the results of all backends."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    files = {backend: RESULTS / f"scaling_{backend}.json" for backend in BACKENDS}
    results = {b: json.loads(f.read_text("utf-8"))["rows"] for b, f in files.items() if f.exists()}
    figure, axes = pyplot.subplots(2, 4, figsize=(14, 7), layout="constrained")
    for line, (what, title) in zip(axes, TITLES.items(), strict=True):
        for axis, size in zip(line, SIZES, strict=True):
            if (what, size) == ("train", "beam"):
                _draw_shares(axis, results)
            else:
                axis.sharey(line[0])
                _draw_times(axis, results, what, size)
            axis.spines[["top", "right"]].set_visible(False)
        line[0].set_ylabel(f"{title}, ms")
    handles = [pyplot.Line2D([], [], color=colour, lw=3) for _, colour in BACKENDS.values()]
    handles += [pyplot.Line2D([], [], color="0.3", ls=style) for _, style in NAMES.values()]
    labels = [name for name, _ in (*BACKENDS.values(), *NAMES.values())]
    figure.legend(handles, labels, loc="outside upper center", ncols=len(labels), frameon=False)
    figure.savefig(PICTURE, dpi=110)
    print(PICTURE)


def _draw_times(axis, results, what, size):
    exponents = []
    for backend, rows in results.items():
        for row in rows:
            if (row["what"], row["size"]) == (what, size):
                points = row["points"]
                x, y = ([point[key] for point in points] for key in (size, "seconds"))
                style = {"color": BACKENDS[backend][1], "ls": NAMES[row["model"]][1]}
                axis.plot(x, [1000 * seconds for seconds in y], marker="o", ms=4, **style)
                exponents.append(row["time_exponent"][0])
    axis.set(xscale="log", yscale="log", xlabel=size)
    axis.set_xticks(SIZES[size], [f"{value:,}" for value in SIZES[size]])
    axis.minorticks_off()
    axis.yaxis.set_major_formatter("{x:,.0f}")
    if exponents:
        power = f"{min(exponents):.1f}…{max(exponents):.1f}"
        axis.set_title(f"time ~ {size}$^{{{power}}}$", fontsize=11)


def _draw_shares(axis, results):
    """Bars: the share of the peak of a training step with the largest batch."""
    for place, (backend, rows) in enumerate(results.items()):
        for row in rows:
            if (row["what"], row["size"]) == ("train", "batch"):
                share = 100 * row["points"][-1]["share_of_peak"]
                kind = list(NAMES).index(row["model"])
                axis.bar(kind + 0.27 * (place - 1), share, 0.25, color=BACKENDS[backend][1])
                axis.text(
                    kind + 0.27 * (place - 1), share, f"{share:.0f}", ha="center", va="bottom"
                )
    axis.set_xticks(range(len(NAMES)), [name for name, _ in NAMES.values()])
    axis.set(ylim=(0, 100), ylabel="%")
    axis.set_title("share of the matrix peak", fontsize=11)


if __name__ == "__main__":
    if options.draw:
        draw()
    else:
        run()
