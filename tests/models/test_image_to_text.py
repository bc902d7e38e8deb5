"""Contracts of the captioner with each attention and each kind of CNN."""

import functools
import json
from pathlib import Path

import keras
import keras_hub
import numpy as np
import pytest

import zoo
from tests.compiled import compiled
from tests.variants import variants
from tests.weights import assign_normal, without_seeds
from zoo import presets
from zoo.choices import ATTENTIONS
from zoo.data import Dataset
from zoo.images import ImageError, ImageFile
from zoo.layers.image import GridPositions, make_image_encoder
from zoo.models import ImageToText, ImageToTextBackbone, ImageToTextPreprocessor
from zoo.models.batching import Batch
from zoo.models.generation import SearchOptions
from zoo.tokenizers import train_subword_tokenizer

CAPTIONS = ["a red circle", "a blue square above a red circle", "two dogs", "a dog"]
SIZE = (16, 24)
PICTURES = np.random.default_rng(0).integers(0, 256, (4, *SIZE, 3), dtype="uint8")
EXPECTED = Path(__file__).parents[1] / "contracts" / "image_to_text_logits.json"

# Each attention once, and each other option once.
VARIANTS = {name: {"attention": name} for name in ("none", *ATTENTIONS)}
VARIANTS["transformer"] = {"attention": "transformer", "num_layers": 2, "num_heads": 2}
VARIANTS["gru, gated, deep, fed, tied"] = {
    "cell": "gru", "gate": True, "num_layers": 2, "input_feeding": True, "tie_embeddings": "output",
}  # fmt: skip
VARIANTS["none, deep"] = {"attention": "none", "num_layers": 2}
most_on_one_backend = variants(VARIANTS, everywhere=("none", "bahdanau", "transformer"))


def make_preprocessor():
    return ImageToTextPreprocessor(train_subword_tokenizer(CAPTIONS * 9, 300), SIZE, 24)


def make(preprocessor, variant="bahdanau", **options):
    """A model with the same weights on every backend."""
    settings = {"embedding_dim": 8, "units": 8, "widths": (4, 8)} | VARIANTS[variant] | options
    size = preprocessor.tokenizer.vocabulary_size()
    model = ImageToText(ImageToTextBackbone(size, SIZE, **settings), preprocessor)
    weights = sorted(without_seeds(model.weights), key=lambda it: it.path)  # a fixed order
    assign_normal([weight for weight in weights if "moving" not in weight.path], scale=1.5)
    return model


@pytest.fixture(scope="module")
def preprocessor():
    return make_preprocessor()


@pytest.fixture(scope="module")
def models(preprocessor):
    """A cache of the variants, each built and compiled once."""
    made = functools.cache(functools.partial(make, preprocessor))
    return lambda variant="bahdanau": made(variant)


def batch(model, length=24):
    inputs, following, weights = model.preprocessor.collate(
        model.preprocessor.encode(CAPTIONS), length
    )
    return {"images": PICTURES.astype("float32")} | inputs, following, weights


def logits(model, inputs):
    return np.asarray(keras.Model.predict_on_batch(model, inputs), "float32")


def known_logits(model):
    """A few logits of the unpadded steps."""
    inputs, _, weights = batch(model)
    return logits(model, inputs)[:, :3, :5] * weights[:, :3, None]


@most_on_one_backend
def test_outputs_equal_the_recorded_ones_on_every_backend(models, variant):
    expected = json.loads(EXPECTED.read_text())[variant]
    np.testing.assert_allclose(known_logits(models(variant)).ravel(), expected, atol=1e-5)


@most_on_one_backend
def test_padding_and_later_target_tokens_do_not_change_logits(models, variant):
    model = models(variant)
    inputs, _, weights = batch(model)
    before = logits(model, inputs)
    valid = weights[:, :, None] > 0
    longer = logits(model, batch(model, 40)[0])[:, :24]
    np.testing.assert_allclose(before * valid, longer * valid, atol=1e-5)
    changed = inputs | {"decoder_token_ids": inputs["decoder_token_ids"].copy()}
    changed["decoder_token_ids"][:, 3:] = 7
    after = logits(model, changed)
    np.testing.assert_allclose(after[:, :3], before[:, :3], atol=1e-5)
    assert np.abs(after[:, 3:] - before[:, 3:]).max() > 1e-3


@variants(
    ["none", "none, deep", "luong_local", "transformer", "gru, gated, deep, fed, tied"],
    everywhere=("gru, gated, deep, fed, tied",),
)
def test_search_and_teacher_forcing_give_the_same_log_probability(models, variant):
    model = models(variant)
    found = model.search(SearchOptions(beam=2, n_best=2))(model.features(PICTURES[:1]))
    for n in range(2):
        written = [found.tokens[0, n, : found.lengths[0, n]].tolist()]
        inputs, following, weights = model.preprocessor.collate(written, 24)
        scores = logits(model, {"images": PICTURES[:1].astype("float32")} | inputs)
        highest = scores.max(-1, keepdims=True)
        normalizer = np.log(np.exp(scores - highest).sum(-1)) + highest[..., 0]
        gains = np.take_along_axis(scores, following[..., None], -1)[..., 0] - normalizer
        assert found.log_probabilities[0, n] == pytest.approx((gains * weights).sum(), abs=1e-3)


