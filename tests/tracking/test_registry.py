"""Gates and the registry's alias `champion`."""

import math
import re
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from mlflow import MlflowClient

from zoo.tracking import Gate, Registered, registry
from zoo.tracking.registry import describe, register

pytestmark = pytest.mark.once


@pytest.mark.parametrize(
    ("mode", "value", "passed"),
    [
        ("max", 0.8, True),
        ("max", 0.7999, False),
        ("min", 0.8, True),
        ("min", 0.8001, False),
        ("max", math.nan, False),
        ("min", math.nan, False),
        ("min", math.inf, False),
    ],
)
def test_gate_compares_with_its_threshold(mode, value, passed):
    result = Gate("accuracy", 0.8, mode).check({"accuracy": value, "loss": 1.0})
    assert result.passed is passed
    assert result.metric == "accuracy" and result.threshold == 0.8


def test_gate_result_as_text():
    assert str(Gate("bleu", 25).check({"bleu": 24.5})) == "bleu 24.5 ≥ 25: failed"
    assert str(Gate("perplexity", 80, "min").check({"perplexity": 79})) == (
        "perplexity 79 ≤ 80: passed"
    )


def test_gate_on_an_unmeasured_metric():
    with pytest.raises(ValueError, match="Did you mean `accuracy`.*Received: metric='acuracy'"):
        Gate("acuracy", 0.8).check({"accuracy": 0.9})


def test_gate_with_an_unknown_mode():
    with pytest.raises(ValueError, match="'max'.*'min'.*Received: 'higher'"):
        Gate("accuracy", 0.8, "higher")


def test_uris():
    assert Registered("a", 3, True, "").uri == "models:/a@champion"
    assert Registered("a", 3, False, "").uri == "models:/a/3"


@pytest.fixture
def attempt(client, card):
    """A function that registers a version with the metric `value`."""

    def attempt(value, threshold=0.8, mode="max", metric="accuracy", digest="d1"):
        experiment_id = "0"
        run = client.create_run(experiment_id)
        model = client.create_logged_model(experiment_id, source_run_id=run.info.run_id)
        client.finalize_logged_model(model.model_id, "READY")
        return register(
            client,
            f"models:/{model.model_id}",
            "tiny",
            card,
            Gate(metric, threshold, mode).check({metric: value}),
            run_id=run.info.run_id,
            dataset_digest=digest,
        )

    return attempt


def test_champion_is_the_best_version_that_passed(client, attempt):
    results = [attempt(value) for value in (0.7, 0.85, 0.83, 0.85, math.nan, 0.9)]
    assert [r.version for r in results] == [1, 2, 3, 4, 5, 6]
    assert [r.champion for r in results] == [False, True, False, True, False, True]
    assert int(client.get_model_version_by_alias("tiny", "champion").version) == 6
    assert "gate not passed" in results[0].reason
    assert "version 2 is better (0.85)" in results[2].reason
    assert client.get_model_version("tiny", "3").tags["champion.reason"] == results[2].reason


def test_less_is_better_in_mode_min(attempt):
    losses = (3.0, 3.5, 2.0)
    assert [attempt(x, 5, "min", "loss").champion for x in losses] == [True, False, True]


@pytest.mark.parametrize(
    ("other", "reason"),
    [
        ({"digest": "d2"}, "other rows of.*never compared.*tracking.register_as"),
        ({"metric": "macro_f1"}, "another metric"),
    ],
)
def test_incomparable_version_does_not_move_the_champion(client, attempt, other, reason):
    attempt(0.85)
    result = attempt(0.99, **other)
    assert not result.champion and re.search(reason, result.reason)
    assert "manually" in result.reason
    assert int(client.get_model_version_by_alias("tiny", "champion").version) == 1


