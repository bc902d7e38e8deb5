"""Attention weights as potentials of tags that are numbers of words."""

import numpy as np
import pytest
from keras import ops

from zoo.layers import WordPointer

WEIGHTS = np.array([[[0.6, 0.3, 0.1], [0.2, 0.5, 0.3], [0.0, 0.9, 0.1]]], "float32")


def test_a_tag_has_the_weight_of_its_word_and_o_that_of_the_word_itself():
    layer = WordPointer([-1, 2, 0, 7, 1])  # O, word 3, word 1, a word that there is not, word 2
    found = np.exp(ops.convert_to_numpy(layer(WEIGHTS)))
    expected = [
        [0.6, 0.1, 0, 0, 0.3],  # the word's own number is no tag of it
        [0.5, 0.3, 0.2, 0, 0],
        [0.1, 0, 0, 0, 0.9],
    ]
    np.testing.assert_allclose(found[0], expected, atol=1e-6)


@pytest.mark.once
@pytest.mark.parametrize("places", [[], [0, 0], [-2]])
def test_places_are_different_numbers(places):
    with pytest.raises(ValueError, match="different integers of at least -1.*Received"):
        WordPointer(places)
