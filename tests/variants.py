"""Which variants of a model a test walks, and on which backends."""

from collections.abc import Iterable

import pytest


def variants(names: Iterable[str], everywhere: Iterable[str]) -> pytest.MarkDecorator:
    """Walks each variant; on one backend alone those that are not named in `everywhere`.

    For what the model is made of is tested on every backend by itself, and so is what each
    variant computes; what is left to see are the ways in which a model can be put together.
    """
    names, everywhere = tuple(names), tuple(everywhere)
    assert set(everywhere) <= set(names)
    return pytest.mark.parametrize(
        "variant",
        [
            name if name in everywhere else pytest.param(name, marks=pytest.mark.once)
            for name in names
        ],
    )
