"""Times a training step of the recipes' models on TensorFlow, with and without XLA and dropout.

    python benchmarks/xla.py

Both take turns in one process, on one core. Prints the median times of a step and their ratio, and
writes them to `benchmarks/results/xla.json`.
"""

import argparse
import os

from timing import measure, one_core, write_results

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--rounds", type=int, default=5, help="timed steps of each contestant")
parser.add_argument("--batch", type=int, default=64)
parser.add_argument("--length", type=int, default=24, help="tokens of each text")
parser.add_argument("--units", type=int, default=128)
options = parser.parse_args()
os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
one_core()

import keras  # noqa: E402
import numpy as np  # noqa: E402

from zoo.models import (  # noqa: E402
    ImageToTextBackbone,
    Seq2SeqLMBackbone,
    TextClassifierBackbone,
)

VOCABULARY = 4000
SIZES = {"embedding_dim": options.units, "units": options.units}


def classifier(encoder):
    return lambda dropout: TextClassifierBackbone(
        VOCABULARY, encoder=encoder, dropout=dropout, **SIZES
    )


def translator(attention):
    return lambda dropout: Seq2SeqLMBackbone(
        VOCABULARY, attention=attention, dropout=dropout, **SIZES
    )


def captioner(attention):
    return lambda dropout: ImageToTextBackbone(
        VOCABULARY,
        image_size=(64, 64),
        widths=(16, 32),
        attention=attention,
        dropout=dropout,
        **SIZES,
    )


MODELS = {
    "BiLSTM": classifier("lstm"),
    "Transformer encoder": classifier("transformer"),
    "GRUs with Bahdanau attention": translator("bahdanau"),
    "Transformer": translator("transformer"),
    "CNN and LSTM with attention": captioner("bahdanau"),
}


def step(make, dropout, jit):
    """Returns a function that trains one step on random inputs."""
    backbone = make(dropout)
    states = backbone.output
    if isinstance(states, dict):
        states = states["decoder_sequence_output"]
    model = keras.Model(backbone.input, keras.ops.mean(states, axis=1))
    model.compile("adam", "mse", jit_compile=jit)
    random = np.random.default_rng(0)

    def values(tensor):
        if len(tensor.shape) == 4:
            return random.uniform(0, 255, (options.batch, *tensor.shape[1:])).astype("float32")
        shape = options.batch, options.length
        if tensor.dtype == "bool":
            return np.ones(shape, "bool")
        return random.integers(1, VOCABULARY, shape).astype("int32")

    x = keras.tree.map_structure(values, backbone.input)
    y = np.zeros((options.batch, *model.output.shape[1:]), "float32")
    return lambda: model.train_on_batch(x, y)


def main():
    rows = []
    print(f"{'model':34}{'dropout':>8}{'XLA ms':>9}{'ms':>8}{'ratio':>8}")
    for name, make in MODELS.items():
        for rate in (0.0, 0.3):
            contestants = {"plain": step(make, rate, False), "XLA": step(make, rate, True)}
            row = {"model": name, "dropout": rate}
            row |= measure(contestants, options.rounds, options.batch, "examples")
            plain, xla = (it["seconds"] for it in row["contestants"].values())
            print(
                f"{name:34}{rate:8}{xla * 1e3:9.0f}{plain * 1e3:8.0f}{xla / plain:8.2f}",
                flush=True,
            )
            rows.append(row)
    write_results("xla", rows, ("tensorflow",))


if __name__ == "__main__":
    main()
