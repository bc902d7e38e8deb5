"""A run from its start to its end, in a real store."""

import json
import os
import signal
import threading
from contextlib import suppress
from pathlib import Path

import pytest
import yaml
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from zoo.tracking import Gate, StoreError, lifecycle, start_run

pytestmark = pytest.mark.once

CONFIG = {
    "name": "quickstart",
    "description": "A first model.",
    "seed": 7,
    "model": {"cell": "lstm", "units": 16, "pooling": None, "layers": [1, 2], "extra": {}},
    "training": {"learning_rate": 1e-3, "jit": True},
}


@pytest.fixture
def start(client, dataset):
    def start(name="bilstm", **kwargs):
        kwargs = {"config": CONFIG, "dataset": dataset, "tags": {"study": "s1"}} | kwargs
        return start_run("sentiment", name, **kwargs)

    return start


def models(client, run):
    return client.search_logged_models([run.experiment_id])


def test_start_logs_params_tags_and_config(client, start, dataset, tmp_path):
    with start() as run:
        entity = client.get_run(run.id)
    assert entity.info.run_name == "bilstm"
    assert entity.data.params == {
        "name": "quickstart",
        "description": "A first model.",
        "seed": "7",
        "model.cell": "lstm",
        "model.units": "16",
        "model.pooling": "null",
        "model.layers": "[1, 2]",
        "model.extra": "{}",
        "training.learning_rate": "0.001",
        "training.jit": "true",
    }
    tags = entity.data.tags
    assert tags["study"] == "s1" and tags["mlflow.note.content"] == "A first model."
    assert tags["backend"] == os.environ.get("KERAS_BACKEND", "tensorflow")
    assert tags["device"] and tags["version.keras"].startswith("3.")
    assert tags["dataset.digest"] == dataset.digest and tags["dataset.licence"] == "CC0-1.0"
    assert "mlflow.parentRunId" not in tags
    config = client.download_artifacts(run.id, "config.yaml", str(tmp_path))
    assert yaml.safe_load(Path(config).read_text()) == CONFIG


def test_dataset_is_logged_with_digest_and_samples(client, start, dataset, tmp_path):
    with start() as run:
        pass
    (given,) = client.get_run(run.id).inputs.dataset_inputs
    assert (given.dataset.name, given.dataset.digest) == ("reviews", "0123456789ab")
    assert json.loads(given.dataset.profile) == {"num_rows": 14, "train": 8, "dev": 6}
    assert given.tags[0].value == "train, dev"
    kept = json.loads(Path(client.download_artifacts(run.id, "dataset.json")).read_text())
    assert kept["digest"] == dataset.digest and kept["citation"] == "Nobody, 2024"
    assert kept["samples"]["train"]["text"] == [f"text {i}" for i in range(5)]


def test_metrics_of_a_step_are_one_request(client, start, monkeypatch):
    requests = []
    log_batch = MlflowClient.log_batch
    monkeypatch.setattr(
        MlflowClient,
        "log_batch",
        lambda self, *a, **k: requests.append(k) or log_batch(self, *a, **k),
    )
    with start() as run:
        requests.clear()
        for epoch in (1, 2, 3):
            run.log_metrics({"train/loss": 1 / epoch, "dev/accuracy": epoch / 4}, epoch)
        assert len(requests) == 3
    history = client.get_metric_history(run.id, "dev/accuracy")
    assert [(m.step, m.value) for m in history] == [(1, 0.25), (2, 0.5), (3, 0.75)]


def test_logged_files(client, start, tmp_path):
    from matplotlib.figure import Figure

    figure = Figure()
    figure.subplots().plot([1, 2])
    (tmp_path / "maps").mkdir()
    (tmp_path / "maps" / "a.svg").write_text("<svg/>")
    with start() as run:
        run.log_figure(figure, "figures/curve.png")
        run.log_table({"text": ["a", "좋아요"], "prediction": ["no", "yes"]}, "samples.json")
        run.log_text("# Report", "report.md")
        run.log_file(tmp_path / "maps" / "a.svg", "maps")
        run.log_file(tmp_path / "maps", "more")
    names = {file.path for file in client.list_artifacts(run.id)}
    assert {"config.yaml", "samples.json", "report.md", "dataset.json"} <= names
    for path in ("figures/curve.png", "maps/a.svg", "more/a.svg"):
        assert Path(client.download_artifacts(run.id, path)).stat().st_size > 0
    table = json.loads(Path(client.download_artifacts(run.id, "samples.json")).read_text())
    assert table == {"columns": ["text", "prediction"], "data": [["a", "no"], ["좋아요", "yes"]]}


