"""Trains a queue of models unattended, and prints a table of what each technique gains on dev.

    python benchmarks/train_presets.py                       # every job of train_presets.yaml
    python benchmarks/train_presets.py sst2_student --core 1
    python benchmarks/train_presets.py --table

A job is a recipe with changes; `train_presets.yaml` explains its keys. Each runs at low priority in
a process of its own, one after the other, and leaves its preset and log in a folder of its name.
Stopped at any time, the queue resumes the interrupted job when it is started again, and skips those
that are done. A job that fails is reported, and the queue goes on with those that do not need it.
"""

import argparse
import json
import os
import shlex
import signal
import subprocess
import sys
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

import yaml

QUEUE = Path(__file__).with_suffix(".yaml")
LOG = "done.jsonl"


@dataclass(frozen=True)
class Job:
    """A recipe with changes.

    Attributes:
        name: Name of the job and its folder.
        recipe: The recipe as `zoo run` takes it.
        overrides: Changes to it; `{output}` is the folder that holds the folders of all jobs.
        technique: The technique that is tried.
        baseline: Job without the technique, for the table.
        needs: Jobs whose presets it uses.
        backend: Keras backend.
    """

    name: str
    recipe: str
    overrides: list[str] = field(default_factory=list)
    technique: str = ""
    baseline: str | None = None
    needs: list[str] = field(default_factory=list)
    backend: str = "jax"


def read_queue(file: Path) -> dict[str, Job]:
    """Reads the jobs of a queue file by name, in the order of the file.

    Raises:
        ValueError: if a job names a `baseline` or `needs` a job that does not precede it.
    """
    jobs: dict[str, Job] = {}
    for name, values in yaml.safe_load(file.read_text("utf-8")).items():
        job = Job(name, **values)
        for other in filter(None, (job.baseline, *job.needs)):
            if other not in jobs:
                raise ValueError(f"{name} must come after the job it names. Received: {other}")
        jobs[name] = job
    return jobs


def read_log(output: Path) -> dict[str, dict]:
    """Reads what is known of the finished jobs, by name."""
    log = output / LOG
    lines = log.read_text("utf-8").splitlines() if log.exists() else []
    return {entry["name"]: entry for entry in map(json.loads, lines)}


def run_job(job: Job, output: Path) -> None:
    """Trains a job in this process, from its checkpoint if it was interrupted, and logs it."""
    from zoo.cli import recipe_files  # after the backend has been chosen
    from zoo.training import resolve, run

    file = recipe_files.find(job.recipe)
    spec = file.entry_point.load()
    overrides = [change.format(output=output) for change in job.overrides]
    overrides.append(f"tracking.name={job.name}")
    metric = resolve(spec, file.argument, overrides).evaluation.metric
    attempts = output / job.name / "cpu_seconds.txt"
    try:
        result = run(
            spec,
            file.argument,
            overrides,
            resume=interrupted_run(job.recipe, overrides),
            output=output / job.name / "preset",
            progress=False,
        )
    finally:
        with attempts.open("a") as lines:
            lines.write(f"{time.process_time():.0f}\n")
    entry = asdict(job) | {
        "metric": metric,
        "dev": result.metrics[f"dev/{metric}"],
        "metrics": result.metrics,
        "parameters": result.card.parameters,
        "bytes": result.card.bytes,
        "cpu_minutes": round(sum(map(int, attempts.read_text().split())) / 60, 1),
    }
    with (output / LOG).open("a", encoding="utf-8") as log:
        log.write(json.dumps(entry) + "\n")


def interrupted_run(recipe: str, overrides: list[str]) -> str | None:
    """Id of the resumable run of a job; `None` if it has none."""
    from zoo.home import home
    from zoo.training.checkpoint import Checkpoint

    for folder in sorted((home() / "checkpoints").glob("*")):
        checkpoint = Checkpoint(folder.name)
        if checkpoint.is_resumable:
            manifest = checkpoint.read_manifest()
            if (manifest.label, manifest.overrides) == (recipe, overrides):
                return manifest.run_id
    return None


