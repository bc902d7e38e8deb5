"""Send runs that a tracking server could not take to the end.

When the server goes away during a training, the training goes on, and its metrics, model and report
are kept in its checkpoint. `push` sends them when the server is back: it measures the model on dev
again and ends the run, as if nothing had happened. A training that was interrupted itself is not
over: `zoo run … --resume` goes on with it.
"""

from argparse import ArgumentParser, Namespace

from zoo.cli import backend, output, recipe_files
from zoo.cli.errors import Failure, command

EXAMPLES = """\
  zoo track push --dry-run
  zoo track push
  MLFLOW_TRACKING_URI=http://tracking.example.org:5000 zoo track push"""
NEXT = "zoo track --help"


def arguments(parser: ArgumentParser) -> None:
    parser.add_argument("action", choices=("push",), help="send what is kept")
    parser.add_argument("--dry-run", action="store_true", help="print what would be sent")
    backend.add_argument(parser)


def run(args: Namespace) -> None:
    backend.choose(args.backend)
    from zoo.training.unsent import find_unsent

    unsent = find_unsent()
    if not unsent:
        print("Nothing to send: no run has ended without its tracking server.")
        return
    for one in unsent:
        would = "would be sent" if args.dry_run else "kept"
        print(f"run {one.manifest.run_id[:8]} ({one.manifest.label}): {would}", flush=True)
    if args.dry_run:
        return
    from zoo.tracking import prepare_store
    from zoo.training import run

    prepare_store()  # reports a server that is still away once
    failed = []
    for one in unsent:
        manifest = one.manifest
        spec = recipe_files.spec_of(manifest.config["recipe"])
        name = manifest.label.removeprefix(f"{spec.name}/")
        try:
            run(spec, name, resume=manifest.run_id, progress=False)
        except (ValueError, OSError, RuntimeError) as error:
            output.say(f"run {manifest.run_id[:8]} was not sent: {error}")
            failed.append(manifest)
    if failed:
        raise Failure(
            f"{len(failed)} of {len(unsent)} runs could not be sent; they are kept.",
            hint=command("zoo", "run", failed[0].label, "--resume", failed[0].run_id[:8]),
        )
