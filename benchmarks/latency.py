"""Milliseconds to answer one text with published models, and texts per second of many.

    python benchmarks/latency.py --backend jax

The models stay loaded and have answered as many texts before; no server is in between. Runs on one
core. Prints the medians, and writes them to `benchmarks/results/latency_BACKEND.json`.
"""

import argparse
import os
from functools import partial

from timing import measure, one_core, write_results

MODELS = {
    "classifier": ("bilstm_bahdanau_sst2_en", "a gripping film that is worth your time"),
    "tagger": ("bilstm_crf_ewt_en_upos", "The old film is worth your time ."),
    "translator": ("gru_bahdanau_multi30k_en_de", "Two dogs run on the beach."),
}
parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--backend", choices=["tensorflow", "jax", "torch"], default="jax")
parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))
parser.add_argument("--rounds", type=int, default=30, help="timed calls")
parser.add_argument("--texts", type=int, nargs="+", default=[1, 256])
options = parser.parse_args()
os.environ["KERAS_BACKEND"] = options.backend
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
one_core()

import zoo  # noqa: E402


def main():
    rows = []
    for task in options.models:
        name, text = MODELS[task]
        model = zoo.load(name)
        for count in options.texts:
            infer = partial(model.infer, [text] * count)
            rounds = options.rounds if count == 1 else max(options.rounds // 6, 2)
            row = {"model": name, "task": task, "texts": count}
            row |= measure({"zoo": infer}, rounds, count, "texts")
            found = row["contestants"]["zoo"]
            milliseconds = f"{1000 * found['seconds']:9.2f} ms"
            print(f"{name:30}{count:5} texts{milliseconds}{found['per_second']:10,.0f} texts/s")
            rows.append(row)
    write_results(f"latency_{options.backend}", rows, (options.backend,))


if __name__ == "__main__":
    main()
