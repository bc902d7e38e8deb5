"""Distillation: soft labels and their store, the loss of a student, runs with a teacher."""

import keras
import numpy as np
import pytest
from keras import ops

import zoo
from recipes import sentiment
from recipes.sentiment.recipe import SentimentRecipe
from recipes.tagging.recipe import TaggingRecipe
from tests.recipes.test_tagging import config as tagging_config
from tests.small_recipe import SMALL, load_data
from zoo import presets
from zoo.data.batches import Batches
from zoo.data.planning import PlannedBatch
from zoo.models import TextClassifier
from zoo.training import loop, resolve
from zoo.training import run as run_recipe
from zoo.training.checkpoint import CheckpointError
from zoo.training.config import ConfigError
from zoo.training.display import Display
from zoo.training.distillation.soft_labels import (
    UNLABELLED,
    DistillationLoss,
    agreement,
    divergence,
    pack,
    sentence_divergence,
    soft_labels,
)
from zoo.training.distillation.teacher import Teacher
from zoo.training.losses import TokenCrossentropy
from zoo.training.optimizer import compile_model

LABELS = ("negative", "positive")


def softmax(x):
    exponentials = np.exp(x - x.max(axis=-1, keepdims=True))
    return exponentials / exponentials.sum(axis=-1, keepdims=True)


def gradient(function, values):
    """The gradient of a scalar function of one array."""
    if keras.config.backend() == "torch":
        x = ops.convert_to_tensor(values).requires_grad_()
        function(x).backward()
        return x.grad.cpu().numpy()
    if keras.config.backend() == "jax":
        import jax

        return np.array(jax.grad(function)(values))
    import tensorflow as tf

    x = tf.constant(values)
    with tf.GradientTape() as tape:
        tape.watch(x)
        loss = function(x)
    return tape.gradient(loss, x).numpy()


RANDOM = np.random.default_rng(0)
LOGITS = RANDOM.normal(size=(3, 4)).astype("float32")
TAUGHT = np.log(softmax(RANDOM.normal(size=(3, 4)))).astype("float32")
IDS = np.array([2, UNLABELLED, 0])


def hard(ids, logits):
    return TokenCrossentropy().call(ops.maximum(ids, 0)[:, None], logits[:, None])[:, 0]


@pytest.mark.parametrize("temperature", [1.0, 3.0])
def test_gradient_of_the_loss_is_that_of_hinton(temperature):
    weight = 0.7
    loss = DistillationLoss(hard, divergence, temperature, weight, reduction="sum")
    found = gradient(lambda x: loss(pack(IDS, TAUGHT), x), LOGITS)
    # d/dz of T² KL is T (p_T - q_T); the row without a label has the teacher's loss alone.
    soft = temperature * (softmax(LOGITS / temperature) - softmax(TAUGHT / temperature))
    labels = softmax(LOGITS) - np.eye(4)[IDS]
    weights = np.array([[weight], [1], [weight]])
    np.testing.assert_allclose(found, weights * soft + (1 - weights) * labels, atol=1e-5)


def test_loss_is_zero_where_the_student_knows_what_the_teacher_does():
    loss = DistillationLoss(hard, divergence, 2.0, 1.0)
    assert float(loss(pack(IDS, TAUGHT), TAUGHT + 3)) == pytest.approx(0, abs=1e-6)
    q, p = softmax(TAUGHT / 2), softmax(LOGITS / 2)
    expected = 4 * (q * np.log(q / p)).sum(axis=1)
    assert float(loss(pack(IDS, TAUGHT), LOGITS)) == pytest.approx(expected.mean(), rel=1e-4)
    weighted = float(loss(pack(IDS, TAUGHT), LOGITS, np.array([1.0, 0.0, 2.0])))
    assert weighted == pytest.approx((expected[0] + 2 * expected[2]) / 3, rel=1e-4)


