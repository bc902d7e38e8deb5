"""Gates and the registry's alias `champion`."""

import math
import re

import pytest

from zoo.tracking import Gate, Registered
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
