"""Captioning recipe: its CNN, cached features, training model, report."""

import keras
import numpy as np
import pytest

import zoo
from recipes import captioning
from recipes.captioning.arrays import pixels
from recipes.captioning.encoder import load_weights, split
from recipes.captioning.recipe import CaptioningRecipe
from recipes.captioning.schema import CaptioningConfig
from tests.recipes.test_manuals import FOLDER
from tests.small_recipe import load_data
from zoo import presets
from zoo.home import home
from zoo.layers.image import make_image_encoder
from zoo.training import run as run_recipe
from zoo.training.config import ConfigError, read_yaml, resolve
from zoo.training.losses import DoublyStochastic

QUICKSTART = FOLDER / "captioning" / "quickstart.yaml"
TINY = [
    "data.options={train: 24, dev: 6, test: 4}",
    "model.image_size=[32, 32]",
    "model.widths=[4, 8]",
    "model.attention=bahdanau",
    "model.embedding_dim=6",
    "model.units=6",
    "training.epochs=1",
    "training.batch_size=24",
    "evaluation.gate=null",
    "evaluation.samples=4",
]


def recipe(*overrides):
    values = read_yaml(QUICKSTART.read_text("utf-8"))
    return CaptioningRecipe(resolve(CaptioningConfig, values, [*TINY, *overrides], source="test"))


def built(one):
    dataset = load_data(one.config)
    return dataset, one.build(dataset, one.prepare(dataset), "float32")


@pytest.mark.once
def test_run_logs_its_report_and_a_loadable_model(client, tmp_path):
    result = run_recipe(
        captioning.RECIPE,
        "quickstart",
        [*TINY, "training.doubly_stochastic=1.0", "model.gate=true"],
        output=tmp_path / "preset",
        progress=False,
    )
    assert {"dev/bleu_1", "dev/bleu_4", "test/rouge_l", "test/cider_d"} <= set(result.metrics)
    artifacts = {
        item.path
        for folder in ("", "attention")
        for item in client.list_artifacts(result.run_id, folder or None)
    }
    assert {"samples.html", "samples.json", "attention/06.png", "attention/06.html"} <= artifacts
    tags = client.get_run(result.run_id).data.tags
    assert "input:lc.words" in tags["signature.bleu"]
    image = np.zeros((40, 50, 3), "uint8")
    again = zoo.load(result.model_uri)
    assert again.infer([image])[0].text == result.model.infer([image])[0].text
    card = presets.read_card(tmp_path / "preset")
    assert card.task == "image_to_text" and card.dataset == "generated_scenes"


@pytest.mark.parametrize(
    "trained",
    ["block_1_pool", *[pytest.param(it, marks=pytest.mark.once) for it in ("all", "none")]],
)
def test_one_batch_updates_every_weight(fit_one_batch, trained):
    """Also if the CNN or a part of it is frozen, with its features computed beforehand."""
    options = ["training.doubly_stochastic=1.0", "model.gate=true"]
    options += ["training.r_drop=1.0"] * (trained == "none")
    loss, unchanged = fit_one_batch(recipe(f"model.train_encoder={trained}", *options))
    assert np.isfinite(loss) and unchanged == []


@pytest.mark.once
def test_features_of_a_frozen_cnn_are_cached(client):
    frozen = ["model.train_encoder=none", "training.flip=true", "evaluation.test=false"]
    files = None
    for epochs in (1, 2):
        overrides = [*TINY, *frozen, f"training.epochs={epochs}"]
        result = run_recipe(captioning.RECIPE, "quickstart", overrides, progress=False)
        found = {file: file.stat().st_mtime_ns for file in (home() / "pictures").iterdir()}
        assert len(found) == 3 and files in (None, found)  # train, flipped train, dev
        files = found
    assert result.model.backbone.trainable_weights
    assert not result.model.backbone.image_encoder.trainable_weights


