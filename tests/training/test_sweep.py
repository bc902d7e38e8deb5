"""Sweeps: a real one of two trials, and others whose training is a stand-in."""

import json
import os
import shutil
import signal
import subprocess
import sys
from types import SimpleNamespace

import optuna
import pytest
from mlflow.exceptions import MlflowException

from recipes import sentiment
from tests.small_recipe import SMALL
from zoo.cli import main
from zoo.tracking import StoreError
from zoo.training import search_space, session
from zoo.training import sweep as sweeps
from zoo.training.lease import LeaseError
from zoo.training.loop import TrainingError
from zoo.training.sweep import sweep
from zoo.training.sweep_study import open_study

pytestmark = pytest.mark.once

FIXED = [change for change in SMALL if not change.startswith(("model.units", "evaluation."))]


def test_all_combinations_are_run_and_compared(client):
    result = sweep(sentiment.RECIPE, "quickstart", [*FIXED, "model.units=3,4"], trials=5)
    assert sorted(result.columns["model.units"]) == ["3", "4"]
    assert set(result.columns["state"]) == {"complete"} and result.columns["epochs"] == [2, 2]
    values = result.columns["dev/accuracy"]
    assert values == sorted(values, reverse=True) and result.value == values[0]
    assert result.best == [f"model.units={result.columns['model.units'][0]}"]
    experiment = client.get_run(result.run_id).info.experiment_id
    runs = client.search_runs([experiment], f"tags.sweep = '{result.plan.name}'")
    trials = {it.data.tags.get("sweep.trial"): it for it in runs}
    assert set(trials) == {"1", "2", None} and trials[None].data.tags["summary"] == "true"
    assert trials["1"].info.run_name.startswith("quickstart units=3 ")
    assert not client.search_registered_models()
    files = {it.path for it in client.list_artifacts(result.run_id, "sweep")}
    assert files == {"sweep/curves.png", "sweep/settings.png"}
    again = sweep(sentiment.RECIPE, "quickstart", [*FIXED, "model.units=3,4"], trials=5)
    assert (again.run_id, again.columns) == (result.run_id, result.columns)


@pytest.fixture
def trained(client, monkeypatch):
    """Replaces the training: `trained.curve(config)` is the accuracy after each epoch."""
    made = SimpleNamespace(curve=lambda config: [0.5, 0.6], configs=[])

    class Session:
        def __init__(self, recipe, dataset, label, overrides, display, tags, after_epoch):
            self.config, self.after_epoch = recipe.config, after_epoch

        def run(self, manifest, output):
            made.configs.append(self.config)
            history = []
            for epoch, value in enumerate(made.curve(self.config), 1):
                history.append((epoch, {"dev/accuracy": value}))
                self.after_epoch(history)
            return SimpleNamespace(run_id="r", metrics={"dev/accuracy": value})

    monkeypatch.setattr(session, "Session", Session)
    return made


def run_sweep(*changes, **options):
    return sweep(sentiment.RECIPE, "quickstart", [*FIXED, "training.epochs=4", *changes], **options)


def test_hopeless_trials_are_pruned(trained, capsys):
    rates = iter([0.9, 0.8, 0.85, 0.1, 0.95])
    trained.curve = lambda config: [next(rates)] * 4
    result = run_sweep("training.learning_rate=1e-4..1e-2", trials=5)
    assert result.columns["state"] == ["complete"] * 4 + ["pruned"]
    assert result.columns["trial"] == [5, 1, 3, 2, 4] and result.value == 0.95
    assert result.columns["epochs"][-1] == 2
    assert "trial 4: pruned after epoch 2: dev/accuracy is worse" in capsys.readouterr().err
    assert all(not config.evaluation.test for config in trained.configs)
    assert len({config.training.learning_rate for config in trained.configs}) == 5


def test_failed_trials_are_told_and_passed_over(trained):
    def curve(config):
        if config.model.units == 5:
            raise TrainingError("The loss is nan at step 3.")
        return [0.5]

    trained.curve = curve
    result = run_sweep("model.units=5,6", "model.pooling=multi_head,mean", "model.num_heads=4")
    states = dict(zip(result.columns["trial"], result.columns["state"], strict=True))
    assert sum("loss is nan" in it or "num_heads" in it for it in states.values()) >= 2
    assert "complete" in states.values()


