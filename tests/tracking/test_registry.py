"""Gates, and the registry's aliases `champion` and `challenger`."""

import math
import re
import threading
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest
from mlflow import MlflowClient

from zoo.tracking import Gate, Registered, champion, registry
from zoo.tracking.champion import aliases_of, succession, versions_of
from zoo.tracking.registry import RegistryError, describe, promote, register, rollback

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


def test_a_rival_must_be_surpassed():
    gate = Gate("accuracy", 0.8, rival="tiny_en")
    assert not gate.check({"accuracy": 0.8}).passed and gate.check({"accuracy": 0.81}).passed
    assert str(gate.check({"accuracy": 0.8})) == "accuracy 0.8 > 0.8 of tiny_en: failed"
    result = Gate("loss", 0.8, "min", "tiny_en").check({"loss": 0.7})
    assert str(result) == "loss 0.7 < 0.8 of tiny_en: passed"


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
    assert "version 2 is better (accuracy 0.85" in results[2].reason
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
    assert "zoo registry promote --force" in result.reason
    assert int(client.get_model_version_by_alias("tiny", "champion").version) == 1


def test_loser_is_the_challenger_until_a_better_version_comes(client, attempt):
    aliases = []
    for value in (0.85, 0.81, 0.82, 0.9):
        attempt(value)
        aliases.append(aliases_of(client, "tiny"))
    assert aliases == [
        {"champion": 1},
        {"champion": 1, "challenger": 2},
        {"champion": 1, "challenger": 3},
        {"champion": 4},
    ]
    reasons = [client.get_model_version("tiny", n).tags["champion.reason"] for n in "1234"]
    assert reasons[0].endswith("champion until version 4")
    assert "version 1 is better (accuracy 0.85, here 0.82)" in reasons[2]
    assert reasons[3] == "not worse than version 1 (accuracy 0.9, before 0.85)"
    descriptions = [client.get_model_version("tiny", n).description for n in "1234"]
    for description, reason in zip(descriptions, reasons, strict=True):
        assert description.endswith(f"\n- **Champion** {reason}")
        assert description.count("**Champion**") == 1


def test_simultaneous_registrations_leave_the_best_champion(client, attempt, monkeypatch):
    """Every thread reads the versions before any of them sets an alias."""
    values = [0.9, 0.81, 0.95, 0.83, 0.82, 0.85]
    together = threading.Barrier(len(values))
    first = threading.local()

    def read(versions):
        found = succession(versions)
        if not hasattr(first, "done"):
            first.done = True
            together.wait()
        return found

    monkeypatch.setattr(champion, "succession", read)
    monkeypatch.setattr(registry, "adopt", lambda *arguments: None)
    with ThreadPoolExecutor(len(values)) as pool:
        results = list(pool.map(attempt, values))
    best = client.get_model_version_by_alias("tiny", "champion")
    assert best.tags["gate.value"] == "0.95"
    assert sorted(it.version for it in results) == [1, 2, 3, 4, 5, 6]
    best_before = 0.0
    for version in sorted(versions_of(client, "tiny"), key=lambda it: int(it.version)):
        value, reason = float(version.tags["gate.value"]), version.tags["champion.reason"]
        verdict = "better" if value < best_before else "not worse" if best_before else "first"
        assert verdict in reason, "compared in the order of the versions"
        best_before = max(best_before, value)


def test_simultaneous_promotions_leave_the_better_one(client, attempt):
    for value in (0.9, 0.82, 0.81, 0.86):
        attempt(value)
    promote(client, "tiny", 3, force=True)  # which versions 2 and 4 are better than
    together = threading.Barrier(2)

    def promoted(number):
        together.wait()
        try:
            return promote(client, "tiny", number).reason
        except RegistryError as error:
            return str(error)

    with ThreadPoolExecutor(2) as pool:
        said = list(pool.map(promoted, (2, 4)))
    assert aliases_of(client, "tiny")["champion"] == 4
    assert "not worse" in said[1] and ("not worse" in said[0] or "better" in said[0])


def test_two_promotions_that_have_read_the_same_champion_leave_the_better_one(client, attempt):
    for value in (0.9, 0.82, 0.81, 0.86):
        attempt(value)
    promote(client, "tiny", 3, force=True)
    for number in "42":  # both have seen version 3; the worse one sets its tag last
        decision = champion.Decision(after=4, order=2, kind="promote").to_json()
        client.set_model_version_tag("tiny", number, champion.DECISION_TAG, decision)
    champion.settle(client, "tiny")
    assert aliases_of(client, "tiny") == {"champion": 4}


def test_promotion_needs_gate_and_comparison_or_force(client, attempt):
    attempt(0.9)
    attempt(0.85)
    attempt(0.7)
    attempt(0.95, digest="d2")
    for number, why in ((2, "version 1 is better"), (3, "gate not passed"), (4, "other rows of")):
        with pytest.raises(RegistryError, match=f"does not become the champion: .*{why}") as raised:
            promote(client, "tiny", number)
        assert raised.value.hint.startswith(f"zoo registry promote tiny {number} --force")
    assert aliases_of(client, "tiny")["champion"] == 1
    done = promote(client, "tiny", 2, force=True, reason="smaller")
    assert done == Registered("tiny", 2, True, "decided by hand (smaller)")
    assert "decided by hand (smaller)" in client.get_model_version("tiny", "2").description
    already = "Version 2 of tiny is the champion already: .* rollback tiny`. Received: version=2"
    with pytest.raises(RegistryError, match=already):
        promote(client, "tiny", 2)
    assert attempt(0.86).champion  # is compared with version 2, not with 1
    assert promote(client, "tiny", 1).champion  # better than the champion, on the same data