def test_simultaneous_registrations_leave_the_best_champion(client, attempt, monkeypatch):
    """Every thread reads the champion before any of them sets it, unless they wait."""
    values = [0.9, 0.81, 0.95, 0.83, 0.82, 0.85]
    compare, together = registry._compare, threading.Barrier(len(values))

    def slow_compare(*arguments):
        found = compare(*arguments)
        time.sleep(0.05)
        return found

    def registered(value):
        together.wait()
        return attempt(value)

    monkeypatch.setattr(registry, "_compare", slow_compare)
    with ThreadPoolExecutor(len(values)) as pool:
        results = dict(zip(values, pool.map(registered, values), strict=True))
    champion = client.get_model_version_by_alias("tiny", "champion")
    assert champion.tags["gate.value"] == "0.95"
    assert sorted(it.version for it in results.values()) == [1, 2, 3, 4, 5, 6]
    best = 0.0
    for value, result in sorted(results.items(), key=lambda item: item[1].version):
        verdict = "better" if value < best else "not worse" if best else "first"
        assert verdict in result.reason, "compared in the order of the versions"
        best = max(best, value)


def test_a_version_that_is_never_compared_is_passed_over(client, attempt, monkeypatch, tmp_path):
    """As that of a process killed between creating the version and comparing it."""
    monkeypatch.setattr(registry, "PATIENCE_SECONDS", 0.1)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(registry, "_wait_for_earlier", _interrupt)
        attempt(0.99)
    client.create_model_version("tiny", str(tmp_path))  # by other means than `register`
    assert attempt(0.85).champion
    assert "did not end" in client.get_model_version("tiny", "1").tags["champion.reason"]
    began = time.monotonic()
    assert attempt(0.86).champion
    assert time.monotonic() - began < 2  # not waited for again


def _interrupt(*arguments, **options):
    raise KeyboardInterrupt


@pytest.mark.parametrize("killed_at", ["create", "wait", "alias", "reason", "link"])
def test_registering_again_after_a_kill_gives_one_version(client, card, monkeypatch, killed_at):
    run = client.create_run("0").info.run_id
    model = client.create_logged_model("0", source_run_id=run)
    uri = f"models:/{model.model_id}"
    client.finalize_logged_model(model.model_id, "READY")
    gate = Gate("accuracy", 0.8).check({"accuracy": 0.9})
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        target, name = {
            "create": (MlflowClient, "create_model_version"),
            "wait": (registry, "_wait_for_earlier"),
            "alias": (MlflowClient, "set_registered_model_alias"),
            "reason": (MlflowClient, "set_model_version_tag"),
            "link": (registry, "_link"),
        }[killed_at]
        patch.setattr(target, name, _interrupt)
        register(client, uri, "tiny", card, gate, run_id=run, dataset_digest="d")
    for _ in range(2):
        again = register(client, uri, "tiny", card, gate, run_id=run, dataset_digest="d")
        assert (again.version, again.champion) == (1, True)
    assert len(client.search_model_versions("name = 'tiny'")) == 1
    linked = client.get_logged_model(model.model_id).tags["mlflow.modelVersions"]
    assert linked == '[{"name": "tiny", "version": "1"}]'


def test_version_has_the_card_as_description(client, attempt, card):
    attempt(0.875)
    version = client.get_model_version("tiny", "1")
    assert version.description.startswith(card.description)
    assert "accuracy **0.875**" in version.description and card.sha256 in version.description
    assert version.tags["gate.value"] == "0.875"
    assert version.tags["dataset.digest"] == "d1"
    assert client.get_registered_model("tiny").tags["task"] == "text_classifier"


def test_description_is_truncated(card):
    card.description = "long " * 2000
    assert len(describe(card, Gate("accuracy", 0).check({"accuracy": 1}))) == 5000


@pytest.mark.parametrize("name", ["", "a/b", "a:b"])
def test_invalid_names_are_refused(client, card, name):
    gate = Gate("accuracy", 0).check({"accuracy": 1})
    with pytest.raises(ValueError, match="must not contain '/' or ':'.*Received: name="):
        register(client, "models:/m-1", name, card, gate, run_id="1")
