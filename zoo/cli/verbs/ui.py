"""Open the MLflow UI with the tracked runs, charts and registered models.

Starts a local server, reachable from this machine only, until Ctrl-C. Other users of the machine
can open it too, unless --private hides it behind a random address. If MLFLOW_TRACKING_URI is a
server, opens that server instead.
"""

from argparse import ArgumentParser, Namespace

from zoo.cli import backend
from zoo.cli.errors import WrongUse

EXAMPLES = """\
  zoo ui
  zoo ui --port 5001 --no-browser
  zoo ui --private                (on a machine of several users)"""
NEXT = "zoo ui --help"


def arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--port", type=int, default=5000, metavar="N", help="port of the server (default: 5000)"
    )
    parser.add_argument("--no-browser", action="store_true", help="print the address only")
    parser.add_argument(
        "--private",
        action="store_true",
        help="answer only at the printed address, which carries a random token",
    )


def run(args: Namespace) -> None:
    if not 0 < args.port < 65536:
        raise WrongUse(
            f"--port must be between 1 and 65535. Received: --port {args.port}", hint="zoo ui"
        )
    backend.choose()
    from zoo.tracking import ui

    ui.serve(args.port, open_browser=not args.no_browser, private=args.private)
