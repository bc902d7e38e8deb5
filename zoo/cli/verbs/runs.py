"""Record the end of runs whose process was killed, and remove what it left behind.

A run that was killed by SIGKILL, by a lack of memory or by a power cut stays `RUNNING` in the
tracking store, and its model `PENDING`. `tidy` sets them to `KILLED` and `FAILED`, and removes
temporary folders; every `zoo run` does the same when it starts. Runs in progress, and those of
other machines, are not changed. A checkpoint to resume from is kept.
"""

from argparse import ArgumentParser, Namespace

from zoo.cli import backend, output
from zoo.extras import need

EXAMPLES = """\
  zoo runs tidy --dry-run
  zoo runs tidy"""
NEXT = "zoo runs --help"


def arguments(parser: ArgumentParser) -> None:
    parser.add_argument("action", choices=("tidy",), help="close runs of killed processes")
    parser.add_argument("--dry-run", action="store_true", help="print what would be done")


def run(args: Namespace) -> None:
    need("train", "Tidying runs", "mlflow")
    backend.quiet_libraries()
    from mlflow import MlflowClient

    from zoo.tracking import abandoned, prepare_store
    from zoo.training import leftovers
    from zoo.training.checkpoint import Checkpoint
    from zoo.training.naming import resume_command

    client = MlflowClient(prepare_store())
    runs, files = abandoned.abandoned_runs(client), leftovers.find_leftovers()
    if not args.dry_run:
        runs = [run for run in runs if abandoned.close(client, run)]
        for path in files:
            leftovers.remove(path)
    would = "would be " if args.dry_run else ""
    for run in runs:
        print(f"run {run.info.run_id} ({run.info.run_name}): {would}closed as KILLED")
        recipe = run.data.tags.get("recipe")
        if recipe and Checkpoint(run.info.run_id).is_resumable:
            again = resume_command(recipe, run.info.run_id, run.data.tags.get("backend"))
            output.say(f"to resume: {again}")
    for path in files:
        print(f"{path}: {would}removed")
    if not runs and not files:
        print("Nothing to tidy: no run of a killed process, and no files that one has left.")