def test_any_error_of_a_training_fails_its_trial(trained):
    class ResourceExhaustedError(Exception):  # as TensorFlow's, which no built-in error includes
        pass

    errors = {3: ResourceExhaustedError("out of memory"), 4: MemoryError()}

    def curve(config):
        if error := errors.get(config.model.units):
            raise error
        return [0.5]

    trained.curve = curve
    states = run_sweep("model.units=3,4,5").columns["state"]
    assert states == ["complete", "failed: out of memory", "failed: MemoryError"]


def test_sweep_without_a_success_ends(trained):
    def fail(config):
        raise ValueError("The data are odd.")

    trained.curve = fail
    with pytest.raises(RuntimeError, match="first 3 trials .*failed.*The data are odd"):
        run_sweep("model.units=3..30", trials=9)
    assert len(trained.configs) == 3


def test_interrupted_sweep_goes_on_with_the_same_command(trained, capsys):
    def interrupt(config):
        if len(trained.configs) == 2:
            raise KeyboardInterrupt
        return [0.5]

    trained.curve = interrupt
    with pytest.raises(KeyboardInterrupt):
        run_sweep("model.units=3..30", trials=3)
    assert "1 of 3 trials are done; the same command goes on" in capsys.readouterr().err
    result = run_sweep("model.units=3..30", trials=3)
    assert result.columns["state"].count("complete") == 3
    units = [config.model.units for config in trained.configs]
    assert len(units) == 4 and units[1] == units[2]  # the interrupted one is tried again
    capsys.readouterr()
    more = run_sweep("model.units=3..30", trials=4)
    said = capsys.readouterr().err
    assert (
        f"sweep {more.plan.name}: 4 trials (3 done) of model.units 3 to 30 (whole numbers)" in said
    )
    assert len(more.columns["trial"]) == 4 and more.plan.name == result.plan.name


@pytest.mark.parametrize(
    "error",
    [
        LeaseError("The run is in progress."),
        StoreError("The server is away."),
        MlflowException("The server is away."),
        optuna.exceptions.StorageInternalError("The database is locked."),
    ],
)
def test_trial_whose_run_or_store_is_busy_is_tried_again(trained, error):
    def fail(config):
        raise error

    trained.curve = fail
    with pytest.raises(type(error)):
        run_sweep("model.units=3,4")
    trained.curve = lambda config: [0.5]
    assert run_sweep("model.units=3,4").columns["state"] == ["complete"] * 2
    assert [config.model.units for config in trained.configs] == [3, 4, 3]


def test_terminated_sweep_says_how_to_go_on(trained, capsys):
    def terminate(config):
        os.kill(os.getpid(), signal.SIGTERM)
        return [0.5]

    trained.curve = terminate
    with pytest.raises(SystemExit, match="143"):
        run_sweep("model.units=3,4")
    assert "0 of 2 trials are done; the same command goes on" in capsys.readouterr().err


def test_worker_ends_with_its_parent():
    script = """
import multiprocessing, time
from types import SimpleNamespace
from zoo.training import sweep

def work(plan, number):
    print("started", flush=True)
    time.sleep(60)

sweep.work = work
context = multiprocessing.get_context("fork")
context.Process(target=sweep._worker, args=(SimpleNamespace(workers=1), 0)).start()
"""
    parent = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE)
    assert parent.stdout.readline() == b"started\n"
    parent.kill()
    parent.communicate(timeout=30)  # to the end of the output, which the worker has open too


def test_sweep_whose_workers_end_early_is_not_summarized(trained, monkeypatch, capsys):
    monkeypatch.setattr(sweeps, "_work_in_processes", lambda plan: None)
    words = ["sentiment/quickstart", *FIXED, "model.units=3,4", "--workers", "2", "--name", "mine"]
    assert main(["sweep", *words, "--seeds", "1,2"]) == 1
    said = capsys.readouterr().err
    assert "ended before all trials did" in said and "0 of 2 trials, workers=2" in said
    assert "next: zoo sweep sentiment/quickstart" in said
    assert "model.units=3,4 --trials 2 --workers 2 --name mine" in said


GRID = ("model.units=3,4", "training.learning_rate=0.01,0.02")


def combinations(columns):
    return set(zip(columns["model.units"], columns["training.learning_rate"], strict=True))


