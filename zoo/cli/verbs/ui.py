"""Opens MLflow on the zoo's own runs: charts, pictures, registered models.

It serves this machine only, until Ctrl-C. With MLFLOW_TRACKING_URI on a server, it opens that.
"""

from argparse import ArgumentParser, Namespace

from zoo.cli import backend
from zoo.cli.errors import WrongUse

EXAMPLES = """\
  zoo ui
  zoo ui --port 5001 --no-browser"""
NEXT = "zoo ui --help"


def arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--port", type=int, default=5000, help="to listen on (default: 5000)")
    parser.add_argument("--no-browser", action="store_true", help="print the address, that is all")


def run(args: Namespace) -> None:
    if not 0 < args.port < 65536:
        raise WrongUse(
            f"A port lies between 1 and 65535. Received: --port {args.port}", hint="zoo ui"
        )
    backend.choose()
    from zoo.tracking import ui

    ui.serve(args.port, open_browser=not args.no_browser)
