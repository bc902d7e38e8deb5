"""The other processes of a training: each computes its part of every batch, and nothing else."""

import json
import os
import pkgutil
import signal
import sys
import threading
from typing import Any

from zoo.tracking_store import without_passwords


def main() -> None:
    """Runs a process that `torch_processes.started` has started, until its parent ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the parent, which ends this one
    rank, size, store, *names = json.loads(sys.stdin.buffer.readline())
    threading.Thread(target=_end_with_parent, daemon=True).start()
    ready = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what a library prints
    try:
        from zoo.training.parallel.torch_processes import READY, join

        recipe, config = map(pkgutil.resolve_name, names)
        ready.write(READY)
        ready.close()
        group = join(rank, size, store)
        follow(group, recipe, config)
        group.leave()
    except Exception as error:
        if os.environ.get("ZOO_TRACEBACK"):
            raise
        print(f"process {rank} of {size}: {without_passwords(str(error))}", file=sys.stderr)
        sys.exit(1)


def _end_with_parent() -> None:
    while os.read(sys.stdin.fileno(), 1):  # unlike `sys.stdin`, it holds no lock
        pass
    os._exit(0)


def follow(group, recipe: type, config: type) -> None:
    """Trains as the first process of the group does, until it says that the training is over.

    Args:
        group: The processes.
        recipe: The class of the recipe.
        config: The class of its configuration.

    Raises:
        ValueError: if the data of this process are others than those of the first one.
    """
    from zoo.training.checkpoint import TrainerState
    from zoo.training.config import resolve
    from zoo.training.display import Display
    from zoo.training.loop import TrainingError, fit, plan_epoch
    from zoo.training.parallel.twin import assign, build_twin, fingerprint
    from zoo.training.pretrained import with_labels_of

    message, _ = group.receive()
    settings: Any = resolve(config, message["config"], source="the first process")
    recipe = recipe(settings)
    display = Display(bar=False, prefix=f"process {group.rank}: ")
    dataset = recipe.extend(settings.data.load(settings.seed), display)
    if settings.training.init_from:
        dataset = with_labels_of(recipe.initial_model, dataset)
    columns = recipe.training_columns(dataset, display)
    preprocessor = recipe.prepare(dataset)
    model = recipe.build(dataset, preprocessor, settings.training.precision)
    examples = recipe.examples(model, columns, 0)
    message, weights = group.receive()
    boundaries = message["boundaries"]
    if fingerprint(recipe, examples, boundaries) != message["examples"]:
        raise ValueError(
            "All processes must prepare the same examples: give them the same files, and the same "
            f"version of the zoo. Received: other examples in process {group.rank} than in the "
            "first"
        )
    twin = build_twin(group, recipe, dataset, preprocessor, weights, examples, boundaries)
    while "over" not in (found := group.receive())[0]:
        place, arrays = found
        progress = TrainerState(**place, boundaries=boundaries)
        assign(twin, arrays)
        if progress.epoch and recipe.examples_vary_by_epoch:
            examples = recipe.examples(model, columns, progress.epoch)
        plan = plan_epoch(settings, progress, examples)
        try:
            fit(twin, settings, progress, examples, plan, None, display, group)
        except TrainingError:  # which the first process reports
            return
