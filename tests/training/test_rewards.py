"""Learning from the scores of drawn texts: advantages, loss, what is learned, resuming."""

from pathlib import Path

import keras
import numpy as np
import pytest

import zoo
from recipes import captioning, translation
from recipes.captioning.schema import CaptioningConfig
from recipes.translation.recipe import TranslationRecipe
from recipes.translation.schema import TranslationConfig
from tests.small_recipe import load_data
from zoo import presets
from zoo.data.batches import Batches
from zoo.data.planning import plan_batches
from zoo.metrics import caption_score_each, caption_scores, translation_score_each
from zoo.training import run as run_recipe
from zoo.training.checkpoint import Checkpoint
from zoo.training.config import ConfigError, read_yaml, resolve
from zoo.training.optimizer import compile_model
from zoo.training.rewards import DRAWN, PolicyGradient, advantages

RECIPES = Path(__file__).parents[2] / "recipes"
TINY = [
    "data.options={train: 48, dev: 6, test: 4}",
    "tokenizer.vocabulary_size=340",
    "model.embedding_dim=8",
    "model.units=8",
    "model.dropout=0",
    "training.batch_size=48",
    "training.buckets=1",
    "training.drawn_texts=4",
    "training.rewards=[chrf]",
    "evaluation.gate=null",
]


@pytest.fixture
def start(tmp_path):
    """The directory of a translator that has learned nothing."""
    values = read_yaml((RECIPES / "translation" / "quickstart.yaml").read_text("utf-8"))
    overrides = [*TINY, "training.rewards=null"]
    recipe = TranslationRecipe(resolve(TranslationConfig, values, overrides, source="test"))
    dataset = load_data(recipe.config)
    keras.utils.set_random_seed(0)
    model = recipe.build(dataset, recipe.prepare(dataset), "float32")
    presets.save(model, tmp_path / "start", name="start", dataset=dataset, dtype="float32")
    return tmp_path / "start"


@pytest.mark.once
def test_advantages_are_differences_to_the_others_in_units_of_their_deviation():
    drawn = [[{"a": 1.0, "b": 0.0}, {"a": 3.0, "b": 0.0}], [{"a": 5.0, "b": 9.0}]]
    unit = np.sqrt(8 / 3)  # deviation of -2, 2, 0
    np.testing.assert_allclose(advantages(drawn, ["a"]), [-2 / unit, 2 / unit, 0])
    np.testing.assert_allclose(advantages(drawn, ["a", "b"]), [-1 / unit, 1 / unit, 0])
    assert advantages(drawn, ["b"]) == [0, 0, 0]  # all alike
    alike = [[{"a": 0.1 + 0.37 * row}] * 5 for row in range(20)]  # whose means are rounded
    assert advantages([*alike, []], ["a"]) == [0] * 100


def test_gradient_of_the_loss_is_that_of_the_log_probability_times_the_advantage():
    rng, temperature = np.random.default_rng(0), 0.5
    logits, truth = rng.normal(size=(4, 5)).astype("float32"), np.array([1, 0, 4, 2])
    weights = np.array([1.5, -1.5, 0.5, 0], "float32")  # they may sum to nearly nothing
    model = keras.Sequential([keras.Input((2, 4)), keras.layers.Dense(5, use_bias=False)])
    model.set_weights([logits])
    model.compile(keras.optimizers.SGD(1.0), PolicyGradient(temperature), weighted_metrics=[])
    inputs = np.eye(4, dtype="float32").reshape(2, 2, 4)
    model.train_on_batch(inputs, truth.reshape(2, 2), weights.reshape(2, 2))
    scaled = np.exp(logits / temperature)
    probabilities = scaled / scaled.sum(axis=-1, keepdims=True)
    expected = (probabilities - np.eye(5)[truth]) / temperature * weights[:, None] / 4
    np.testing.assert_allclose(logits - model.get_weights()[0], expected, atol=1e-6)


class VowelRecipe(TranslationRecipe):
    """A translation is the better, the larger the share of e in it."""

    def write(self, model, columns, rows, **search):
        return super().write(model, columns, rows, **search | {"max_length": 12})

    def score_each(self, references, texts, name):
        return [text.count("e") / max(len(text), 1) for text in texts]


