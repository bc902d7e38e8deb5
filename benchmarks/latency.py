"""Milliseconds to classify one text with a published model, and texts per second of many.

    python benchmarks/latency.py --backend jax

`zoo` calls the model through `zoo.models.batching.predict`, `keras` through Keras'
`predict_on_batch`; everything else is the same. Both take turns in one process and answer warm.
Prints the medians, and writes them to `benchmarks/results/latency_BACKEND.json`.
"""

import argparse
import os

from timing import measure, one_core, write_results

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--backend", choices=["tensorflow", "jax", "torch"], default="jax")
parser.add_argument("--model", default="bilstm_bahdanau_sst2_en", help="a published classifier")
parser.add_argument("--rounds", type=int, default=30, help="timed calls of each contestant")
parser.add_argument("--texts", type=int, nargs="+", default=[1, 512])
options = parser.parse_args()
os.environ["KERAS_BACKEND"] = options.backend
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
one_core()

import keras  # noqa: E402

import zoo  # noqa: E402
from zoo.models.text_classifier import task  # noqa: E402

TEXT = "a gripping film that is worth your time"


def with_keras(function):
    """The same function, with Keras' own call of the model in place of the zoo's."""

    def run():
        kept, task.predict = task.predict, keras.Model.predict_on_batch
        try:
            return function()
        finally:
            task.predict = kept

    return run


def main():
    model, rows = zoo.load(options.model), []
    for count in options.texts:

        def infer(texts=(TEXT,) * count):
            return model.infer(list(texts))

        row = {"model": options.model, "texts": count}
        contestants = {"keras": with_keras(infer), "zoo": infer}
        row |= measure(contestants, options.rounds, count, "texts")
        for name, found in row["contestants"].items():
            milliseconds = f"{1000 * found['seconds']:8.2f} ms"
            print(f"{count:4} texts  {name:6} {milliseconds}  {found['per_second']:8,.0f} texts/s")
        rows.append(row)
    write_results(f"latency_{options.backend}", rows, (options.backend,))


if __name__ == "__main__":
    main()
