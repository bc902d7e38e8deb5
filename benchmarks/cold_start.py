"""Seconds of processor time until a new process has answered, beside the imports it needs.

    python benchmarks/cold_start.py --backend torch

Starts processes in turns: one that imports the backend and Keras, one that loads a model in Python,
and `zoo infer`, which keeps out what is not needed. Prints the medians, and writes them to
`benchmarks/results/cold_start_BACKEND.json`.
"""

import argparse
import os
import resource
import subprocess
import sys

from timing import one_core, summary, write_results

MODEL = "bilstm_bahdanau_sst2_en"
parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--backend", choices=["tensorflow", "jax", "torch"], default="torch")
parser.add_argument("--rounds", type=int, default=5, help="timed starts of each")
options = parser.parse_args()
one_core()


def processor_seconds(arguments):
    """The processor time of a Python process, in seconds."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    environment = {"TF_CPP_MIN_LOG_LEVEL": "3", **os.environ, "KERAS_BACKEND": options.backend}
    subprocess.run([sys.executable, *arguments], env=environment, check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main():
    load = f"import zoo; zoo.load({MODEL!r})"
    contestants = {
        "imports": ["-c", f"import {options.backend}, keras"],
        "zoo.load": ["-c", load],
        "zoo infer": ["-m", "zoo.cli", "infer", MODEL, "A gripping film."],
    }
    times = {name: [] for name in contestants}
    for turn in range(options.rounds + 1):
        for name, arguments in contestants.items():
            seconds = processor_seconds(arguments)
            if turn:  # the first one reads the files from the disk
                times[name].append(seconds)
    row = {"model": MODEL} | summary(times, 1, "starts")
    for name, found in row["contestants"].items():
        print(f"{name:12}{found['seconds']:8.2f} s {1 / found['ratio']:6.2f} × the imports")
    write_results(f"cold_start_{options.backend}", [row], (options.backend,))


if __name__ == "__main__":
    main()