def test_model_is_pending_then_ready_and_searchable(client, start, preset, card):
    with start() as run:
        (announced,) = models(client, run)
        assert announced.status == "PENDING"
        run.log_metrics({"dev/accuracy": 0.9}, 4)
        uri = run.log_model(preset, card)
        registered = run.register(
            uri, "tiny_en", card, Gate("accuracy", 0.8).check(dict(card.metrics))
        )
    assert uri == f"models:/{announced.model_id}"
    (model,) = client.search_logged_models(
        [run.experiment_id],
        filter_string="metrics.accuracy > 0.8 AND tags.task = 'text_classifier'",
        datasets=[{"dataset_name": "reviews", "dataset_digest": "0123456789ab"}],
    )
    assert model.model_id == announced.model_id and model.status == "READY"
    assert model.params["model.units"] == "16"
    assert model.tags["sha256"] == card.sha256
    entity = client.get_run(run.id)
    assert entity.info.status == "FINISHED"
    assert [output.model_id for output in entity.outputs.model_outputs] == [model.model_id]
    assert (registered.version, registered.champion) == (1, True)
    version = client.get_model_version_by_alias("tiny_en", "champion")
    assert version.source == uri and version.run_id == run.id
    linked = client.get_logged_model(model.model_id).tags["mlflow.modelVersions"]
    assert json.loads(linked) == [{"name": "tiny_en", "version": "1"}]


@pytest.mark.parametrize("address", ["models:/tiny@champion", "models:/tiny/1", "logged"])
def test_a_registered_model_is_found_by_its_addresses(start, preset, card, address):
    from mlflow.artifacts import download_artifacts

    with start() as run:
        logged = run.log_model(preset, card)
        run.register(logged, "tiny", card, Gate("accuracy", 0.1).check(card.metrics))
    folder = Path(download_artifacts(logged if address == "logged" else address))
    assert (folder / "preset" / "config.json").is_file() and (folder / "MLmodel").is_file()


def test_run_without_a_model_deletes_its_entry(client, start):
    with start() as run:
        assert len(models(client, run)) == 1
    assert models(client, run) == []
    assert "zoo.model_id" not in client.get_run(run.id).data.tags


@pytest.mark.parametrize(
    ("error", "status"),
    [(ValueError("too bad"), "FAILED"), (KeyboardInterrupt(), "KILLED"), (SystemExit(1), "KILLED")],
)
def test_error_sets_the_status(client, start, error, status):
    with pytest.raises(type(error)), start() as run:
        raise error
    entity = client.get_run(run.id)
    assert entity.info.status == status and entity.info.end_time
    assert models(client, run)[0].status == "FAILED"
    assert type(error).__name__ in entity.data.tags["error"]
    report = Path(client.download_artifacts(run.id, "error.txt")).read_text()
    assert "Traceback" in report and "raise error" in report


@pytest.mark.skipif(os.name == "nt", reason="no SIGTERM there")
def test_sigterm_kills_the_run(client, start):
    with pytest.raises(SystemExit) as caught, start() as run:
        os.kill(os.getpid(), signal.SIGTERM)
        threading.Event().wait(5)
    assert caught.value.code == 143
    assert client.get_run(run.id).info.status == "KILLED"
    assert models(client, run)[0].status == "FAILED"
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


@pytest.mark.skipif(os.name == "nt", reason="no SIGHUP there")
@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGHUP])
def test_a_second_signal_does_not_interrupt_the_end(client, start, monkeypatch, second):
    fail = lifecycle._fail

    def interrupted_fail(*arguments):
        os.kill(os.getpid(), second)
        fail(*arguments)

    monkeypatch.setattr(lifecycle, "_fail", interrupted_fail)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # `nohup` ignores it
    with pytest.raises(SystemExit) as caught, start() as run:
        os.kill(os.getpid(), signal.SIGHUP)
        threading.Event().wait(5)
    assert caught.value.code == 129
    assert client.get_run(run.id).info.status == "KILLED"
    assert models(client, run)[0].status == "FAILED"
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_DFL


def test_a_signal_that_a_callback_swallows_can_be_repeated(client, start):
    """Python ignores exceptions in finalizers, such as those of JAX after a garbage collection."""

    class Finalized:
        def __del__(self):
            with suppress(SystemExit):
                os.kill(os.getpid(), signal.SIGTERM)
                threading.Event().wait(5)

    with pytest.raises(SystemExit), start() as run:
        Finalized()
        os.kill(os.getpid(), signal.SIGTERM)
        threading.Event().wait(5)
    assert client.get_run(run.id).info.status == "KILLED"


