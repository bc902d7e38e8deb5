"""Selection of the samples in a report."""

import pytest

from zoo.training.samples import worst_and_best

pytestmark = pytest.mark.once


@pytest.mark.parametrize(
    ("samples", "rows"),
    [(0, []), (1, [2]), (2, [2, 1]), (3, [2, 0, 1]), (4, [2, 0, 3, 1]), (9, [2, 0, 3, 1])],
)
def test_worst_and_best_without_duplicates(samples, rows):
    assert worst_and_best([1.0, 5.0, 0.5, 3.0], samples) == rows


def test_worst_and_best_of_no_rows():
    assert worst_and_best([], 5) == []
