"""The choice of a length penalty on dev."""

import pytest

from zoo.models import Seq2SeqLM
from zoo.training.display import Display
from zoo.training.length_penalty import tune_length_penalty

pytestmark = pytest.mark.once


@pytest.mark.parametrize(("name", "best"), [("bleu", 1.5), ("word_error_rate", 0.5)])
def test_the_best_value_is_kept_by_the_direction_of_the_score(name, best, capsys):
    scores = {0.5: 20.0, 1.5: 30.0, 2.0: 30.0}
    # Of the class by which the table of tasks names translators, without the network.
    model = type(Seq2SeqLM.__name__, (), {"__module__": Seq2SeqLM.__module__})()
    found = tune_length_penalty(
        model,
        list(scores),
        lambda penalty: {"loss": -penalty, name: scores[penalty]},
        {"loss", "word_error_rate"},
        Display(),
    )
    assert model.length_penalty == found["length_penalty"] == best
    assert found[f"length_penalty/{name}_at_1.5"] == 30 and len(found) == 4
    assert f"length penalty {best:g} is kept" in capsys.readouterr().err
