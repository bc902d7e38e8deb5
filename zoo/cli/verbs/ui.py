"""Open the MLflow UI with the tracked runs, charts and registered models.

Starts a local server, reachable from this machine only, until Ctrl-C. Other users of the machine
can open it too, unless --private hides it behind a random address. If MLFLOW_TRACKING_URI is a
server, opens that server instead.
"""

import sys
from argparse import ArgumentParser, Namespace

from zoo.cli import backend, output
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
    backend.quiet_libraries()
    from zoo.tracking import prepare_store, ui

    uri = prepare_store()
    if ui.is_empty(uri):
        _offer_models(uri)
    ui.serve(args.port, open_browser=not args.no_browser, private=args.private)


def _offer_models(uri: str) -> None:
    """Offers to enter the published models in a store that has nothing to show."""
    import zoo
    from zoo.cli.verbs import presets
    from zoo.tracking_store import is_server

    if not sys.stdin.isatty() or is_server(uri):  # others may share a server
        output.say("nothing is tracked yet: `zoo presets import` enters the published models")
        return
    cards = zoo.list_models()
    question = f"Nothing is tracked yet. Enter the {len(cards)} published models? [Y/n] "
    try:
        answer = input(question).strip().lower()
    except EOFError:  # Ctrl-D
        print()
        return
    if answer in ("", "y", "yes"):
        presets.enter(cards)