def test_gradients_of_a_high_temperature_have_the_size_of_those_of_one():
    """`T²` undoes the `1 / T²` of the gradients, as logits are centred: Hinton's equation 4."""
    centred = LOGITS - LOGITS.mean(axis=1, keepdims=True)
    taught = np.log(softmax(TAUGHT)) - np.log(softmax(TAUGHT)).mean(axis=1, keepdims=True)
    loss = DistillationLoss(hard, divergence, 1e3, 1.0, reduction="sum")
    found = gradient(lambda x: loss(pack(IDS, taught), x), centred.astype("float32"))
    np.testing.assert_allclose(found, (centred - taught) / 4, atol=3e-2)


def test_agreement_is_with_the_label_or_the_teacher():
    logits = np.eye(4, dtype="float32")[[2, TAUGHT[1].argmax(), 3]]
    assert ops.convert_to_numpy(agreement(pack(IDS, TAUGHT), logits)).tolist() == [1, 1, 0]


def test_divergence_of_sentences_leaves_out_padding():
    potentials = np.array([LOGITS, LOGITS])
    potentials[1, 1:] = -1e9
    taught = np.array([TAUGHT, TAUGHT])
    found = ops.convert_to_numpy(sentence_divergence(taught, potentials, 2.0))
    q, p = softmax(TAUGHT / 2), softmax(LOGITS / 2)
    words = (q * np.log(q / p)).sum(axis=1)
    np.testing.assert_allclose(found, [words.sum(), words[0]], rtol=1e-4)


# Teachers


class Rule:
    """A model that finds a text positive if it has an `a`; counts the texts it was asked."""

    def __init__(self, labels=LABELS, positive=0.9):
        self.labels, self.positive, self.asked = labels, positive, 0

    def probabilities(self, texts):
        self.asked += len(texts)
        share = np.array([self.positive if "a" in text else 0.2 for text in texts])
        by_label = {"positive": share, "negative": 1 - share}
        return np.stack([by_label[label] for label in self.labels], axis=1)


@pytest.fixture(scope="module")
def preset(tmp_path_factory):
    """An untrained classifier of generated reviews."""
    one = SentimentRecipe(resolve(sentiment.RECIPE, overrides=SMALL))
    dataset = load_data(one.config)
    model = one.build(dataset, one.prepare(dataset), "float32")
    directory = tmp_path_factory.mktemp("teacher") / "preset"
    presets.save(model, directory, name="tutor", dataset=dataset, dtype="float32")
    return directory


def taught(preset, *models, texts=("a", "b", "aa")):
    teachers = []
    for number, model in enumerate(models):
        teacher = Teacher(str(preset), TextClassifier)
        vars(teacher)["model"] = model
        teacher.folder = teacher.folder.with_name(f"{number}")
        teachers.append(teacher)
    found = soft_labels(
        teachers,
        list(texts),
        {"labels": LABELS},
        lambda model: {"labels": model.labels},
        lambda model, texts: {"labels": model.probabilities(texts)},
        Display(),
    )
    return np.exp(found["labels"].astype("float32"))


@pytest.mark.once
def test_an_ensemble_is_the_mean_of_probabilities_in_the_order_of_the_data(preset, home):
    one, other = Rule(positive=0.9), Rule(LABELS[::-1], positive=0.6)
    found = taught(preset, one, other)
    np.testing.assert_allclose(found, [[0.25, 0.75], [0.8, 0.2], [0.25, 0.75]], atol=2e-3)
    assert one.asked == 6  # three, and a probe of them before the other is asked


@pytest.mark.once
def test_answers_are_stored_by_texts_and_a_damaged_file_is_written_again(preset, home, capsys):
    model = Rule()
    first = taught(preset, model, texts=[f"a{i}" for i in range(1500)])
    files = sorted((home / "teachers" / "0").iterdir())
    assert len(files) == 2 and all(file.suffix == ".npz" for file in files)
    model.asked = 0
    again = taught(preset, model, texts=[f"a{i}" for i in range(1500)])
    assert model.asked == 0
    np.testing.assert_array_equal(first, again)
    assert "the answers to 1,500 texts are stored already" in capsys.readouterr().err
    files[0].write_bytes(files[0].read_bytes()[:99])
    again = taught(preset, model, texts=[f"a{i}" for i in range(1500)])
    np.testing.assert_array_equal(again, first)
    assert model.asked in (1024, 476)


