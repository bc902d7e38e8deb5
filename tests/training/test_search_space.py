"""The search space of a sweep, and what is wrong with one."""

import pytest

from recipes import sentiment
from zoo.training import runner
from zoo.training.config import ConfigError
from zoo.training.search_space import Choices, Range, check, grid, parse, suggest

pytestmark = pytest.mark.once


def test_choices_ranges_and_fixed_changes():
    words = ["model.units=16, 32", "training.learning_rate=1e-4..1e-2", "model.num_layers=1..3"]
    words += ["training.epochs=2", "data.options={train: 20, dev: 4}", "model.x=[1,2]"]
    space, fixed = parse(words, "test")
    assert space == [
        Choices("model.units", ("16", "32")),
        Range("training.learning_rate", 1e-4, 1e-2, is_integer=False),
        Range("model.num_layers", 1, 3, is_integer=True),
    ]
    assert fixed == words[3:]
    assert [it.is_log for it in space[1:]] == [True, False]
    assert str(space[1]) == "training.learning_rate 0.0001 to 0.01 (numbers, logarithmic)"


@pytest.mark.parametrize(
    ("words", "mistake"),
    [
        (["model.units=3"], "a sweep needs a key with several values.*Received: model.units=3"),
        ([], "a sweep needs a key with several values.*Received: none"),
        (["units"], "a change is written KEY.SUB=VALUE. Received: 'units'"),
        (["a.b=1e-2..1e-4"], "a.b: a range is written LOW..HIGH"),
        (["a.b=1..x"], "a.b: a range is written LOW..HIGH"),
        (["a.b=..2"], "a.b: a range is written LOW..HIGH"),
        (["a.b=1,,2"], "a.b: choices are different values"),
        (["a.b=1,1"], "a.b: choices are different values"),
        (["a.b=1,2", "a.b=3"], "a.b: give it once. Received: a.b=1,2 a.b=3"),
        (["seed=1,2"], "seed: trials must have this in common.*--seeds"),
        (["data.name=imdb,nsmc"], "data.name: trials must have this in common"),
    ],
)
def test_mistakes_of_form(words, mistake):
    with pytest.raises(ConfigError, match=mistake):
        parse(words, "test")


def test_every_value_is_checked_against_the_recipe():
    words = ["model.unitz=3,4", "model.pooling=bahdanau,bahdanow", "training.dropout=0.1..0.2"]
    space, _ = parse([*words, "training.learning_rate=-1..0.1"], "test")
    with pytest.raises(ConfigError) as raised:
        check(space, lambda given: runner.resolve(sentiment.RECIPE, "quickstart", given), "test")
    units, pooling, dropout, rate = raised.value.mistakes
    assert units == "model.unitz: there is no such key. Did you mean model.units? Received: 3"
    assert "Did you mean bahdanau?" in pooling
    assert dropout.startswith("training.dropout: there is no such key. Did you mean")
    assert rate == "training.learning_rate: must be more than 0. Received: -1"


def test_ends_of_a_range_are_written_in_full():
    (steps, rate), _ = parse(["a.b=1000..2_000_000", "a.c=1e-05..0.1234567"], "test")
    assert steps.ends() == ("1000", "2000000") and rate.ends() == ("1e-05", "0.1234567")
    assert str(steps) == "a.b 1000 to 2000000 (whole numbers, logarithmic)"
    space, _ = parse(["training.max_steps=1000000..2000000"], "test")
    check(space, lambda given: runner.resolve(sentiment.RECIPE, "quickstart", given), "test")


def test_combinations_that_do_not_fit_are_left_to_the_trials():
    space, _ = parse(["model.units=6,8", "model.pooling=multi_head,mean"], "test")
    check(space, lambda given: runner.resolve(sentiment.RECIPE, "quickstart", given), "test")


def test_grid():
    space, _ = parse(["a=1,2", "b=x,y,z"], "test")
    assert len(grid(space, 6)) == 6 and grid(space, 6)[1] == {"a": "1", "b": "y"}
    assert grid(space, 5) == []
    assert grid(parse(["a=1,2", "b=1..2"], "test")[0], 100) == []


def test_values_of_a_trial():
    class Trial:
        def suggest_categorical(self, key, values):
            return values[-1]

        def suggest_int(self, key, low, high, log):
            return high

        def suggest_float(self, key, low, high, log):
            return (low + high) / 3

    space, _ = parse(["a=x,y", "b=1..7", "c=0.0..1.0"], "test")
    assert suggest(space, Trial()) == ["a=y", "b=7", "c=0.3333"]
