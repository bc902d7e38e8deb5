"""Word vectors in recipes: initialization, vocabulary, freezing, resuming."""

from pathlib import Path

import keras
import numpy as np
import pytest

import zoo
from recipes import sentiment
from recipes.sentiment.recipe import SentimentRecipe
from recipes.sentiment.schema import SentimentConfig
from recipes.tagging.recipe import TaggingRecipe
from recipes.tagging.schema import TaggingConfig
from tests.recipes.test_manuals import FOLDER
from tests.small_recipe import SMALL
from zoo import presets
from zoo.data.dataset import DatasetCard, as_dataset
from zoo.training import run as run_recipe
from zoo.training.checkpoint import Checkpoint, TrainerState
from zoo.training.config import ConfigError, read_yaml, resolve
from zoo.training.optimizer import KeepRawWeights, averaged_weights, compile_model
from zoo.training.schema import TrainingConfig

VECTORS = {
    "the": [1, 1, 1], "good": [2, 2, 2], "bad": [-2, -2, -2], "film": [3, 0, 3],
    "plot": [0, 3, 0], "n't": [-1, 0, 1], ".": [0, 0, 1], "superb": [4, 4, 4],
}  # fmt: skip
TEXTS = ["The film is good .", "the plot is n't good", "BAD film", "The plot is bad ."]


@pytest.fixture
def vectors(tmp_path):
    path = tmp_path / "tiny.vec"
    rows = (f"{word} {' '.join(map(str, values))}" for word, values in VECTORS.items())
    path.write_text("\n".join([f"{len(VECTORS)} 3", *rows]) + "\n")
    return str(path)


def dataset(task, **columns):
    card = DatasetCard("tiny", task, ("en",), "", "", "", "", {})
    splits = {"train": columns, "dev": {name: values[:2] for name, values in columns.items()}}
    return as_dataset(card, splits, labels=("bad", "good"))


def texts():
    return dataset("text_classifier", text=TEXTS, label=["good", "good", "bad", "bad"])


def tagged():
    words = [text.split() for text in TEXTS]
    return dataset("token_classifier", tokens=words, tags=[["X"] * len(one) for one in words])


def recipe(task, *overrides):
    kind, schema = {
        "tagging": (TaggingRecipe, TaggingConfig),
        "sentiment": (SentimentRecipe, SentimentConfig),
    }[task]
    values = read_yaml((FOLDER / task / "quickstart.yaml").read_text("utf-8"))
    return kind(resolve(schema, values, ["model.units=3", *overrides], source="test"))


def built(one, data):
    return one.build(data, one.prepare(data), "float32")


def test_a_tagger_knows_the_words_of_its_vectors(vectors):
    one = recipe(
        "tagging",
        f"model.word_vectors={vectors}",
        "model.vector_words=3",
        "model.word_dim=2",
        "tokenizer.least_count=3",
    )
    data = tagged()
    model = built(one, data)
    tokenizer, backbone = model.preprocessor.tokenizer, model.backbone
    # the words of train from 3 occurrences, its others with a vector, 3 words of the vectors
    assert tokenizer.words == ("is", "the", "film", "good", ".", "plot", "n't", "bad")
    assert backbone.trained_words == 4 and backbone.word_embedding.input_dim == 4
    table = np.array(backbone.word_vectors.get_weights()[0])
    expected = [VECTORS.get(word, [0, 0, 0]) for word in tokenizer.words]
    np.testing.assert_array_equal(table, [[0, 0, 0], [0, 0, 0], *expected])
    assert not backbone.word_vectors.trainable

    ids = np.array([tokenizer.encode(["The", "plot", "xyz"])])
    trained = np.array(backbone.word_embedding.get_weights()[0])
    features = keras.Model(backbone.input, backbone.features)(
        model.preprocessor.collate(model.preprocessor.encode([["The", "plot", "xyz"]]), 3)
    )
    features = keras.ops.convert_to_numpy(features)[0, :, :5]
    np.testing.assert_allclose(features[0], [*trained[ids[0, 0]], 1, 1, 1], rtol=1e-6)
    np.testing.assert_allclose(features[1], [*trained[1], 0, 3, 0], rtol=1e-6)  # as unknown
    np.testing.assert_allclose(features[2], [*trained[1], 0, 0, 0], rtol=1e-6)
    lines, metrics = one.describe_data(model, data)
    assert metrics["vectors/train_words"] == 7 / 8
    assert metrics["vectors/train_tokens"] == 14 / 17
    assert metrics["vectors/dev_tokens"] == 8 / 10
    assert "87.5% of the words and 82.4% of the tokens of train" in lines[0]


