"""Expected calibration error, bins, and the temperature, against values computed by hand."""

import numpy as np
import pytest

from zoo.metrics.calibration import calibrate, expected_calibration_error, reliability
from zoo.training.reliability import draw_reliability

pytestmark = pytest.mark.once


def test_bins_and_error_by_hand():
    probabilities = np.array([0.95, 0.85, 0.55, 0.6, 1.0])
    right = np.array([True, False, True, False, True])
    columns = reliability(probabilities, right, bins=5)
    assert columns["bin"] == [2, 4] and columns["count"] == [2, 3]  # 0.6 is the end of the third
    assert columns["probability"] == pytest.approx([0.575, 2.8 / 3])
    assert columns["accuracy"] == pytest.approx([0.5, 2 / 3])
    error = (2 * 0.075 + 3 * (2.8 / 3 - 2 / 3)) / 5
    assert expected_calibration_error(probabilities, right, bins=5) == pytest.approx(error)
    assert expected_calibration_error(np.array([1.0, 1.0]), np.array([True, True])) == 0


def test_temperature_makes_the_probability_the_accuracy():
    logits = np.array([[2.0, 0.0]] * 3 + [[0.0, 2.0]] * 5)
    truth = [0, 0, 1, 1, 1, 1, 1, 0]  # 6 of 8 are right
    found = calibrate(logits, truth)
    assert found.temperature == pytest.approx(2 / np.log(3), abs=1e-3)  # sigmoid(2 / T) = 3 / 4
    assert found.ece_before == pytest.approx(1 / (1 + np.exp(-2)) - 0.75)
    assert found.ece_after < 1e-3 and found.loss_after < found.loss_before
    assert found.loss_after == pytest.approx(-0.75 * np.log(0.75) - 0.25 * np.log(0.25), abs=1e-6)
    assert found.metrics()["calibration/temperature"] == found.temperature


def test_answers_that_are_all_right_give_the_smallest_temperature():
    found = calibrate(np.array([[1.0, 0.0], [0.0, 1.0]]), [0, 1])
    assert found.temperature == pytest.approx(0.05, abs=1e-3)


def test_the_diagram_shows_both_errors():
    figure = draw_reliability(calibrate(np.array([[2.0, 0.0]] * 4), [0, 0, 0, 1]))
    titles = [axes.get_title() for axes in figure.axes[:2]]
    assert titles == ["temperature 1: ECE 0.131", "temperature 1.82: ECE 0.000"]