def test_grid_that_grows_misses_no_combination(trained):
    plan = run_sweep(*GRID, trials=1, name="mine").plan
    study = open_study(plan, plan.resolve())
    for _ in range(2):
        study.enqueue_trial(study.trials[0].params)
    states = run_sweep(*GRID, trials=3, name="mine").columns["state"]
    assert sorted(states) == ["complete", "same as 1", "same as 1"]
    grown = run_sweep(*GRID, trials=4, name="mine")
    assert len(combinations(grown.columns)) == 4 and len(trained.configs) == 4


def test_combination_of_a_killed_process_is_not_lost(trained, monkeypatch):
    def stop(space, trial):
        suggest(space[:1], trial)
        raise KeyboardInterrupt

    def interrupt(*arguments, **options):
        raise KeyboardInterrupt

    suggest = search_space.suggest
    for target, name, replacement in (
        (search_space, "suggest", stop),  # before it has all values
        (optuna.Study, "tell", interrupt),  # when it is to be tried again
    ):
        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(target, name, replacement)
            run_sweep(*GRID)
    assert len(combinations(run_sweep(*GRID).columns)) == 4
    assert len(trained.configs) == 4


def test_name_of_a_file_with_a_quote(trained, tmp_path):
    file = tmp_path / "o'brien's: 1.yaml"
    shutil.copy(sentiment.RECIPE.folder / "quickstart.yaml", file)
    result = sweep(sentiment.RECIPE, str(file), [*FIXED, "model.units=3,4"])
    assert result.plan.name.startswith("o_brien_s_ 1-")


def test_a_name_belongs_to_one_space(trained):
    run_sweep("model.units=3,4", name="mine")
    with pytest.raises(ValueError, match="another --name. Received: name=mine"):
        run_sweep("model.units=3,4,5", name="mine")


def test_trials_on_other_data_or_of_a_changed_file_are_others(trained, tmp_path):
    file = tmp_path / "mine.yaml"
    original = (sentiment.RECIPE.folder / "quickstart.yaml").read_text("utf-8")
    file.write_text(original, "utf-8")
    arguments = (sentiment.RECIPE, str(file), [*FIXED, "model.units=3,4"])
    names = {sweep(*arguments).plan.name}
    assert len(trained.configs) == 2
    file.write_text(original.replace("dropout: 0.1", "dropout: 0.2"), "utf-8")
    names.add(sweep(*arguments).plan.name)
    assert len(names) == 2 and len(trained.configs) == 4
    with pytest.raises(ValueError, match="another recipe, data, .*Received: name=mine"):
        for dropout in (0.1, 0.2):
            file.write_text(original.replace("dropout: 0.1", f"dropout: {dropout}"), "utf-8")
            sweep(*arguments, name="mine")


def test_a_sweep_is_run_by_one_command_at_a_time(trained):
    plan = run_sweep("model.units=3,4", name="mine").plan
    with (
        sweeps._only_process(plan),
        pytest.raises(RuntimeError, match="Another process runs this sweep"),
    ):
        run_sweep("model.units=3,4", name="mine")


def test_json_and_next_command(trained, capsys):
    words = ["sweep", "sentiment/quickstart", *FIXED, "training.epochs=4", "model.units=3,4"]
    assert main([*words, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert len(found["trials"]) == 2 and found["best"][0].startswith("model.units=")
    assert main(words) == 0
    said = capsys.readouterr().out
    assert "next: zoo run sentiment/quickstart" in said and "--seeds 1,2,3" in said


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["model.units=3,4", "--trials", "0"], "a whole number from 1 to 10,000"),
        (["model.units=3,4", "--name", "a/b"], "The name of a sweep"),
        (["model.units=3,4", "-o", "x"], "--output is for the model of --seeds"),
        (["model.unitz=3,4"], "Did you mean model.units?"),
    ],
)
def test_wrong_use(words, message, capsys):
    assert main(["sweep", "sentiment/quickstart", *words]) == 2
    assert message in capsys.readouterr().err


def test_without_optuna(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "optuna", None)
    assert main(["sweep", "sentiment/quickstart", "model.units=3,4"]) == 1
    said = capsys.readouterr().err
    assert "optuna, which is not installed" in said
    assert said.endswith('next: pip install "seqzoo[sweep]"\n')
