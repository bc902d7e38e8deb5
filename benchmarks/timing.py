"""Times functions in turns, and writes what was measured to `benchmarks/results`.

Contestants take turns, so that other load on the machine slows all of them alike. A process that
`one_core` keeps on one core is timed by its CPU time, which other load lengthens less: by up to
16 % between runs on a busy machine.
"""

import json
import math
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path

RESULTS = Path(__file__).parent / "results"
WARM_UP = 2  # turns that compile


def one_core() -> None:
    """Keeps this process on one core, however many threads a backend starts.

    Call it before a backend is imported.
    """
    os.environ["OMP_NUM_THREADS"] = "1"
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


def cores() -> int:
    """The number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_setaffinity") else os.cpu_count() or 1


def measure(
    contestants: Mapping[str, Callable[[], object]], rounds: int, count: float, unit: str
) -> dict:
    """Measures the speed of each function.

    Args:
        contestants: Functions without arguments, by name. In each turn each is called once; the
            first one is the reference.
        rounds: int. Timed turns, two at least; two more come first, in which functions compile.
        count: float. How many units of work a call does.
        unit: What is counted, such as `"tokens"`.

    Returns:
        Dictionary of `unit` and, by name, of `contestants`: `seconds`, the median time of a call,
        `quartiles` of it, the speed `per_second`, and the `ratio` of the speed to that of the
        reference.
    """
    clock = time.process_time if cores() == 1 else time.perf_counter
    times: dict[str, list[float]] = {name: [] for name in contestants}
    for turn in range(rounds + WARM_UP):
        for name, function in contestants.items():
            start = clock()
            function()
            if turn >= WARM_UP:
                times[name].append(clock() - start)
    return summary(times, count, unit)


def summary(times: Mapping[str, Sequence[float]], count: float, unit: str) -> dict:
    """What `measure` returns, of the seconds of each contestant's turns; see there."""
    medians = {name: statistics.median(values) for name, values in times.items()}
    reference = next(iter(medians.values()))
    found = {}
    for name, median in medians.items():
        low, _, high = statistics.quantiles(times[name], n=4, method="inclusive")
        found[name] = {
            "seconds": _rounded(median),
            "quartiles": [_rounded(low), _rounded(high)],
            "per_second": _rounded(count / median),
            "ratio": round(reference / median, 3),
        }
    return {"unit": unit, "contestants": found}


def exponent(sizes: Sequence[float], costs: Sequence[float]) -> tuple[float, float]:
    """The `e` of `cost ~ size^e`, and its standard error.

    It is the slope of the least-squares line through the points of logarithms, three at least.
    """
    x, y = ([math.log(max(value, 1e-9)) for value in values] for values in (sizes, costs))
    slope, constant = statistics.linear_regression(x, y)
    errors = sum((b - slope * a - constant) ** 2 for a, b in zip(x, y, strict=True))
    spread = statistics.variance(x) * (len(x) - 1)
    return round(slope, 3), round(math.sqrt(errors / (len(x) - 2) / spread), 3)


def write_results(name: str, rows: list[dict], packages: tuple[str, ...] = ()) -> Path:
    """Writes rows, with the machine and the command that measured them; returns the file.

    Args:
        name: Name of the file, such as `"layers_jax"`.
        rows: Dictionaries: what was measured, and the numbers. See `measure`.
        packages: Packages other than Keras whose versions matter.
    """
    facts = {
        "command": " ".join(["python", f"benchmarks/{Path(sys.argv[0]).name}", *sys.argv[1:]]),
        "machine": {
            "processor": _processor(),
            "cores": os.cpu_count(),
            "cores_used": cores(),
            "clock": "CPU time" if cores() == 1 else "wall time",
            "load_at_end": round(os.getloadavg()[0], 2),
        },
        "versions": {one: version(one) for one in dict.fromkeys(("keras", *packages))},
        "rows": rows,
    }
    RESULTS.mkdir(exist_ok=True)
    file = RESULTS / f"{name}.json"
    file.write_text(json.dumps(facts, indent=1, ensure_ascii=False) + "\n", "utf-8")
    print(file)
    return file


def _processor():
    """The name of the processor, of Linux; elsewhere its architecture."""
    file = Path("/proc/cpuinfo")
    names = file.read_text("utf-8").splitlines() if file.exists() else []
    found = (line.partition(":")[2].strip() for line in names if line.startswith("model name"))
    return next(found, platform.machine())


def _rounded(number):
    return float(f"{number:.4g}")
