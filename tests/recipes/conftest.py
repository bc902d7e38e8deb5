"""Fixtures: a training step, small figures."""

import numpy as np
import pytest

from tests.small_recipe import load_data


@pytest.fixture(autouse=True)
def _small_figures(small_figures):
    """Applies `small_figures` to every test of this folder."""


@pytest.fixture
def fit_one_batch():
    """Function that trains a recipe's model on one batch, compiled and fed as in a run.

    It returns the loss and the paths of the trainable weights that did not change.
    """
    import keras

    from zoo.data.batches import Batches
    from zoo.data.planning import default_boundaries, in_pairs, plan_batches
    from zoo.training.optimizer import compile_model

    def fit(recipe):
        settings, dataset = recipe.config.training, load_data(recipe.config)
        model = recipe.build(dataset, recipe.prepare(dataset), settings.precision)
        examples = recipe.examples(model, dataset.splits["train"], 0)
        training_model = recipe.training_model(model)
        boundaries = default_boundaries(examples.lengths, settings.buckets)
        plan = plan_batches(examples.lengths, boundaries, settings.batch_size)[:1]
        plan = in_pairs(plan) if settings.r_drop else plan
        compile_model(training_model, settings, 1, **recipe.compile_options(model))
        weights = model.trainable_weights
        before = [np.array(weight) for weight in weights]
        batches = Batches(plan, examples.collate)
        history = keras.Model.fit(training_model, batches, verbose=0).history
        unchanged = [
            weight.path
            for weight, start in zip(weights, before, strict=True)
            if np.array_equal(np.array(weight), start)
        ]
        return history["loss"][0], unchanged

    return fit
