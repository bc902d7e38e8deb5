"""Runs whose process was killed before it could record their end."""

import logging

from mlflow import MlflowClient
from mlflow.entities import Run as RunEntity
from mlflow.exceptions import MlflowException

from zoo.processes import Process
from zoo.tracking.run import MODEL_TAG

PROCESS_TAG = "zoo.process"  # the process that works on a run
MAX_RUNS = 1000

logger = logging.getLogger(__name__)


def abandoned_runs(client: MlflowClient) -> list[RunEntity]:
    """Runs that are recorded as running, of processes of this machine that have ended.

    Those of other machines, and of unknown processes, are not among them.
    """
    experiments = [it.experiment_id for it in client.search_experiments(max_results=MAX_RUNS)]
    running = client.search_runs(experiments, "attributes.status = 'RUNNING'", max_results=MAX_RUNS)
    return [run for run in running if (owner := process_of(run)) and owner.is_dead]


def process_of(run: RunEntity) -> Process | None:
    """The process that works on a run, or worked on it last; `None` if it is unknown."""
    return Process.from_json(run.data.tags.get(PROCESS_TAG))


def close(client: MlflowClient, run: RunEntity) -> bool:
    """Records the end of an abandoned run: its status is `KILLED`, that of its model `FAILED`.

    Returns:
        Whether the store accepted it; it may belong to another user.
    """
    try:
        model_id = run.data.tags.get(MODEL_TAG)
        if model_id and client.get_logged_model(model_id).status == "PENDING":
            client.finalize_logged_model(model_id, "FAILED")
        owner = process_of(run)
        client.set_tag(run.info.run_id, "error", f"The process ended without a word: {owner}")
        client.set_terminated(run.info.run_id, "KILLED", end_time=_last_sign(client, run))
    except MlflowException as error:
        logger.warning("The end of run %s could not be recorded: %s", run.info.run_id, error)
        return False
    return True


def _last_sign(client, run) -> int:
    """The time of the run's latest metric in milliseconds since the epoch, or of its start."""
    # Those of the machine are sampled every few seconds.
    for name in sorted(run.data.metrics, key=lambda name: not name.startswith("system/"))[:1]:
        return max(it.timestamp for it in client.get_metric_history(run.info.run_id, name))
    return run.info.start_time