def run_queue(jobs: list[Job], output: Path, options: argparse.Namespace) -> list[str]:
    """Runs each job that is not done in a process of its own; returns the names of the failed."""
    failed: list[str] = []
    for number, job in enumerate(jobs, 1):
        heading = f"{time.strftime('%H:%M')}  {number} of {len(jobs)}, {job.name}"
        done = read_log(output)
        if job.name in done:
            print(f"{heading}: done, {describe(done[job.name])}", flush=True)
            continue
        if missing := [name for name in job.needs if name not in done]:
            print(f"{heading}: left out, it needs {', '.join(missing)}", flush=True)
            failed.append(job.name)
            continue
        folder = output / job.name
        folder.mkdir(parents=True, exist_ok=True)
        shown = " ".join(map(shlex.quote, ["zoo", "run", job.recipe, *job.overrides]))
        print(f"{heading}: {shown}", flush=True)
        command = [sys.executable, __file__, "--one", job.name]
        command += ["--queue", str(options.queue), "--output", str(output)]
        if run_process(command, folder / "log.txt", job.backend, options.core):
            print(f"{heading}: failed, see {folder / 'log.txt'}", flush=True)
            failed.append(job.name)
        else:
            print(f"{heading}: {describe(read_log(output)[job.name])}", flush=True)
    return failed


def run_process(command: list[str], log: Path, backend: str, core: int | None) -> int:
    """Runs a command to its end; ended early, lets it write its checkpoint first."""
    with log.open("a") as stream:
        process = subprocess.Popen(
            command,
            stdout=stream,
            stderr=subprocess.STDOUT,
            env=os.environ | {"KERAS_BACKEND": backend},
            start_new_session=True,
            preexec_fn=lambda: lower_priority(core),
        )
    try:
        return process.wait()
    except BaseException:
        process.terminate()
        process.wait()
        raise


def lower_priority(core: int | None) -> None:
    """Makes this process yield to others, and keeps it on one core if one is given."""
    os.nice(10)
    group = Path("/proc/self/autogroup")  # Linux compares sessions first, then their processes
    if group.exists():
        group.write_text("10")
    if core is not None:
        os.sched_setaffinity(0, {core})


def describe(entry: dict) -> str:
    return f"{entry['metric']} {entry['dev']:.4f} on dev, {entry['cpu_minutes']} CPU minutes"


def table(jobs: dict[str, Job], done: dict[str, dict]) -> str:
    """Markdown table of the finished jobs: technique, dev before and after, CPU minutes."""
    lines = [
        "| model | technique | metric | dev before | dev after | CPU minutes |",
        "|---|---|---|---|---|---|",
    ]
    for name in jobs:
        if name not in done:
            continue
        entry = done[name]
        before = done.get(entry["baseline"])
        lines.append(
            f"| `{entry['recipe']}` | {entry['technique']} | {entry['metric']} "
            f"| {'' if before is None else format(before['dev'], '.4f')} | {entry['dev']:.4f} "
            f"| {entry['cpu_minutes']} |"
        )
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("jobs", nargs="*", metavar="JOB", help="jobs to run; default: all")
    parser.add_argument("--queue", type=Path, default=QUEUE, metavar="FILE", help="the jobs")
    parser.add_argument("--output", type=Path, default=Path("trained"), metavar="DIR")
    parser.add_argument("--core", type=int, metavar="N", help="core to run on; default: any")
    parser.add_argument("--table", action="store_true", help="print the table and train nothing")
    parser.add_argument("--one", metavar="JOB", help=argparse.SUPPRESS)  # of the child process
    options = parser.parse_args()
    output = options.output.absolute()
    jobs = read_queue(options.queue)
    if unknown := sorted({*options.jobs, *filter(None, [options.one])} - set(jobs)):
        parser.error(f"unknown job: {', '.join(unknown)}; jobs are {', '.join(jobs)}")
    if options.one:
        run_job(jobs[options.one], output)
        return 0
    if options.table:
        print(table(jobs, read_log(output)))
        return 0
    chosen = [job for name, job in jobs.items() if not options.jobs or name in options.jobs]
    output.mkdir(parents=True, exist_ok=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the job is ended too
    failed = run_queue(chosen, output, options)
    print(table(jobs, read_log(output)))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