@most_on_one_backend
@pytest.mark.once
def test_captions_do_not_depend_on_the_batch(models, variant):
    model = models(variant)
    assert model.infer([]) == []
    together = model.infer(list(PICTURES), beam=2, n_best=2, max_length=8)
    for picture, answer in zip(PICTURES, together, strict=True):
        (alone,) = model.infer([picture], beam=2, n_best=2, max_length=8)
        assert alone.text == answer.text == answer.hypotheses[0].text
        assert alone.score == pytest.approx(answer.score, abs=1e-4)
        assert answer.hypotheses[0].score >= answer.hypotheses[1].score
    assert len({answer.score for answer in together}) == 4  # captions depend on the image


@pytest.mark.once
def test_precomputed_features_give_the_same_score(models):
    model = models()
    columns = {"image": list(PICTURES), "captions": [[caption] for caption in CAPTIONS]}
    features = model.features(PICTURES).astype("float16")
    assert features.shape == (4, 2, 3, 8)
    answers = model.infer(list(PICTURES), beam=2)
    seen = [caption for some in (features[:3], features[3:]) for caption in _described(model, some)]
    for answer, known in zip(answers, seen, strict=True):
        assert answer.text == known.text and answer.score == pytest.approx(known.score, abs=1e-2)
    known = model.score(columns, features=features, batch_size=3, beam=1)
    assert known == pytest.approx(model.score(columns, beam=1))
    assert {"bleu_1", "bleu_4", "rouge_l", "cider_d"} <= set(known)


def _described(model, features):
    options, batch = SearchOptions(beam=2), Batch(list(range(len(features))), 1, 0)
    return model._captions((features.astype("float32"),), batch, model.search(options), options)


@variants(VARIANTS, everywhere=("bahdanau",))
def test_explanations_have_a_map_for_each_token_of_the_caption(models, variant):
    model = models(variant)
    explained = model.explain(PICTURES[0])
    assert explained.caption == model.infer([PICTURES[0]])[0].text
    if model.backbone.attention == "none":
        assert explained.weights is None
    else:
        assert explained.weights.shape[1:] == (2, 3)
        if variant != "luong_local":  # its window truncates the weights
            np.testing.assert_allclose(explained.weights.sum((1, 2)), 1, atol=1e-4)
    assert explained.effects.shape == (len(explained.tokens), 2, 3)
    covered = PICTURES[0].copy()
    covered[8:, 16:] = covered.mean(axis=(0, 1))  # the last of 2 × 3 cells
    found = model.search()(model.features([PICTURES[0]]))
    ids = found.tokens[0, 0, : found.lengths[0, 0]]
    whole, rest = (
        model.log_probabilities((model.features([one]),), ids)[0] for one in (PICTURES[0], covered)
    )
    np.testing.assert_allclose(explained.effects[:, 1, 2], whole - rest, atol=1e-4)


@variants(["none", "bahdanau"], everywhere=("bahdanau",))
def test_gradients_of_captions_have_the_shape_of_the_grid(models, variant):
    explained = models(variant).explain(PICTURES[0], "gradient")
    assert explained.effects.shape == (len(explained.tokens), 2, 3) and explained.effects.any()
    assert explained.method == "gradient" and explained.weights is None


@pytest.mark.once
def test_a_saved_preset_loads_the_same_model(models, tmp_path):
    model = models("gru, gated, deep, fed, tied")
    columns = {"image": [ImageFile("a.png", content=b"")], "captions": [["a"]]}
    dataset = Dataset("mine", "image_to_text", ("en",), "CC0", "", "0" * 64, {"train": columns}, ())
    presets.save(model, tmp_path / "p", name="p", dataset=dataset)
    copy = zoo.load(tmp_path / "p")
    assert copy.get_config() == model.get_config()
    for one, other in zip(model.infer(PICTURES), copy.infer(PICTURES), strict=True):
        assert one.score == pytest.approx(other.score, abs=0.05)  # stored in float16
    hub = keras_hub.models.Seq2SeqLM.from_preset(str(tmp_path / "p"))
    assert isinstance(hub, ImageToText)


def test_frozen_layers_stay_frozen_in_a_copy(preprocessor):
    backbone = make(preprocessor, train_encoder="last_norm").backbone
    copy = ImageToTextBackbone.from_config(backbone.get_config())
    for one in (backbone, copy):
        assert len(one.image_encoder.trainable_weights) == 2
    frozen = ImageToTextBackbone.from_config(backbone.get_config() | {"trainable": False})
    assert not frozen.trainable_weights


