"""Speed and memory of `zoo infer --file` over many short texts.

    python benchmarks/many_texts.py --backend torch --texts 1000000

The command classifies a file of random texts of 3 to 12 words, in a process of its own on one core.
Prints its memory and speed after each tenth of the texts, and writes them to
`benchmarks/results/many_texts_BACKEND.json`. Memory is read on Linux alone.
"""

import argparse
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from timing import one_core, write_results

WORDS = "a the gripping dull film plot never worth your time funny and long but not bad".split()
parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--backend", choices=["tensorflow", "jax", "torch"], default="torch")
parser.add_argument("--model", default="bilstm_bahdanau_sst2_en", help="a published classifier")
parser.add_argument("--texts", type=int, default=100_000, help="default: 100,000")
options = parser.parse_args()
if options.texts < 20_000:
    parser.error(
        "--texts must be at least 20,000, or a tenth is less than what is answered together. "
        f"Received: {options.texts}"
    )


def write_texts(path):
    draw = random.Random(0)
    with path.open("w", encoding="utf-8") as file:
        for _ in range(options.texts):
            file.write(" ".join(draw.choices(WORDS, k=draw.randint(3, 12))) + "\n")


def usage(process):
    """Megabytes that a process holds, the most that it held, and its seconds of CPU time."""
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    values = dict(line.split(":", 1) for line in lines)
    held, most = (int(values[name].split()[0]) / 1024 for name in ("VmRSS", "VmHWM"))
    ticks = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[11:13]
    return round(held), round(most), sum(map(int, ticks)) / 100


def main():
    one_core()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        texts, answers = Path(folder, "texts.txt"), Path(folder, "answers.txt")
        write_texts(texts)
        command = [sys.executable, "-m", "zoo.cli", "infer", options.model, "--file", str(texts)]
        with answers.open("wb") as output:
            process = subprocess.Popen([*command, "--backend", options.backend], stdout=output)
        answered, mark = 0, options.texts / 10
        print(f"{'texts':>10}{'MB':>8}{'most MB':>9}{'CPU s':>8}")
        with answers.open("rb") as file:
            while answered < options.texts:
                time.sleep(0.1)
                answered += file.read().count(b"\n")
                if answered >= mark:
                    mark = answered + options.texts / 10
                    try:
                        held, most, seconds = usage(process.pid)
                    except (OSError, KeyError):
                        break  # it has just ended
                    print(f"{answered:10,}{held:8,}{most:9,}{seconds:8.1f}", flush=True)
                    row = {"texts": answered, "megabytes": held, "most_megabytes": most}
                    rows.append(row | {"cpu_seconds": seconds})
                if process.poll() is not None:
                    break
            if process.wait():
                raise SystemExit(f"The command has failed. Received: {' '.join(command)}")
    first, last = rows[0], rows[-1]
    speed = (last["texts"] - first["texts"]) / (last["cpu_seconds"] - first["cpu_seconds"])
    print(f"{speed:,.0f} texts per second of CPU time")
    for row in rows:
        row["texts_per_second"] = round(speed)
    write_results(f"many_texts_{options.backend}", rows, (options.backend,))


if __name__ == "__main__":
    main()