@pytest.mark.once
def test_resumed_run_has_the_same_frozen_cnn(client, monkeypatch):
    frozen = [*TINY, "model.train_encoder=none", "evaluation.test=false", "training.epochs=2"]
    measure, measured = CaptioningRecipe.measure, []

    def interrupted(self, model, columns):
        measured.append(measure(self, model, columns))
        if len(measured) == 2:
            raise KeyboardInterrupt
        return measured[-1]

    monkeypatch.setattr(CaptioningRecipe, "measure", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run_recipe(captioning.RECIPE, "quickstart", frozen, progress=False)
    files = set((home() / "pictures").iterdir())
    (run,) = (home() / "checkpoints").iterdir()
    keras.utils.set_random_seed(7)  # resuming must not depend on the global seed
    run_recipe(captioning.RECIPE, "quickstart", resume=run.name, progress=False)
    assert len(measured) == 3 and set((home() / "pictures").iterdir()) == files


@pytest.mark.once
def test_training_model_equals_the_captioner_at_every_split():
    for train, shape in (("all", (32, 32, 3)), ("block_1_pool", (8, 8, 4)), ("none", (4, 4, 8))):
        one = recipe(f"model.train_encoder={train}", "model.dropout=0.0")
        dataset, model = built(one)
        columns = dataset.splits["train"]
        examples = one.examples(model, columns, 0)
        x, y, weights = examples.collate(np.arange(6), 16)
        training_model = one.training_model(model)
        images = [columns["image"][row // 3] for row in range(6)]  # three captions each
        expected = keras.Model.predict_on_batch(
            model, {"images": model.preprocessor.read(images)} | _tokens(x)
        )
        found = keras.Model.predict_on_batch(training_model, x)
        assert x["source"].shape[1:] == shape
        np.testing.assert_allclose(found, expected, atol=1e-4 if train == "all" else 1e-3)
        trained = {weight.path for weight in training_model.trainable_weights}
        assert trained == {weight.path for weight in model.trainable_weights}
        assert y.shape == weights.shape == (6, 16)


@pytest.mark.once
def test_loss_on_dev_is_that_of_training():
    one = recipe("training.flip=true", "tokenizer.sampling=0.5", "model.dropout=0.0")
    dataset, model = built(one)
    training_model = one.training_model(model)
    columns = {name: values[:4] for name, values in dataset.splits["dev"].items()}
    with_flips = one.examples(model, columns, 0)
    one.config = recipe("model.dropout=0.0").config
    examples = one.examples(model, columns, 0)
    assert with_flips.lengths != examples.lengths
    x, y, weights = examples.collate(np.arange(len(examples.lengths)), 16)
    training_model.compile(**one.compile_options(model), jit_compile=False)
    expected = keras.Model.test_on_batch(training_model, x, y, weights)
    one.config = recipe("training.flip=true", "tokenizer.sampling=0.5").config
    assert one._loss(model, columns) == pytest.approx(float(np.ravel(expected)[0]), rel=1e-4)


@pytest.mark.once
@pytest.mark.parametrize(
    ("layer", "parts"),
    [
        ("block_1_pool", 2),
        ("block_1_conv_a", 1),  # a shortcut bypasses it
        ("stem", 1),  # its input is the image itself
        ("block_1_add", 1),  # it has two inputs
    ],
)
def test_cnn_is_split_only_where_the_trained_part_has_one_input(layer, parts):
    encoder = make_image_encoder("residual", (32, 32), (4, 8), train=layer)
    frozen, trained = split(encoder, layer)
    if parts == 1:
        assert frozen is None and trained is encoder
    else:
        assert not frozen.trainable_weights and trained.trainable_weights
        image = np.random.default_rng(0).uniform(0, 255, (2, 32, 32, 3)).astype("float32")
        one, other = (
            keras.ops.convert_to_numpy(it) for it in (trained(frozen(image)), encoder(image))
        )
        np.testing.assert_allclose(one, other, atol=1e-5)


def _tokens(x):
    return {name: x[name] for name in ("decoder_token_ids", "decoder_padding_mask")}


def test_images_are_flipped_unless_the_caption_names_a_side():
    one = recipe("training.flip=true", "data.options={train: 60, dev: 6, test: 0}")
    dataset, model = built(one)
    columns = dataset.splits["train"]
    texts = [text for captions in columns["captions"] for text in captions]
    image_of = [i for i, captions in enumerate(columns["captions"]) for _ in captions]
    unflipped = pixels(model, columns["image"])
    assert one.examples_vary_by_epoch
    flips = []
    for epoch in (0, 1):
        x, _, _ = one.examples(model, columns, epoch).collate(np.arange(len(texts)), 16)
        plain = np.array(
            [(x["source"][i] == unflipped[image_of[i]]).all() for i in range(len(texts))]
        )
        other = [
            (x["source"][i] == unflipped[image_of[i]][:, ::-1]).all() for i in range(len(texts))
        ]
        assert (plain | other).all()
        flips.append(~plain)
        sided = np.array(["left" in text or "right" in text for text in texts])
        assert plain[sided].all()
        sideless = ~plain[~sided]
        assert 0.25 < np.mean(sideless) < 0.75
    assert (flips[0] != flips[1]).any()
    again, _, _ = one.examples(model, columns, 1).collate(np.arange(len(texts)), 16)
    np.testing.assert_array_equal(again["source"], x["source"])


@pytest.mark.once
def test_user_tables(client, tmp_path):
    for number, image in enumerate(load_data(recipe().config).splits["train"]["image"]):
        (tmp_path / f"{number}.png").write_bytes(image.read())
    lines = ["image,caption", *(f"{i}.png,A picture number {i % 2} ." for i in range(24))]
    (tmp_path / "mine.csv").write_text("\n".join(lines))
    result = run_recipe(
        captioning.RECIPE,
        "quickstart",
        [
            *TINY,
            f"data={{name: null, train: {tmp_path / 'mine.csv'}, dev_fraction: 0.25}}",
            "evaluation={metric: cider_d, samples: 0}",
            "tokenizer.vocabulary_size=300",
            "tracking.register_as=null",
            "model.attention=none",
        ],
        progress=False,
    )
    assert set(result.metrics) == {
        f"dev/{name}" for name in ("bleu_1", "bleu_2", "bleu_3", "bleu_4", "rouge_l", "cider_d")
    }
    assert result.card.dataset == "mine"


@pytest.mark.once
def test_init_from_copies_tokenizer_and_weights(tmp_path):
    dataset, model = built(recipe())
    start = tmp_path / "start"
    presets.save(model, start, name="start", dataset=dataset, dtype="float32")
    _, again = built(recipe(f"training.init_from={start}", "model.train_encoder=last_norm"))
    for found, expected in zip(model.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(found, expected)
    with pytest.raises(ValueError, match="set model.units=6. Received: model.units=7"):
        built(recipe(f"training.init_from={start}", "model.units=7"))


@pytest.mark.once
def test_cnn_weights_are_loaded_from_a_file(tmp_path):
    one, other = (make_image_encoder("MobileNetV2", (32, 32)) for _ in range(2))
    arrays = {
        f"{la.name}/{w.name}": keras.ops.convert_to_numpy(w)
        for la in one.layers
        for w in la.weights
    }
    np.savez(tmp_path / "w.npz", **arrays)
    one.save_weights(tmp_path / "w.weights.h5")
    for name in ("w.npz", "w.weights.h5"):
        load_weights(other, "MobileNetV2", str(tmp_path / name))
        for found, expected in zip(one.get_weights(), other.get_weights(), strict=True):
            np.testing.assert_array_equal(found, expected)
    same = keras.Model(one.input, one.get_layer("block_12_add").output)
    image = np.random.default_rng(0).uniform(0, 255, (1, 32, 32, 3)).astype("float32")
    for name in ("w.npz", "w.weights.h5"):
        cut = make_image_encoder("MobileNetV2", (32, 32), output="block_12_add")
        load_weights(cut, "MobileNetV2", str(tmp_path / name))
        np.testing.assert_allclose(
            *(keras.ops.convert_to_numpy(model(image)) for model in (cut, same)), atol=1e-5
        )
    arrays.pop("Conv1/kernel")
    np.savez(tmp_path / "w.npz", **arrays)
    with pytest.raises(
        ValueError, match="1 are missing, .* Received: .*w.npz, without Conv1/kernel"
    ):
        load_weights(other, "MobileNetV2", str(tmp_path / "w.npz"))
    with pytest.raises(FileNotFoundError, match="nowhere.npz"):
        load_weights(other, "MobileNetV2", "nowhere.npz")
    (tmp_path / "w.txt").write_text("")
    with pytest.raises(ValueError, match="must end in .npz or .weights.h5"):
        load_weights(other, "MobileNetV2", str(tmp_path / "w.txt"))
    (tmp_path / "w.npz").write_text("no archive")
    with pytest.raises(ValueError, match="must be those of MobileNetV2"):
        load_weights(other, "MobileNetV2", str(tmp_path / "w.npz"))


def test_doubly_stochastic_attention():
    """Equation 14 of Xu et al. by hand: rows with two steps, one step and none."""
    layer = DoublyStochastic(2.0)
    attention = np.array([[[1.0, 0.0], [0.5, 0.5], [0.3, 0.7]]] * 3, "float32")
    mask = np.array([[True, True, False], [True, False, False], [False] * 3])
    inputs = np.ones((3, 3, 4), "float32")
    np.testing.assert_array_equal(
        keras.ops.convert_to_numpy(layer(inputs, attention, mask)), inputs
    )
    assert float(layer.losses[0]) == pytest.approx(2.0 * (0.5**2 + 0.5**2 + 0 + 1) / 3)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("model.attention=none model.gate=true", "gate and input_feeding need attention"),
        ("model.attention=none training.doubly_stochastic=1.0", "regularizes attention"),
        ("model.tie_embeddings=output model.units=7", "embedding_dim equal to units"),
        ("model.weights=imagenet", "has no pretrained weights"),
        ("model.attention=multi_head model.units=7", "divisible by num_heads"),
        ("model.image_size=[4,4]", "must be at least 8"),
        ("model.image_size=[8,8] model.widths=[4,8,8]", "16 pixels a side"),
        ("model.encoder=EfficientNetB0 model.weights=imagenet", "use EfficientNetV2B0"),
        ("model.encoder=VGG16 model.weights=w.npz training.init_from=x", "one of the two"),
        ("data.name=multi30k", "flickr8k, generated_scenes"),
    ],
)
def test_invalid_combinations_are_refused(override, message):
    with pytest.raises(ConfigError, match=message):
        recipe(*override.split())