@pytest.mark.once
def test_training_fits_four_images():
    keras.utils.set_random_seed(0)
    names = ["red", "blue", "green", "white"]
    colours = np.array([[255, 0, 0], [0, 0, 255], [0, 255, 0], [255, 255, 255]], "uint8")
    pictures = np.zeros((4, *SIZE, 3), "uint8")
    for picture, colour, row in zip(pictures, colours, (0, 4, 8, 12), strict=True):
        picture[row : row + 4] = colour
    chosen = ImageToTextPreprocessor(train_subword_tokenizer(names * 9, 300), SIZE, 6)
    size = chosen.tokenizer.vocabulary_size()
    model = ImageToText(ImageToTextBackbone(size, SIZE, widths=(16,), units=32), chosen)
    inputs, truth, weights = chosen({"images": pictures, "text": names})
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    jit = keras.config.backend() == "jax"  # as in recipes
    keras.Model.compile(
        model, keras.optimizers.Adam(0.02), loss, weighted_metrics=[], jit_compile=jit
    )
    for _ in range(80):
        keras.Model.train_on_batch(model, inputs, truth, sample_weight=weights)
    assert [answer.text for answer in model.infer(pictures)] == names


@pytest.mark.once
def test_generate_of_keras_hub_equals_greedy_search(models):
    model = models()
    model.compile(sampler="greedy")
    assert len(model.generate(list(PICTURES[:2]), max_length=3, stop_token_ids=None)) == 2
    assert model.generate(list(PICTURES[:2]), max_length=8) == [
        answer.text for answer in model.infer(PICTURES[:2], beam=1, length_penalty=0, max_length=7)
    ]


@pytest.mark.once
@pytest.mark.parametrize(
    ("name", "train", "trained"),
    [("MobileNetV2", "none", 0), ("MobileNetV2", "Conv_1", 1), ("residual", "none", 0)],
)
def test_train_names_the_first_trainable_layer_of_a_cnn(name, train, trained):
    encoder = make_image_encoder(name, (32, 32), train=train)
    assert len(encoder.trainable_weights) == trained


@pytest.mark.once
def test_output_names_the_last_layer_of_a_cnn():
    whole, cut = (
        make_image_encoder("MobileNetV2", (64, 32), output=o) for o in (None, "block_12_add")
    )
    assert whole.output.shape == (None, 2, 1, 1280) and cut.output.shape == (None, 4, 2, 96)
    assert cut.count_params() < whole.count_params() / 3
    half = make_image_encoder("residual", (32, 32), (4, 8), output="block_0_add")
    assert half.output.shape == (None, 8, 8, 4)


def test_grid_positions_add_embeddings_of_row_and_column():
    layer = GridPositions()
    seen = keras.ops.convert_to_numpy(layer(np.zeros((2, 3, 4, 5), "float32")))
    rows, columns = layer.get_weights()
    assert rows.shape == (3, 1, 5) and columns.shape == (4, 5)
    np.testing.assert_allclose(seen[1, 2, 3], rows[2, 0] + columns[3], atol=1e-6)
    assert len(np.unique(seen[0].reshape(12, 5).round(4), axis=0)) == 12


def test_a_frozen_cnn_gives_the_same_features_in_training():
    encoder = make_image_encoder("MobileNetV2", (32, 32), train="Conv_1")
    picture = np.random.default_rng(0).uniform(0, 255, (2, 32, 32, 3)).astype("float32")
    run = compiled(lambda picture: [encoder(picture, training=t) for t in (False, True)])
    np.testing.assert_allclose(*map(keras.ops.convert_to_numpy, run(picture)), atol=1e-6)


@pytest.mark.once
@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"encoder": "MobileNet2"}, "Received: 'MobileNet2'"),
        ({"train_encoder": "conv_99"}, "Received: 'conv_99'"),
        ({"encoder_output": "block_9_add"}, "grid: .*block_0_add.* Received: 'block_9_add'"),
        ({"tie_embeddings": "all"}, "tie_embeddings='all'"),
        ({"attention": "none", "gate": True}, "gate=True"),
        ({"attention": "none", "input_feeding": True}, "input_feeding=True"),
        ({"image_size": (4, 64)}, r"image_size=\(4, 64\)"),
        ({"cell": "rnn"}, "cell='rnn'"),
    ],
)
def test_invalid_options_of_the_backbone_raise(settings, message):
    with pytest.raises(ValueError, match=message):
        ImageToTextBackbone(9, **{"image_size": (16, 16), "units": 8, **settings})


def test_invalid_inputs_raise(models, tmp_path):
    model = models()
    for one in ("photo.jpg", tmp_path / "photo.jpg", PICTURES[0], PICTURES[0, :, :, 0]):
        with pytest.raises(TypeError, match="in a list"):
            model.infer(one)
    with pytest.raises(ValueError, match="max_length=0"):
        model.infer(PICTURES, max_length=0)
    with pytest.raises(FileNotFoundError, match="nowhere.png"):
        model.infer([tmp_path / "nowhere.png"])
    (tmp_path / "text.png").write_text("no picture")
    with pytest.raises(ImageError, match="text.png"):
        model.infer([tmp_path / "text.png"])
    with pytest.raises(ValueError, match="batch_size=0"):
        model.infer(PICTURES, batch_size=0)
