"""Runs whose process, store or place on the disk is lost, and what is left of them."""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from recipes import sentiment
from recipes.sentiment.recipe import SentimentRecipe
from zoo.cli import main
from zoo.processes import Process, temporary_root
from zoo.tracking import StoreError, lifecycle, start_run
from zoo.tracking.abandoned import PROCESS_TAG
from zoo.tracking.run import Run
from zoo.tracking.signals import SIGNALS
from zoo.training import loop
from zoo.training import run as run_recipe
from zoo.training.checkpoint import Checkpoint
from zoo.training.lease import LeaseError
from zoo.training.leftovers import find_leftovers
from zoo.training.session import Session

pytestmark = pytest.mark.once

ELSEWHERE = Process("elsewhere", "", 7, 1.0)
DEAD = replace(Process.current(), pid=2**22 + 1)  # above the greatest id
STEPS = ["training.checkpoint_every=2", "training.max_steps=6"]


class Killed(BaseException):
    """A kill: nothing is cleaned up."""


@pytest.fixture
def killable(monkeypatch):
    """No cleanup, as after SIGKILL; and the function `kill_at(target, name, after)`."""
    monkeypatch.setattr(lifecycle, "_fail", lambda *arguments: None)
    monkeypatch.setattr(Session, "_clean_up", lambda *arguments: None)

    def kill_at(patch, target, name, after=False):
        original = getattr(target, name)

        def kill(*arguments, **options):
            if after:
                original(*arguments, **options)
            raise Killed

        patch.setattr(target, name, kill)

    return kill_at


def only_run(client):
    (experiment,) = client.search_experiments(filter_string="name = 'sentiment'")
    (run,) = client.search_runs([experiment.experiment_id])
    return run


def die(client, run_id, process=DEAD):
    """Makes a run, and its checkpoint, those of another process."""
    client.set_tag(run_id, PROCESS_TAG, process.to_json())
    process.own(Checkpoint(run_id).folder)


def resume(run_id, *overrides):
    return run_recipe(sentiment.RECIPE, "quickstart", overrides, resume=run_id)


def test_each_step_of_finishing_is_done_once(run, client, home, monkeypatch, killable):
    """Killed at four places in turn, and resumed after each."""
    reports = []
    report = SentimentRecipe.report

    def counted(*arguments, **options):
        report(*arguments, **options)
        reports.append(1)

    monkeypatch.setattr(SentimentRecipe, "report", staticmethod(counted))
    run_id = None
    places = [
        (Run, "log_figure", False),  # within the report
        (MlflowClient, "log_outputs", True),
        (MlflowClient, "set_registered_model_alias", True),
        (MlflowClient, "set_terminated", False),
    ]
    for target, name, after in places:
        with monkeypatch.context() as patch, pytest.raises(Killed):
            killable(patch, target, name, after)
            if run_id is None:
                run("evaluation.gate=0", "evaluation.samples=2", *STEPS)
            else:
                resume(run_id)
        entity = only_run(client)
        run_id = entity.info.run_id
        assert entity.info.status == "RUNNING"
        die(client, run_id)
    result = resume(run_id)

    entity = only_run(client)
    assert entity.info.status == "FINISHED" and not (home / "checkpoints" / run_id).exists()
    (model,) = client.search_logged_models([entity.info.experiment_id])
    assert model.status == "READY" and result.model_uri == f"models:/{model.model_id}"
    assert [it.model_id for it in entity.outputs.model_outputs] == [model.model_id]
    (version,) = client.search_model_versions("name = 'quickstart'")
    assert version.source == result.model_uri and result.registered.champion
    assert len(reports) == 1
    table = json.loads(Path(client.download_artifacts(run_id, "samples.json")).read_text())
    assert len(table["data"]) == 2
    for metric, count in {"train/loss": 1, "dev/accuracy": 2}.items():  # of the model too
        history = client.get_metric_history(run_id, metric)
        assert [it.step for it in history] == [1] * count
    size = {"model/parameters", "model/megabytes"}
    assert set(result.metrics) | size == {metric.key for metric in model.metrics}


