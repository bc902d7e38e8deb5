"""Settings that are chosen on dev."""

import pytest

from zoo.training.display import Display
from zoo.training.tuning import best_on_dev

pytestmark = pytest.mark.once


@pytest.mark.parametrize(("metric", "best"), [("bleu", 1.5), ("word_error_rate", 0.5)])
def test_the_best_value_is_that_of_the_first_score_by_its_direction(metric, best, capsys):
    scores = {0.5: 20.0, 1.5: 30.0, 2.0: 30.0}
    found, logged = best_on_dev(
        "length_penalty",
        list(scores),
        lambda value: {"loss": -value, "chrf": value, metric: scores[value]},
        ["word_error_rate", "bleu", "chrf"],
        {"loss", "word_error_rate"},
        Display(),
    )
    assert found == logged["length_penalty"] == best
    assert logged[f"length_penalty/{metric}_at_1.5"] == 30 and len(logged) == 4
    assert f"length penalty {best:g} is kept in the model" in capsys.readouterr().err
