"""A small recipe, and a store that need not be made anew."""

import shutil

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


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory):
    """A store made once: MLflow's migrations take seconds."""
    folder = tmp_path_factory.mktemp("store")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ZOO_HOME", str(folder))
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        from zoo.tracking import prepare_store

        prepare_store()
    return folder / "runs"


@pytest.fixture
def client(home, empty_store):
    """A client of an empty store in the test's own home."""
    from mlflow import MlflowClient

    from zoo.tracking import prepare_store

    shutil.copytree(empty_store, home / "runs")
    return MlflowClient(prepare_store())


@pytest.fixture
def run(client):
    """Runs the quickstart, made small, with overrides."""
    from recipes.sentiment.recipe import SentimentRecipe

    def run(*overrides, **options):
        return SentimentRecipe.run("quickstart", [*SMALL, *overrides], **options)

    return run


@pytest.fixture
def fit_one_batch():
    """Fits a recipe's model to one batch, compiled and fed as in a run: with any backend.

    Gives the loss, and the paths of the trainable weights that stayed as they were.
    """
    import keras

    from recipes.optimization import compile_model
    from zoo.data.batches import Batches, default_boundaries, plan_batches

    def fit(recipe):
        settings, dataset = recipe.config.training, recipe.load_data()
        model = recipe.build(dataset, recipe.prepare(dataset), settings.precision)
        examples, fitted = recipe.examples(model, dataset.splits["train"], 0), recipe.fitted(model)
        boundaries = default_boundaries(examples.lengths, settings.buckets)
        plan = plan_batches(examples.lengths, boundaries, settings.batch_size)[:1]
        compile_model(fitted, settings, 1, **recipe.compile_options(model))
        weights = model.trainable_weights
        before = [np.array(weight) for weight in weights]
        history = keras.Model.fit(fitted, Batches(plan, examples.collate), verbose=0).history
        unchanged = [
            weight.path
            for weight, start in zip(weights, before, strict=True)
            if np.array_equal(np.array(weight), start)
        ]
        return history["loss"][0], unchanged

    return fit
