"""Fixtures: a run of a small recipe, small figures."""

import pytest

from tests.small_recipe import SMALL


@pytest.fixture(autouse=True)
def _small_figures(small_figures):
    """Applies `small_figures` to every test of this folder."""


@pytest.fixture
def run(client):
    """Function that runs a small sentiment quickstart with overrides."""
    from recipes import sentiment
    from zoo.training import run as run_recipe

    def run(*overrides, **options):
        return run_recipe(sentiment.RECIPE, "quickstart", [*SMALL, *overrides], **options)

    return run
