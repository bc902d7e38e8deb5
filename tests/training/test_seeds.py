"""Runs with several seeds: compared, resumed, and the best on dev published."""

import statistics

import pytest

import zoo
from recipes.sentiment.schema import SentimentData
from zoo.training.config import ConfigError

pytestmark = pytest.mark.once


def test_the_best_of_two_seeds_is_published(run, client, tmp_path, capsys):
    options = ["training.epochs=1", "evaluation.gate=9", "evaluation.metric=loss"]
    options += ["evaluation.behaviour=true", "evaluation.behaviour_gate=0"]
    result = run(*options, seeds=[1, 2], output=tmp_path / "preset")
    losses = [float(value) for value in result.columns["dev/loss"]]
    assert result.columns["seed"] == ["1", "2", "mean", "deviation"]
    assert losses[0] != losses[1]
    assert losses[2] == pytest.approx(statistics.mean(losses[:2]), abs=1e-4)
    assert losses[3] == pytest.approx(statistics.stdev(losses[:2]), abs=1e-4)
    assert result.best == (1 if losses[0] < losses[1] else 2)

    card = zoo.presets.read_card(tmp_path / "preset")
    assert card == result.card and card.name == "quickstart"
    assert card.training["seed"] == result.best
    assert card.metrics["dev/loss"] == pytest.approx(min(losses[:2]), abs=1e-4)
    assert card.seeds["seeds"] == [1, 2]
    assert card.seeds["mean"]["dev/loss"] == pytest.approx(losses[2], abs=1e-4)
    assert list(card.seeds["deviation"])[-1] == "behaviour/accuracy"
    assert "± " in (tmp_path / "preset" / "README.md").read_text("utf-8")
    assert [gate.passed for gate in result.gates] == [True, True]
    assert (result.registered.name, result.registered.version) == ("quickstart", 1)
    weights = zoo.load(tmp_path / "preset").get_weights()
    stored = zoo.load("models:/quickstart@champion").get_weights()
    assert all((one == other).all() for one, other in zip(weights, stored, strict=True))
    experiment = client.get_run(result.run_id).info.experiment_id
    runs = client.search_runs([experiment], f"tags.study = '{result.study}'")
    names = {run.info.run_name for run in runs}
    assert names == {"quickstart_seed_1", "quickstart_seed_2", "quickstart"}

    capsys.readouterr()
    again = run(*options, seeds=[1, 2])
    assert again.columns == result.columns
    assert capsys.readouterr().out.count("already finished") == 2


def test_wrong_use_is_refused_before_training(run, client):
    with pytest.raises(ConfigError) as raised:
        run("seed=3", seeds=[1, 1], resume="abc")
    first, second, third = raised.value.mistakes
    assert "two or more different seeds from 0" in first and first.endswith("Received: 1, 1")
    assert second == "--seeds sets the seed: leave out seed=3"
    assert "resumed by running it again" in third
    with pytest.raises(ConfigError, match="a file with variants is a study already"):
        run("variants={a: []}", seeds=[1, 2])
    assert not client.search_runs([it.experiment_id for it in client.search_experiments()])


def test_each_seed_is_compared_with_the_model_it_starts_from_by_the_study_alone(
    run, client, tmp_path, capsys
):
    start = run("training.epochs=2", "evaluation.gate=null", output=tmp_path / "start")
    capsys.readouterr()
    result = run(
        f"training.init_from={tmp_path / 'start'}",
        "training.epochs=1",
        "training.learning_rate=1e-9",
        "evaluation.beat_initial=true",
        "evaluation.gate=0.1",
        seeds=[1, 2],
    )
    first, second = result.gates
    assert first.passed and not second.passed and second.rival == "start"
    assert second.threshold == pytest.approx(start.card.metrics["dev/accuracy"], abs=1e-3)
    assert result.registered is None and not client.search_registered_models()
    assert "registered:" not in capsys.readouterr().out


def test_runs_with_other_seeds_hold_out_the_same_rows():
    assert SentimentData(train="x.csv").seed_of_split(3) == 3
    assert SentimentData(train="x.csv", split_seed=1).seed_of_split(3) == 1
