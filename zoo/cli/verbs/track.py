"""Send runs that a tracking server could not take to the end.

When the server goes away during a training, the training goes on, and its metrics, model and report
are kept in its checkpoint. `push` sends them when the server is back: it measures the model on dev
again and ends the run, as if nothing had happened. A training that was interrupted itself is not
over: `zoo run … --resume` goes on with it. The backend must be that of the training.
"""

from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

from zoo.cli import backend, output, recipe_files
from zoo.cli.errors import Failure, command

if TYPE_CHECKING:
    from zoo.training.checkpoint import RunManifest

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
        trained = f", trained on {one.backend}" if one.backend else ""
        print(f"run {one.run_id[:8]} ({one.label}{trained}): {would}", flush=True)
    if args.dry_run:
        return
    from zoo.tracking import prepare_store
    from zoo.training import run
    from zoo.training.naming import resume_command

    prepare_store()  # reports a server that is still away once
    hints = []
    for manifest in unsent:
        spec = recipe_files.spec_of(manifest.config["recipe"])
        name = manifest.label.removeprefix(f"{spec.name}/")
        hint = resume_command(manifest.label, manifest.run_id, manifest.backend)
        try:
            _check_backend(manifest)
            run(spec, name, resume=manifest.run_id, progress=False)
        except (Failure, ValueError, OSError, RuntimeError) as error:
            output.say(f"run {manifest.run_id[:8]} was not sent: {error}")
            hints.append(error.hint if isinstance(error, Failure) and error.hint else hint)
    if hints:
        raise Failure(
            f"{len(hints)} of {len(unsent)} runs could not be sent; they are kept.", hint=hints[0]
        )


def _check_backend(manifest: "RunManifest") -> None:
    """Raises `Failure` if the run was trained on another backend, whose name its card will have."""
    used = backend.current()
    if manifest.backend not in (None, used):
        raise Failure(
            f"A run is sent on the backend it was trained on: choose it with --backend "
            f"{manifest.backend}. Received: backend={used}",
            hint=command("zoo", "track", "push", "--backend", manifest.backend),
        )
