"""Fixtures: a small recipe, small figures, a training step."""

import numpy as np
import pytest

SMALL = [
    "data.options={train: 200, dev: 40, test: 20}",
    "tokenizer.vocabulary_size=400",
    "model.embedding_dim=6",
    "model.units=5",
    "training.epochs=2",
    "training.batch_size=16",
    "training.buckets=1",
    "evaluation.gate=null",
    "evaluation.test=false",
    "evaluation.samples=0",
]


def load_data(config):
    """The data of a resolved configuration."""
    return config.data.load(config.seed)


@pytest.fixture(autouse=True)
def small_figures(monkeypatch):
    """Logged figures have few pixels: compressing them takes longer than training."""
    from matplotlib.figure import Figure

    save = Figure.savefig

    def savefig(self, *arguments, **options):
        save(self, *arguments, **(options | {"dpi": 20}))

    monkeypatch.setattr(Figure, "savefig", savefig)


@pytest.fixture
def run(client):
    """Function that runs a small sentiment quickstart with overrides."""
    from recipes import sentiment
    from zoo.training import run as run_recipe

    def run(*overrides, **options):
        return run_recipe(sentiment.RECIPE, "quickstart", [*SMALL, *overrides], **options)

    return run


@pytest.fixture
def fit_one_batch():
    """Function that trains a recipe's model on one batch, compiled and fed as in a run.

    It returns the loss and the paths of the trainable weights that did not change.
    """
    import keras

    from zoo.data.batches import Batches
    from zoo.data.planning import default_boundaries, plan_batches
    from zoo.training.optimizer import compile_model

    def fit(recipe):
        settings, dataset = recipe.config.training, load_data(recipe.config)
        model = recipe.build(dataset, recipe.prepare(dataset), settings.precision)
        examples = recipe.examples(model, dataset.splits["train"], 0)
        training_model = recipe.training_model(model)
        boundaries = default_boundaries(examples.lengths, settings.buckets)
        plan = plan_batches(examples.lengths, boundaries, settings.batch_size)[:1]
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
