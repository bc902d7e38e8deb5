"""A small recipe, and a store that need not be made anew."""

import shutil

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