@pytest.mark.once
@pytest.mark.parametrize(
    ("model", "message"),
    [
        (
            Rule(("negative", "neutral", "positive")),
            "in any order: its labels differ",
        ),
        (Rule(positive=np.nan), "must be numbers: .* Received: labels with NaN"),
    ],
)
def test_a_teacher_that_does_not_fit_is_refused(preset, home, model, message):
    with pytest.raises(ValueError, match=message):
        taught(preset, Rule(), model, texts=["a"] * 5000)
    assert not (home / "teachers").exists()  # nothing was labelled


# Runs


def write(folder, texts):
    file = folder / "more.txt"
    file.write_text("\n".join(texts))
    return str(file)


@pytest.mark.once
def test_a_student_learns_what_its_teacher_knows_from_soft_labels_alone(
    run, client, preset, tmp_path, monkeypatch, capsys
):
    """The labels of train say nothing here, and half of its texts have none."""
    reviews = zoo.data.load("generated_reviews", train=200, dev=60, test=0).splits
    for split, columns in reviews.items():
        lines = [
            f'"{text}",{LABELS["film" in text if split == "dev" else i % 2]}'
            for i, text in enumerate(columns["text"])
        ]
        (tmp_path / f"{split}.csv").write_text("\n".join(["text,label", *lines]))
    texts = zoo.data.load("generated_reviews", train=300, dev=60, test=0, seed=7).splits["train"]
    monkeypatch.setattr(Teacher, "model", property(lambda self: self.stub))
    monkeypatch.setattr(Teacher, "stub", Film(), raising=False)
    result = run(
        f"data={{name: null, train: {tmp_path}/train.csv, dev: {tmp_path}/dev.csv}}",
        f"data.unlabelled={write(tmp_path, texts['text'])}",
        f"training.teacher={preset}",
        "training.epochs=4",
        "training.learning_rate=0.02",
    )
    assert result.metrics["dev/accuracy"] > 0.95
    taught = result.card.training["taught"]
    assert result.card.training["teacher"] == "tutor" and taught.endswith(" of them unlabelled")
    tags = client.get_run(result.run_id).data.tags
    assert (tags["teacher"], tags["taught"]) == ("tutor", taught)
    assert "unlabelled: " in capsys.readouterr().err


class Film:
    """A teacher for which every text with `film` is positive."""

    labels = LABELS

    def probabilities(self, texts):
        positive = np.array([0.97 if "film" in text else 0.03 for text in texts])
        return np.stack([1 - positive, positive], axis=1)


@pytest.mark.once
def test_a_resumed_run_gives_the_numbers_of_one_that_was_not_stopped(
    run, client, preset, tmp_path, monkeypatch
):
    options = [
        f"data.unlabelled={write(tmp_path, ['Some more of this.', 'And of that.'] * 2)}",
        f"training.teacher=[{preset}, {preset}]",
        "training.teacher_weight=0.5",
        "training.max_steps=5",
        "training.checkpoint_every=2",
    ]
    whole = run(*options)
    count = loop._Steps.on_train_batch_end

    def stopping(self, batch, logs=None):
        count(self, batch, logs)
        if self.progress.step == 3:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(loop._Steps, "on_train_batch_end", stopping)
        with pytest.raises(KeyboardInterrupt):
            run(*options)
    (experiment,) = client.search_experiments(filter_string="name = 'sentiment'")
    (stopped,) = client.search_runs([experiment.experiment_id], "attributes.status = 'KILLED'")
    with monkeypatch.context() as patch:
        patch.setattr(Teacher, "digest", "other", raising=False)
        patch.setattr(Teacher, "source", "moved", raising=False)
        patch.setattr(Teacher, "__init__", lambda self, source, task: None)
        with pytest.raises(CheckpointError, match="A teacher, .* or the model .* has changed"):
            run_recipe(sentiment.RECIPE, "quickstart", resume=stopped.info.run_id)
    resumed = run_recipe(sentiment.RECIPE, "quickstart", resume=stopped.info.run_id)
    assert resumed.metrics == whole.metrics
    for found, expected in zip(resumed.model.get_weights(), whole.model.get_weights(), strict=True):
        np.testing.assert_array_equal(found, expected)