def test_the_drawn_texts_get_better_scores(start):
    values = read_yaml((RECIPES / "translation" / "quickstart.yaml").read_text("utf-8"))
    overrides = [*TINY, f"training.init_from={start}", "training.learning_rate=0.02"]
    overrides += ["training.drawn_temperature=1", "training.warmup_steps=0"]
    overrides += ["training.drawn_inputs=40"]
    recipe = VowelRecipe(resolve(TranslationConfig, values, overrides, source="test"))
    dataset = load_data(recipe.config)
    columns = dataset.splits["train"]
    model = recipe.build(dataset, recipe.prepare(dataset), "float32")
    compile_model(model, recipe.config.training, 100, **recipe.compile_options(model))
    means = []
    for epoch in range(5):
        drawn = recipe.draw(model, columns, epoch)
        assert sorted(len(texts) for texts in drawn[DRAWN]) == [0] * 8 + [4] * 40
        examples = recipe.examples(model, columns | drawn, epoch)
        plan = plan_batches(examples.lengths, [64], 48, seed=1, epoch=epoch)
        keras.Model.fit(model, Batches(plan, examples.collate), verbose=0)
        means.append(examples.scores["chrf"])
    assert means[-1] > 2 * means[0], means


@pytest.mark.once
def test_a_resumed_epoch_learns_from_the_same_texts(client, start, monkeypatch):
    overrides = [*TINY, f"training.init_from={start}", "training.epochs=3"]
    overrides += ["training.checkpoint_every=1", "evaluation.test=false", "evaluation.samples=1"]
    overrides += ["data.options={train: 48, dev: 2, test: 2}"]
    write = TranslationRecipe.write

    def short(self, model, columns, rows, **search):
        return write(self, model, columns, rows, **search | {"max_length": 6})

    monkeypatch.setattr(TranslationRecipe, "write", short)
    whole = run_recipe(translation.RECIPE, "quickstart", overrides, progress=False)

    epochs, draw, save = [], TranslationRecipe.draw, Checkpoint.save

    def counted(self, model, columns, epoch):
        epochs.append(epoch)
        return draw(self, model, columns, epoch)

    def interrupted(self, model, progress):
        save(self, model, progress)
        if (progress.epoch, progress.batch) == (1, 2) and epochs == [0, 1]:
            raise KeyboardInterrupt

    monkeypatch.setattr(TranslationRecipe, "draw", counted)
    monkeypatch.setattr(Checkpoint, "save", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run_recipe(translation.RECIPE, "quickstart", overrides, progress=False)
    (cut,) = (path.parent for path in Checkpoint("").folder.glob("*/state.npz"))
    assert {path.name for path in cut.glob("drawn-*")} == {"drawn-0.json", "drawn-1.json"}
    again = run_recipe(translation.RECIPE, "quickstart", resume=cut.name, progress=False)
    assert epochs == [0, 1, 2]
    for metric in ("train/chrf", "train/loss", "dev/loss"):
        one, other = (
            [point.value for point in client.get_metric_history(result.run_id, metric)]
            for result in (whole, again)
        )
        assert len(one) >= 3 and one == pytest.approx(other, abs=1e-5), metric


@pytest.mark.once
def test_a_captioner_learns_from_its_captions(client, tmp_path):
    tiny = [
        "data.options={train: 12, dev: 4, test: 2}",
        "model.image_size=[32, 32]",
        "model.widths=[4, 8]",
        "model.embedding_dim=6",
        "model.units=6",
        "training.epochs=1",
        "evaluation.gate=null",
        "evaluation.test=false",
        "evaluation.samples=2",
    ]
    first = tmp_path / "first"
    run_recipe(captioning.RECIPE, "quickstart", tiny, output=first, progress=False)
    for encoder in ("none", "all"):  # from cached features, and from images
        overrides = [*tiny, f"training.init_from={first}", f"model.train_encoder={encoder}"]
        overrides += ["training.rewards=[bleu_4, cider_d]", "training.drawn_texts=2"]
        result = run_recipe(captioning.RECIPE, "quickstart", overrides, progress=False)
        metrics = client.get_run(result.run_id).data.metrics
        assert metrics["train/bleu_4"] > 0 and "train/cider_d" in metrics
        start = zoo.load(first).head.get_weights()[0]
        assert not np.allclose(result.model.head.get_weights()[0], start, atol=1e-4)


@pytest.mark.once
@pytest.mark.parametrize(
    ("task", "override", "message"),
    [
        ("captioning", "training.init_from=null", "nothing to learn from"),
        ("captioning", "training.label_smoothing=0.1", "set label_smoothing 0"),
        ("captioning", "training.r_drop=1", "set r_drop 0"),
        ("captioning", "training.devices=2", "one process draws the texts"),
        ("captioning", "training.flip=true", "leave flip out"),
        ("captioning", "training.doubly_stochastic=0.1", "leave doubly_stochastic out"),
        ("captioning", "tokenizer.word_dropout=0.1", "set word_dropout 0"),
        ("captioning", "training.rewards=[rouge]", "one of bleu_4, cider_d. Received: 'rouge'"),
        ("translation", "training.teacher=x", "in the place of a teacher's"),
        ("translation", "training.coverage=1 model.copy=true", "leave coverage out"),
        ("translation", "evaluation.metric=perplexity", "another metric"),
        ("translation", "tokenizer.sampling=0.1", "set sampling 0"),
        ("translation", "training.label_smoothing=0.1", "set label_smoothing 0"),
    ],
)
def test_settings_that_contradict_rewards_are_refused(task, override, message):
    schema, reward = {
        "captioning": (CaptioningConfig, "cider_d"),
        "translation": (TranslationConfig, "bleu"),
    }[task]
    values = read_yaml((RECIPES / task / "quickstart.yaml").read_text("utf-8"))
    rewarded = [f"training.rewards=[{reward}]", "training.init_from=x", *override.split()]
    with pytest.raises(ConfigError, match=message):
        resolve(schema, values, rewarded, source="test")


@pytest.mark.once
def test_a_source_that_is_too_long_has_no_drawn_texts(start):
    values = read_yaml((RECIPES / "translation" / "quickstart.yaml").read_text("utf-8"))
    overrides = [*TINY, f"training.init_from={start}"]
    recipe = VowelRecipe(resolve(TranslationConfig, values, overrides, source="test"))
    dataset = load_data(recipe.config)
    columns = {"source": ["1 May", "long " * 200], "target": ["01-05", "x"]}
    model = recipe.build(dataset, recipe.prepare(dataset), "float32")
    drawn = recipe.draw(model, columns, 0)
    assert [len(texts) for texts in drawn[DRAWN]] == [4, 0]
    assert len(recipe.examples(model, columns | drawn, 0).lengths) == 4


@pytest.mark.once
def test_the_loss_can_be_stored():
    again = PolicyGradient.from_config(PolicyGradient(0.5).get_config())
    assert (again.temperature, again.reduction) == (0.5, "sum_over_batch_size")


@pytest.mark.once
def test_scores_of_single_texts():
    references = [["a dog runs", "the dog is running fast"], ["two cats sleep on a red sofa"]]
    texts = ["the dog is running fast", "a red car"]
    each = caption_score_each(references, texts)
    assert np.mean(each) == pytest.approx(caption_scores(references, texts)["cider_d"])
    bleu = caption_score_each(references, texts, "bleu_4")
    assert bleu[0] == pytest.approx(100) and 0 < bleu[1] < 20
    assert translation_score_each(["Ein Hund."], ["Ein Hund."], "bleu") == pytest.approx([100])
    assert 0 < translation_score_each(["Ein Hund."], ["Ein Hut."])[0] < 100
    with pytest.raises(ValueError, match="bleu or chrf"):
        translation_score_each(["a"], ["a"], "ter")
    with pytest.raises(ValueError, match="cider_d or bleu_4"):
        caption_score_each([["a"]], ["a"], "spice")
