"""Progress of a run on stderr: a bar on a terminal, else one line per epoch."""

import math
import sys
from typing import Any

from zoo.tracking_store import is_server, tracking_uri


class Display:
    """Progress display.

    Args:
        bar: bool. Whether to show a progress bar on a terminal.
        prefix: Before each line. Defaults to `""`.
    """

    def __init__(self, bar: bool = True, prefix: str = ""):
        self.prefix = prefix
        self._progress: Any = None
        if bar and sys.stderr.isatty():
            from rich import progress
            from rich.console import Console

            self._progress = progress.Progress(
                progress.TextColumn("{task.description}"),
                progress.BarColumn(),
                progress.MofNCompleteColumn(),
                progress.TextColumn("{task.fields[loss]}"),
                progress.TimeRemainingColumn(),
                console=Console(stderr=True),
                transient=True,
            )

    def __enter__(self) -> "Display":
        if self._progress:
            self._progress.start()
        return self

    def __exit__(self, *error) -> None:
        if self._progress:
            self._progress.stop()

    def say(self, line: str) -> None:
        """Prints a line."""
        line = f"{self.prefix}{line}"
        if self._progress:
            self._progress.console.print(line, markup=False, highlight=False)
        else:
            print(line, file=sys.stderr, flush=True)

    def epoch(self, number: int, epochs: int, batches: int, done: int) -> None:
        """Starts the bar of an epoch, `done` of whose batches are done."""
        self.work(f"epoch {number}/{epochs}", batches, done, "compiling")

    def work(self, description: str, total: int, done: int, note: str = "") -> None:
        """Starts a bar, `done` of whose `total` parts are done."""
        if self._progress:
            for task in self._progress.task_ids:
                self._progress.remove_task(task)
            self._progress.add_task(description, total=total, completed=done, loss=note)

    def batch(self, done: int, loss: float | None) -> None:
        """Moves the bar to `done` batches."""
        for task in self._progress.task_ids if self._progress else ():
            fields = {} if loss is None else {"loss": f"loss {loss:.4f}"}
            self._progress.update(task, completed=done, **fields)


def format_metrics(metrics: dict[str, float]) -> str:
    """Formats metrics on one line: `loss 0.1234, accuracy 0.9876`."""
    return ", ".join(
        f"{name} {value:.4f}" if math.isfinite(value) else f"{name} {value}"
        for name, value in metrics.items()
    )


def run_page(run_id: str, url: str) -> str:
    """Page of a run: its URL on a server, else its id, as `zoo ui` chooses its port later."""
    return url if is_server(tracking_uri()) else f"{run_id} (zoo ui shows it)"
