"""`python -m tests [PYTEST ARGUMENTS]`: the suite once per backend, the slowest tests, one summary,
one exit code."""

import os
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass
from pathlib import Path

BACKENDS = ("tensorflow", "jax", "torch")
FOR_ALL = "torch"  # where tests run that are the same on all: it has the least to compile
ROOT = Path(__file__).resolve().parent.parent
REPORTS = ROOT / "build" / "tests"
# Tests compile many small models and run each a few times: a quarter of XLA's time.
QUICK_COMPILATION = " ".join(
    (
        "--xla_backend_optimization_level=0",
        "--xla_llvm_disable_expensive_passes=true",
        "--xla_cpu_use_fusion_emitters=false",  # which bring a compiler of their own
        "--xla_cpu_parallel_codegen_split_count=1",
    )
)
# Many tests compile the same program: on JAX a third less time where it is kept.
PROGRAMS = {
    "JAX_COMPILATION_CACHE_DIR": str(REPORTS / "programs"),
    "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0.1",
    "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
}
# A process a core, each of a few gigabytes; whoever is done takes over what others have left.
PARALLEL = ("--numprocesses=auto", "--maxprocesses=4", "--dist=worksteal")


@dataclass(frozen=True)
class Outcome:
    """What one run of the suite came to. A run that broke off counts as one failure more."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0
    seconds: float = 0.0


def run(backend: str, arguments: list[str]) -> Outcome:
    """Runs pytest in a process of its own, whose Keras computes with `backend`."""
    report = REPORTS / f"{backend}.xml"
    print(f"\n=== {backend}", flush=True)
    command = [sys.executable, "-m", "pytest", "-q", f"--junitxml={report}", *PARALLEL]
    if backend != FOR_ALL:
        command += ["-m", "not once"]
    command += arguments
    environment = (
        {"XLA_FLAGS": QUICK_COMPILATION}
        | PROGRAMS
        | os.environ
        | {
            "KERAS_BACKEND": backend,
            "OMP_NUM_THREADS": "1",  # several threads of several libraries wait for each other
            "TF_CPP_MIN_LOG_LEVEL": "3",
        }
    )
    code = subprocess.run(command, cwd=ROOT, env=environment).returncode
    return read(report, code)


def read(report: Path, code: int) -> Outcome:
    """The numbers of a JUnit report, given the exit code of the pytest that should have written
    it."""
    if not report.is_file():
        return Outcome(failed=1)
    suite = ElementTree.parse(report).getroot().find("testsuite")
    tests, failures, errors, skipped = (
        int(suite.get(name)) for name in ("tests", "failures", "errors", "skipped")
    )
    failed = failures + errors
    return Outcome(
        passed=tests - failed - skipped,
        failed=failed or int(code != 0),
        skipped=skipped,
        seconds=float(suite.get("time")),
    )


def summary(outcomes: dict[str, Outcome]) -> str:
    """A table, a line a backend, and the sums in a last line."""
    lines = [f"{'backend':12}{'passed':>8}{'failed':>8}{'skipped':>9}{'seconds':>9}"]
    lines += [
        f"{name:12}{it.passed:8}{it.failed:8}{it.skipped:9}{it.seconds:9.0f}"
        for name, it in outcomes.items()
    ]
    passed, failed, skipped = (
        sum(getattr(it, field) for it in outcomes.values())
        for field in ("passed", "failed", "skipped")
    )
    return "\n".join([*lines, f"{passed} passed, {failed} failed, {skipped} skipped"])


def slowest(reports: dict[str, Path], count: int = 20) -> str:
    """A table of the tests of all backends that took longest, with their fixtures."""
    tests = [
        (float(case.get("time")), backend, f"{case.get('classname')}::{case.get('name')}")
        for backend, report in reports.items()
        if report.is_file()
        for case in ElementTree.parse(report).iter("testcase")
    ]
    longest = sorted(tests, reverse=True)[:count]
    lines = [f"{'seconds':>7}  {'backend':12}slowest tests"]
    return "\n".join([*lines, *(f"{time:7.1f}  {name:12}{test}" for time, name, test in longest)])


def main(arguments: list[str]) -> int:
    shutil.rmtree(REPORTS, ignore_errors=True)
    REPORTS.mkdir(parents=True)
    outcomes = {backend: run(backend, arguments) for backend in BACKENDS}
    print(f"\n{slowest({backend: REPORTS / f'{backend}.xml' for backend in BACKENDS})}")
    print(f"\n{summary(outcomes)}")
    return int(any(outcome.failed for outcome in outcomes.values()))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