def test_a_decision_counts_after_a_later_version_was_deleted(client, attempt):
    for value in (0.9, 0.85, 0.87):
        attempt(value)
    promote(client, "tiny", 2, force=True)
    client.delete_model_version("tiny", "3")
    assert promote(client, "tiny", 1, force=True).champion
    assert aliases_of(client, "tiny")["champion"] == 1


def test_a_champion_that_was_never_measured_is_succeeded(client, attempt):
    attempt(float("nan"))
    promote(client, "tiny", 1, force=True)
    assert attempt(0.9).champion


def test_rollback_goes_back_step_by_step(client, attempt):
    for value in (0.8, 0.85, 0.9):
        attempt(value)
    assert rollback(client, "tiny", "too slow").version == 2
    reason = client.get_model_version("tiny", "3").tags["champion.reason"]
    assert reason == "rolled back to version 2 (too slow)"
    assert rollback(client, "tiny").version == 1
    with pytest.raises(RegistryError, match="no earlier champion.*Received: champions 1"):
        rollback(client, "tiny")
    assert attempt(0.82).champion  # version 3 stays away
    assert rollback(client, "tiny").version == 1


def test_alias_that_a_person_has_moved_in_the_registry_stays(client, attempt, monkeypatch):
    monkeypatch.setattr(champion, "PAUSE_SECONDS", 0)
    attempt(0.85)
    attempt(0.9)
    client.set_registered_model_alias("tiny", "champion", "1")
    assert not attempt(0.81).champion
    assert aliases_of(client, "tiny") == {"champion": 1, "challenger": 3}
    tags = client.get_model_version("tiny", "1").tags
    assert tags["champion.reason"].startswith("decided by hand (the alias was moved")
    assert attempt(0.86).champion


@pytest.mark.parametrize("gated", [True, False])
def test_decision_of_a_killed_process_is_not_undone(client, attempt, tmp_path, monkeypatch, gated):
    monkeypatch.setattr(champion, "PAUSE_SECONDS", 0)
    attempt(0.9)
    if gated:
        attempt(0.85)
    else:
        client.create_model_version("tiny", str(tmp_path))
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(champion, "settle", _interrupt)
        promote(client, "tiny", 2, force=True, reason="smaller")
    assert aliases_of(client, "tiny")["champion"] == 1
    attempt(0.7)  # of another process, which sets the aliases
    assert aliases_of(client, "tiny")["champion"] == 2
    reasons = [client.get_model_version("tiny", n).tags["champion.reason"] for n in "12"]
    assert reasons[0].endswith("champion until version 2")
    assert reasons[1].startswith("decided by hand (smaller)")


def test_version_without_a_gate_is_passed_over(client, attempt, tmp_path):
    client.create_registered_model("tiny")
    client.create_model_version("tiny", str(tmp_path))  # by other means than `register`
    assert attempt(0.85).champion and attempt(0.84).reason.startswith("champion version 2")


@pytest.mark.parametrize(
    ("missing", "value"), [("licence", ""), ("metrics", {}), ("description", "")]
)
def test_a_version_needs_a_complete_card(client, attempt, card, missing, value):
    setattr(card, missing, value)
    with pytest.raises(ValueError, match=f"complete card.*Received: a card without {missing}"):
        attempt(0.9)
    assert not client.search_registered_models()


def test_succession_of_none():
    assert succession([]).champion is None
    plain = SimpleNamespace(version=1, tags={})
    assert succession([plain]) == succession([])


def _interrupt(*arguments, **options):
    raise KeyboardInterrupt


@pytest.mark.parametrize("killed_at", ["create", "link", "settle", "alias", "reason"])
def test_registering_again_after_a_kill_gives_one_version(client, card, monkeypatch, killed_at):
    run = client.create_run("0").info.run_id
    model = client.create_logged_model("0", source_run_id=run)
    uri = f"models:/{model.model_id}"
    client.finalize_logged_model(model.model_id, "READY")
    gate = Gate("accuracy", 0.8).check({"accuracy": 0.9})
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        target, name = {
            "create": (MlflowClient, "create_model_version"),
            "link": (registry, "_link"),
            "settle": (registry, "settle"),
            "alias": (MlflowClient, "set_registered_model_alias"),
            "reason": (MlflowClient, "set_model_version_tag"),
        }[killed_at]
        patch.setattr(target, name, _interrupt)
        register(client, uri, "tiny", card, gate, run_id=run, dataset_digest="d")
    for _ in range(2):
        again = register(client, uri, "tiny", card, gate, run_id=run, dataset_digest="d")
        assert (again.version, again.champion) == (1, True)
    assert len(client.search_model_versions("name = 'tiny'")) == 1
    linked = client.get_logged_model(model.model_id).tags["mlflow.modelVersions"]
    assert linked == '[{"name": "tiny", "version": "1"}]'


def test_version_of_a_killed_process_is_compared_by_the_next(client, attempt, monkeypatch):
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(registry, "settle", _interrupt)
        attempt(0.99)
    assert "version 1 is better" in attempt(0.85).reason
    assert aliases_of(client, "tiny") == {"champion": 1, "challenger": 2}


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
