"""Serve a model over HTTP, with MLflow's protocol, and a page to try it by hand.

Batches of texts of up to 256 words, and of recordings of up to 8 s, are compiled before the server
is ready. Requests that arrive at the same time are answered together. POST /invocations takes
{"inputs": [...], "params": {...}} and MLflow's other formats; images and recordings are sent in
base64. GET /health says whether it runs. The server has no password: beyond this machine put it
behind one that has.
"""

import warnings
from argparse import ArgumentParser, Namespace
from functools import partial

from zoo.checks import MAX_BATCH
from zoo.cli import backend, models, output
from zoo.cli.errors import WrongUse, command

EXAMPLES = """\
  zoo serve bilstm_bahdanau_nsmc_ko
  zoo serve models:/quickstart@champion --port 8080 --backend jax
  zoo serve gru_bahdanau_multi30k_en_de --max-batch 16 --max-wait 20
  zoo serve cnn_lstm_bahdanau_flickr8k_en --host 0.0.0.0 --allow-host models.example.org"""
NEXT = "zoo serve --help"

MAX_MEGABYTES = 1024


def arguments(parser: ArgumentParser) -> None:
    models.add_argument(parser)
    parser.add_argument(
        "--port", type=int, default=5001, metavar="N", help="port of the server (default: 5001)"
    )
    parser.add_argument(
        "--host",
        default="127.0.0.1",
        metavar="ADDRESS",
        help="address to listen at (default: 127.0.0.1, this machine alone)",
    )
    parser.add_argument(
        "--allow-host",
        action="append",
        default=[],
        metavar="NAME",
        help="a name by which clients call the server, besides localhost; repeatable",
    )
    parser.add_argument(
        "--max-batch",
        type=int,
        default=32,
        metavar="N",
        help="most inputs that are answered together (default: 32)",
    )
    parser.add_argument(
        "--max-wait",
        type=float,
        default=5.0,
        metavar="MS",
        help="milliseconds that a request waits for others on a busy server (default: 5)",
    )
    parser.add_argument(
        "--max-megabytes",
        type=int,
        default=32,
        metavar="N",
        help="largest request (default: 32)",
    )
    parser.add_argument(
        "--no-warm-up",
        action="store_true",
        help="start without compiling; the first requests of each length then take seconds",
    )
    backend.add_argument(parser)


def run(args: Namespace) -> None:
    _check(args)
    found = models.find(args.model)
    from zoo.serving import server

    try:
        server.check_port(args.host, args.port)
    except ValueError as error:
        port = args.port % 65535 + 1
        raise WrongUse(
            str(error), hint=command("zoo", "serve", args.model, "--port", port)
        ) from None
    model = models.load(found, args.backend)
    if not args.no_warm_up:
        _warm_up(model, found.task, args.max_batch)
    from zoo.serving.app import HOSTS, create_app
    from zoo.serving.batcher import MicroBatcher

    batcher = MicroBatcher(model.infer, args.max_batch, args.max_wait / 1000)
    name = found.card.name if found.card else found.directory.name
    hosts = (*HOSTS, args.host, *args.allow_host)
    limit = args.max_megabytes * 1_000_000
    app = create_app(model, found.task, name, batcher, limit, hosts)
    host = f"[{args.host}]" if ":" in args.host else args.host
    address = f"http://{host}:{args.port}"

    def ready():
        output.say(f"{name} is ready: {address}")
        output.say("Press Ctrl-C to stop the server.")

    try:
        server.serve(app, args.host, args.port, ready)
    finally:
        batcher.close()


def _check(args: Namespace) -> None:
    limits = {
        "--port": (args.port, 1, 65535),
        "--max-batch": (args.max_batch, 1, min(MAX_BATCH, 1024)),
        "--max-wait": (args.max_wait, 0, 10_000),
        "--max-megabytes": (args.max_megabytes, 1, MAX_MEGABYTES),
    }
    for name, (value, least, most) in limits.items():
        if not least <= value <= most:
            raise WrongUse(
                f"{name} must be from {least:,} to {most:,}. Received: {name} {value:g}",
                hint="zoo serve --help",
            )


def _warm_up(model, task, max_inputs: int) -> None:
    """Compiles the model for the shapes of batches, with a progress bar on a terminal."""
    from rich.console import Console
    from rich.progress import track

    from zoo.serving.warm_up import warm_up_inputs

    console = Console(stderr=True)
    batches = list(warm_up_inputs(model, task.input, max_inputs))
    show = partial(track, console=console, disable=not console.is_terminal, transient=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the inputs mean nothing
        for inputs in show(batches, description="Compiling …"):
            model.infer(inputs)