def test_training_that_goes_on_after_the_model_was_logged_gives_another(
    run, client, monkeypatch, killable
):
    with monkeypatch.context() as patch, pytest.raises(Killed):
        killable(patch, MlflowClient, "set_terminated")
        run(*STEPS)
    run_id = only_run(client).info.run_id
    die(client, run_id)
    result = resume(run_id, "training.max_steps=9")
    entity = only_run(client)
    models = client.search_logged_models([entity.info.experiment_id])
    assert {it.status for it in models} == {"READY"} and len(models) == 2
    assert client.get_logged_model(result.model_uri[8:]).tags["sha256"] == result.card.sha256


def test_a_run_in_progress_is_not_resumed_and_a_dead_one_is(run, client, monkeypatch, killable):
    with monkeypatch.context() as patch, pytest.raises(Killed):
        killable(patch, loop._Steps, "on_epoch_end")
        run(*STEPS)
    run_id = only_run(client).info.run_id
    client.set_terminated(run_id, "KILLED")
    with subprocess.Popen(["sleep", "60"]) as alive:
        die(client, run_id, replace(Process.current(), pid=alive.pid, started=time.time()))
        with pytest.raises(LeaseError, match=f"in progress: process {alive.pid} on .*Received"):
            resume(run_id)
        alive.send_signal(signal.SIGKILL)
    assert only_run(client).info.status == "KILLED"  # it was not touched
    die(client, run_id, replace(DEAD, pid=alive.pid))
    assert resume(run_id).run_id == run_id
    assert only_run(client).info.status == "FINISHED"


def test_a_process_whose_run_was_taken_over_stops(run, client, monkeypatch):
    count = loop._Steps.on_train_batch_end

    def taken_over(self, batch, logs=None):
        if self.step_before + batch + 1 == 5:
            die(client, self.checkpoint.run_id, ELSEWHERE)
        count(self, batch, logs)

    monkeypatch.setattr(loop._Steps, "on_train_batch_end", taken_over)
    with pytest.raises(LeaseError, match="taken over by process 7 on elsewhere"):
        run(*STEPS)
    entity = only_run(client)
    assert entity.info.status == "RUNNING" and "error" not in entity.data.tags
    checkpoint = Checkpoint(entity.info.run_id)
    assert checkpoint.progress().step == 4
    assert Process.owner_of(checkpoint.folder) == ELSEWHERE


def test_killed_runs_are_closed_by_tidy_and_by_the_next_start(
    run, client, home, monkeypatch, killable, capsys
):
    with monkeypatch.context() as patch, pytest.raises(Killed):
        killable(patch, loop._Steps, "on_epoch_end")
        run(*STEPS)
    late = only_run(client).info.run_id
    ids = []
    for name in ("early", "elsewhere"):
        with pytest.raises(Killed), start_run("sentiment", name, config={}) as begun:
            ids.append(begun.id)
            raise Killed
    early, elsewhere = ids
    ids = [early, late, elsewhere]
    Process.current().own(temporary_root() / "in use")
    old = home / "models" / ".part-1-x"
    old.mkdir(parents=True)
    os.utime(old, (0, 0))

    def statuses():
        runs = [client.get_run(it) for it in ids]
        models = [client.get_logged_model(it.data.tags["zoo.model_id"]).status for it in runs]
        return [it.info.status for it in runs], models

    before = ["RUNNING"] * 3, ["PENDING"] * 3
    assert find_leftovers() == [old] and statuses() == before
    assert main(["runs", "tidy"]) == 0  # of living processes
    assert statuses() == before and not old.exists()
    temporary = temporary_root() / "left"
    DEAD.own(temporary)
    die(client, early)
    die(client, late)
    die(client, elsewhere, ELSEWHERE)
    capsys.readouterr()
    assert main(["runs", "tidy", "--dry-run"]) == 0
    said = capsys.readouterr()
    assert "would be closed as KILLED" in said.out and statuses() == before
    assert f"{temporary}: would be removed" in said.out and temporary.exists()
    assert f"to resume: zoo run sentiment/quickstart --resume {late[:8]} --backend " in said.err
    assert main(["runs", "tidy"]) == 0
    after = ["KILLED", "KILLED", "RUNNING"], ["FAILED", "FAILED", "PENDING"]
    assert statuses() == after
    assert client.get_run(early).data.tags["error"].startswith("The process ended")
    assert not temporary.exists() and (temporary_root() / "in use").exists()
    assert sorted(it.name for it in (home / "checkpoints").iterdir()) == sorted([late, elsewhere])
    assert f"run {early} (early): closed as KILLED" in capsys.readouterr().out
    assert main(["runs", "tidy"]) == 0
    assert capsys.readouterr().out.startswith("Nothing to tidy")

    client.update_run(early, status="RUNNING")
    client.update_run(late, status="RUNNING")
    DEAD.own(temporary)
    resume(late)  # the next start closes the others, and keeps what it resumes
    assert statuses() == (["KILLED", "FINISHED", "RUNNING"], ["FAILED", "READY", "PENDING"])
    assert not temporary.exists()