def test_vectors_can_be_the_only_embedding(vectors):
    one = recipe("tagging", f"model.word_vectors={vectors}", "model.word_dim=0")
    backbone = built(one, tagged()).backbone
    assert backbone.word_embedding is None and backbone.word_vectors.output_dim == 3


def test_a_classifier_of_subwords_has_means_of_vectors(vectors):
    one = recipe(
        "sentiment",
        f"model.word_vectors={vectors}",
        "model.embedding_dim=2",
        "model.freeze_vectors=0",
        "tokenizer.lowercase=true",
        "tokenizer.vocabulary_size=300",
    )
    model = built(one, texts())
    tokenizer, layer = model.preprocessor.tokenizer, model.backbone.word_vectors
    assert layer.trainable and model.backbone.trained_words is None
    table = np.array(layer.get_weights()[0])
    piece = tokenizer.token_to_id("▁the")
    np.testing.assert_allclose(table[piece], VECTORS["the"])
    assert not table[:4].any()
    (before,) = model.infer(["the film"])
    layer.set_weights([table * 0])
    assert model.infer(["the film"])[0].probability != before.probability


def test_a_classifier_of_words_is_saved_explained_and_called(vectors, tmp_path):
    one = recipe(
        "sentiment",
        f"model.word_vectors={vectors}",
        "tokenizer.algorithm=word",
        "model.sequence_length=6",
    )
    model = built(one, texts())
    preprocessor = model.preprocessor
    assert preprocessor.tokenizer.split("isn't") == ["is", "n't"]
    assert {"superb", "n't"} <= set(preprocessor.tokenizer.words)  # words of vectors are known
    batch = preprocessor(["A superb film", "the plot isn't good . . ."])
    assert np.array(batch["token_ids"]).shape == (2, 6)
    np.testing.assert_array_equal(np.array(batch["padding_mask"]).sum(axis=1), [3, 6])
    np.testing.assert_array_equal(preprocessor("A superb film")["token_ids"], batch["token_ids"][0])
    presets.save(model, tmp_path / "preset", name="words", dataset=texts(), dtype="float32")
    again = zoo.load(tmp_path / "preset")
    answers = [it.infer(["the plot isn't good"])[0].probability for it in (model, again)]
    assert answers[0] == pytest.approx(answers[1], abs=1e-6)
    explained = again.explain("the plot isn't good", "gradient")
    assert explained.tokens == ["the", " plot", " isn't", " good"] and len(explained.effects) == 4


@pytest.mark.once
def test_vectors_that_changed_before_a_run_is_resumed_are_refused(vectors):
    one = recipe("tagging", f"model.word_vectors={vectors}")
    preprocessor = one.prepare(tagged())
    Path(vectors).write_text("the 1 2 3\n")
    with pytest.raises(ValueError, match="restore the file, or start anew. Received: .* with 9 "):
        recipe("tagging", f"model.word_vectors={vectors}").build(tagged(), preprocessor, "float32")


def embedding(frozen_steps, **settings):
    keras.utils.set_random_seed(0)
    vectors = keras.layers.Embedding(4, 2, name="vectors")
    model = keras.Sequential([keras.Input((3,), dtype="int32"), vectors, keras.layers.Dense(1)])
    settings = {"learning_rate": 0.1, "weight_decay": 0.1} | settings
    compile_model(
        model,
        TrainingConfig(**settings),
        10,
        loss="mse",
        frozen_steps={vectors.embeddings.path: frozen_steps},
        undecayed=[vectors.embeddings.path],
    )
    return model, vectors


