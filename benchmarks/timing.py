"""Times functions in turns, so that other load on the machine slows all of them alike."""

import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any

WARM_UP = 2  # turns that compile


def median_seconds(
    contestants: Mapping[str, Callable[[], object]], rounds: int
) -> dict[str, float]:
    """Measures the median time of each function.

    Args:
        contestants: Functions without arguments, by name. In each turn each is called once.
        rounds: int. Timed turns; two more come first, in which functions compile.

    Returns:
        Seconds by name, in the order of the contestants.
    """
    seconds: dict[Any, list[float]] = {name: [] for name in contestants}
    for turn in range(rounds + WARM_UP):
        for name, function in contestants.items():
            start = time.perf_counter()
            function()
            if turn >= WARM_UP:
                seconds[name].append(time.perf_counter() - start)
    return {name: statistics.median(values) for name, values in seconds.items()}
