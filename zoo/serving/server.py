"""Runs the app of `zoo.serving.app` until Ctrl-C."""

import asyncio
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

from zoo.tracking.signals import termination_raises

THREADS = 256  # requests that wait for an answer; each takes one thread, and the model one


def check_port(host: str, port: int) -> None:
    """Raises a `ValueError` if the port cannot be used."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise ValueError(
                f"The server cannot listen at {host}, port {port}: {error.strerror or error}. "
                f"Choose another one. Received: host={host}, port={port}"
            ) from None


def serve(app: Callable[..., Any], host: str, port: int, ready: Callable[[], None]) -> None:
    """Serves an ASGI app.

    Args:
        app: The app.
        host: The address to listen at.
        port: Its port.
        ready: Called when the server listens.
    """
    import uvicorn

    class Server(uvicorn.Server):
        async def startup(self, sockets=None):
            await super().startup(sockets)
            if self.started:
                ready()

    async def run():
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(THREADS))
        await Server(config).serve()

    config = uvicorn.Config(app, host=host, port=port, log_config=None, access_log=False)
    with termination_raises(), suppress(KeyboardInterrupt):
        asyncio.run(run())