def test_ignored_hangup_stays_ignored(client, start):
    """As under `nohup`."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with start() as run:
            os.kill(os.getpid(), signal.SIGHUP)
        assert client.get_run(run.id).info.status == "FINISHED"
    finally:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)


def test_error_of_a_run_has_no_password(client, start):
    address = "http://me:secret@host"
    with pytest.raises(ValueError), start() as run:
        raise ValueError(f"API request to {address} failed")
    entity = client.get_run(run.id)
    report = Path(client.download_artifacts(run.id, "error.txt")).read_text()
    assert "me:***@host" in entity.data.tags["error"] and "me:***@host" in report
    assert "secret" not in entity.data.tags["error"] + report


def test_failing_store_does_not_hide_the_error(client, start, monkeypatch, caplog):
    def refuse(*args, **kwargs):
        raise ConnectionError("gone")

    with pytest.raises(ZeroDivisionError), start():
        monkeypatch.setattr(MlflowClient, "log_batch", refuse)
        raise ZeroDivisionError
    assert "could not be tracked: gone" in caplog.text


def test_failing_store_keeps_the_hint_of_the_error(client, start):
    with pytest.raises(StoreError, match="no longer be tracked: disk is full") as raised:
        with start() as run:
            error = MlflowException("disk is full\n(see https://example.com)")
            error.hint = "zoo run x --resume y"
            raise error
    assert raised.value.hint == "zoo run x --resume y"
    assert client.get_run(run.id).info.status == "FAILED"


def test_resume_continues_the_run_and_its_model(client, start, preset, card):
    with pytest.raises(KeyboardInterrupt), start() as first:
        first.log_metrics({"train/loss": 1.0}, 1)
        raise KeyboardInterrupt
    (before,) = models(client, first)
    later = CONFIG | {"training": {"learning_rate": 0.5, "jit": True, "epochs": 9}}
    with start(config=later, resume=first.id) as run:
        entity = client.get_run(run.id)
        assert entity.info.status == "RUNNING" and "error" not in entity.data.tags
        run.log_metrics({"train/loss": 0.5}, 2)
        run.log_model(preset, card)
    assert (run.id, run.name) == (first.id, "bilstm")
    entity = client.get_run(run.id)
    assert entity.info.status == "FINISHED"
    assert entity.data.params["training.learning_rate"] == "0.001"
    assert entity.data.params["training.epochs"] == "9"
    assert entity.data.tags["resumed.changes"] == "training.learning_rate: 0.001 → 0.5"
    assert [m.step for m in client.get_metric_history(run.id, "train/loss")] == [1, 2]
    (model,) = models(client, run)
    assert (model.model_id, model.status) == (before.model_id, "READY")


def test_resume_of_an_unknown_run(start):
    with pytest.raises(ValueError, match="no such run.*Received: resume='nothing'"):
        with start(resume="nothing"):
            pass


def test_run_launched_by_mlflow_is_used(client, start, monkeypatch):
    launched = client.create_run("0", run_name="launched").info.run_id
    monkeypatch.setenv("MLFLOW_RUN_ID", launched)
    with start() as run:
        pass
    entity = client.get_run(launched)
    assert (run.id, run.experiment_id) == (launched, "0")
    assert entity.info.run_name == "bilstm" and entity.info.status == "FINISHED"
    assert entity.data.tags["study"] == "s1" and entity.data.params["seed"] == "7"


def test_deleted_experiment_is_refused(client, start):
    with start() as run:
        pass
    client.delete_experiment(run.experiment_id)
    with pytest.raises(ValueError, match="was deleted.*restore.*Received: experiment='sentiment'"):
        with start():
            pass


def test_params_are_logged_in_several_requests(client, start):
    with start(config={"many": {f"key{i}": i for i in range(250)}}, dataset=None) as run:
        pass
    assert len(client.get_run(run.id).data.params) == 250


def test_system_metrics_are_logged(client, start, monkeypatch):
    monkeypatch.setattr(lifecycle, "SAMPLING_SECONDS", 0.1)
    with start() as run:
        threading.Event().wait(1.0)
    metrics = client.get_run(run.id).data.metrics
    assert 0 < metrics["system/system_memory_usage_percentage"] <= 100


def test_url_of_the_run(client, start):
    with start() as run:
        page = f"#/experiments/{run.experiment_id}/runs/{run.id}?workflowType=machine_learning"
        assert run.url() == f"http://127.0.0.1:5000/{page}"


def test_artifacts_are_stored_in_the_home(client, home, dataset):
    with start_run("a b/c", "r", config={}, dataset=dataset) as run:
        run.log_text("x", "x.txt")
    assert (home / "runs" / "artifacts" / "a%20b%2Fc" / run.id / "artifacts" / "x.txt").is_file()