@pytest.fixture
def failing_store(monkeypatch):
    """A store whose `log_batch` fails for the metrics of the given epochs, as often as given."""
    failures = {}
    log_metrics = Run.log_metrics

    def failing(self, metrics, step):
        if failures.get(step, 0) > 0:
            failures[step] -= 1
            raise MlflowException("API request to http://me:secret@host failed")
        log_metrics(self, metrics, step)

    monkeypatch.setattr(Run, "log_metrics", failing)
    return failures


def test_training_goes_on_while_the_store_fails(run, client, failing_store, capsys):
    failing_store[1] = 2
    result = run("training.epochs=3", "training.max_steps=30")
    history = client.get_metric_history(result.run_id, "train/loss")
    assert [it.step for it in history] == [1, 2, 3]
    said = capsys.readouterr().err
    assert "training goes on, and the metrics of 1 epoch are kept until it works" in said
    assert "metrics of 2 epochs" in said and "secret" not in said


def test_store_that_fails_to_the_end_leaves_a_run_to_resume(run, client, failing_store, capsys):
    failing_store[1] = 3
    with pytest.raises(StoreError, match="can no longer be tracked: .*then resume") as raised:
        run("training.max_steps=20")
    run_id = only_run(client).info.run_id
    assert raised.value.hint == "zoo track push"  # training is over
    assert Checkpoint(run_id).progress().epoch == 2
    result = resume(run_id)
    history = client.get_metric_history(result.run_id, "train/loss")
    assert [it.step for it in history] == [1, 2]


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGHUP there")
@pytest.mark.parametrize(
    ("number", "lost", "expected"),
    [
        (signal.SIGHUP, False, "SystemExit(129)"),
        (signal.SIGTERM, True, "SystemExit(143)"),
        (signal.SIGINT, True, "KeyboardInterrupt()"),
    ],
)
def test_signal_ends_the_run_and_prints_how_to_resume(
    number, lost, expected, run, client, monkeypatch, capsys
):
    """Also if its exception is lost, as in NumPy's conversion of an array of JAX."""
    count, steps = loop._Steps.on_train_batch_end, []

    def stop(self, batch, logs=None):
        count(self, batch, logs)
        steps.append(self.progress.step)
        if self.progress.step == 3:
            with suppress(BaseException if lost else ()):
                os.kill(os.getpid(), number)

    monkeypatch.setattr(loop._Steps, "on_train_batch_end", stop)
    before = signal.signal(number, SIGNALS[number])  # background jobs ignore some
    try:
        with pytest.raises((SystemExit, KeyboardInterrupt)) as raised:
            run(*STEPS)
        assert signal.getsignal(number) == SIGNALS[number]
    finally:
        signal.signal(number, before)
    assert repr(raised.value) == expected and steps == [1, 2, 3]
    entity = only_run(client)
    assert entity.info.status == "KILLED"
    assert f"--resume {entity.info.run_id[:8]}" in capsys.readouterr().err