@pytest.mark.once
@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["training.temperature=0"], "temperature: must be more than 0"),
        (["training.teacher_weight=1.2"], "teacher_weight: must be at most 1"),
        (["data.unlabelled=imdb"], "unlabelled text needs a teacher: set training.teacher"),
        (["training.teacher=3"], "teacher: must be a string"),
    ],
)
def test_wrong_settings_are_mistakes_of_the_recipe(overrides, message):
    with pytest.raises(ConfigError, match=message):
        resolve(sentiment.RECIPE, overrides=[*SMALL, *overrides])


@pytest.mark.once
def test_a_teacher_that_cannot_teach_is_refused_before_a_run_is_recorded(run, client, preset):
    with pytest.raises(zoo.presets.PresetError, match="no such preset|nowhere"):
        run("training.teacher=./nowhere")
    with pytest.raises(ValueError, match="no ensemble: give training.teacher a list"):
        run(f"training.teacher={preset}+{preset}")
    with pytest.raises(ValueError, match="training.teacher must name a TextClassifier"):
        run("training.teacher=bilstm_crf_ewt_en_upos")
    with pytest.raises(FileNotFoundError, match="is a file, or a dataset"):
        run(f"training.teacher={preset}", "data.unlabelled=nothing.txt")
    assert client.search_experiments(filter_string="name = 'sentiment'") == []


@pytest.mark.parametrize("head", ["crf", pytest.param("softmax", marks=pytest.mark.once)])
def test_one_batch_of_a_distilled_tagger_updates_every_weight(head, tmp_path, monkeypatch):
    """The batch has sentences with tags and intents, and sentences without."""
    start = TaggingRecipe(tagging_config())
    dataset = load_data(start.config)
    model = start.build(dataset, start.prepare(dataset), "float32")
    presets.save(model, tmp_path / "tutor", name="tutor", dataset=dataset, dtype="float32")
    unlabelled = write(
        tmp_path,
        ["play zither zither by Anna", "longer " * 60, "book a table in Seoul or Busan"],
    )
    preprocessor = type(model.preprocessor)
    monkeypatch.setattr(preprocessor, "fits", lambda self, them: [len(it) < 50 for it in them])
    recipe = TaggingRecipe(
        tagging_config(
            f"model.head={head}",
            f"data.unlabelled={unlabelled}",
            f"training.teacher={tmp_path / 'tutor'}",
            "training.teacher_weight=0.5",
        )
    )
    dataset = load_data(recipe.config)
    columns = recipe.training_columns(dataset, Display())
    assert columns["tokens"][-2:] == [
        "play zither zither by Anna".split(), "book a table in Seoul or Busan".split(),
    ]  # fmt: skip
    student = recipe.build(dataset, recipe.prepare(dataset), "float32")
    assert "zither" in student.preprocessor.tokenizer.get_vocabulary()
    examples, count = recipe.examples(student, columns, 0), len(columns["tokens"])
    _, y = examples.collate(np.array([0, count - 1]), 16)
    expected = model.probabilities(columns["tokens"][:1])
    np.testing.assert_allclose(
        np.exp(y["tags"][0, : len(columns["tokens"][0]), 1:]), expected["tags"], atol=2e-3
    )
    np.testing.assert_allclose(np.exp(y["intent"][0, 1:]), expected["intent"][0], atol=2e-3)
    assert (y["tags"][1, :, 0] == UNLABELLED).all() and y["intent"][1, 0] == UNLABELLED

    compile_model(student, recipe.config.training, 1, **recipe.compile_options(student))
    before = [np.array(weight) for weight in student.trainable_weights]
    plan = [PlannedBatch(16, np.arange(count - 20, count), 20)]
    history = keras.Model.fit(student, Batches(plan, examples.collate), verbose=0).history
    assert np.isfinite(history["loss"][0]) and history["loss"][0] < 100
    for weight, start in zip(student.trainable_weights, before, strict=True):
        assert not np.array_equal(np.array(weight), start), weight.path
