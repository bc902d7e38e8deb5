"""What makes one model the copy of another."""

import numpy as np


def assert_copy(copy, model):
    """The same class, configuration and weights: it computes the same."""
    assert type(copy) is type(model) and copy.get_config() == model.get_config()
    for mine, theirs in zip(copy.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, theirs)