def fit(model):
    raw = KeepRawWeights()
    model.fit(np.array([[0, 1, 2]]), np.ones((1, 3, 1)), verbose=0, callbacks=[raw])
    raw.restore()


def test_frozen_weights_are_released_after_their_steps_also_when_resumed():
    model, vectors = embedding(2, ema=0.5)
    start = np.array(vectors.get_weights()[0])
    others = model.layers[-1].get_weights()
    checkpoint = Checkpoint("frozen")
    for step in (1, 2):
        fit(model)
        np.testing.assert_array_equal(vectors.get_weights()[0], start)
        with averaged_weights(model):
            np.testing.assert_array_equal(vectors.get_weights()[0], start)
        if step == 1:
            checkpoint.save(model, TrainerState())
    assert not np.array_equal(model.layers[-1].get_weights()[0], others[0])
    fit(model)
    released = np.array(vectors.get_weights()[0])
    moved = np.abs(released - start).max(axis=1)
    assert (moved[:3] > 1e-3).all() and moved[3] == 0 and moved.max() < 0.2

    again, vectors = embedding(2, ema=0.5)
    checkpoint.restore(again)
    fit(again)
    np.testing.assert_array_equal(vectors.get_weights()[0], start)
    fit(again)
    np.testing.assert_allclose(vectors.get_weights()[0], released, atol=1e-6)


@pytest.mark.once
def test_a_run_keeps_frozen_vectors_and_logs_their_coverage(client, vectors):
    overrides = [*SMALL, f"model.word_vectors={vectors}", "tokenizer.algorithm=word"]
    result = run_recipe(sentiment.RECIPE, "quickstart", [*overrides, "training.max_steps=2"])
    tokenizer = result.model.preprocessor.tokenizer
    table = result.model.backbone.word_vectors.get_weights()[0]
    row = tokenizer.token_to_id("superb")
    np.testing.assert_allclose(table[row], VECTORS["superb"], rtol=1e-2)
    metrics = client.get_run(result.run_id).data.metrics
    assert 0 < metrics["vectors/train_tokens"] < 1


@pytest.mark.once
@pytest.mark.parametrize(
    ("task", "overrides", "message"),
    [
        ("tagging", ["model.word_dim=0"], "set word_dim above 0, or word_vectors"),
        ("sentiment", ["model.embedding_dim=0"], "set embedding_dim above 0"),
        ("tagging", ["model.word_vectors=x", "training.init_from=y"], "leave word_vectors null"),
        ("sentiment", ["model.word_vectors=x", "model.encoder=transformer"], "recurrent encoder"),
        ("sentiment", ["tokenizer.algorithm=word", "tokenizer.sampling=0.1"], "one segmentation"),
        ("sentiment", ["model.freeze_vectors=never"], "must be always, or"),
        ("sentiment", ["data.language=en"], "leave language out"),
    ],
)
def test_invalid_combinations_are_refused(task, overrides, message):
    with pytest.raises(ConfigError, match=message):
        recipe(task, *overrides)


@pytest.mark.once
def test_vectors_are_looked_for_before_a_run_starts(client):
    with pytest.raises(FileNotFoundError, match="no word vectors of this name"):
        run_recipe(sentiment.RECIPE, "quickstart", [*SMALL, "model.word_vectors=nothere"])
    assert client.search_experiments(filter_string="name = 'sentiment'") == []


@pytest.mark.once
def test_backbones_refuse_sizes_that_do_not_fit():
    with pytest.raises(ValueError, match="trained or of vectors"):
        zoo.models.TokenClassifierBackbone(9, 9, word_dim=0)
    with pytest.raises(ValueError, match="trained_words=9"):
        zoo.models.TextClassifierBackbone(8, vector_dim=2, trained_words=9)
    with pytest.raises(ValueError, match="need a recurrent encoder"):
        zoo.models.TextClassifierBackbone(8, encoder="transformer", vector_dim=2)
