"""Tagging recipe: schema, examples, losses, report."""

from dataclasses import replace
from types import SimpleNamespace

import keras
import numpy as np
import pytest

import zoo
from recipes import tagging
from recipes.tagging.recipe import TaggingRecipe
from recipes.tagging.report import draw_confusion, draw_transitions
from recipes.tagging.schema import TaggingConfig
from tests.recipes.test_manuals import FOLDER
from tests.small_recipe import load_data
from zoo import presets
from zoo.data.batches import Batches
from zoo.data.planning import plan_batches
from zoo.exporting import adapters
from zoo.models import CausalLM, CausalLMBackbone, CausalLMPreprocessor
from zoo.tokenizers import train_spaced_word_tokenizer
from zoo.training import run as run_recipe
from zoo.training.config import ConfigError, read_yaml, resolve
from zoo.training.losses import SentenceCrossentropy
from zoo.training.pretrained import with_labels_of

QUICKSTART = FOLDER / "tagging" / "quickstart.yaml"
TINY = [
    "data.name=generated_slots",
    "data.options={train: 120, dev: 30, test: 20}",
    "model.word_dim=6",
    "model.character_units=6",
    "model.units=6",
    "training.epochs=1",
    "training.batch_size=40",
    "evaluation.gate=null",
    "evaluation.samples=4",
]


def config(*overrides):
    values = read_yaml(QUICKSTART.read_text("utf-8"))
    return resolve(TaggingConfig, values, [*TINY, *overrides], source="test")


@pytest.mark.once
def test_run_logs_its_report_and_a_loadable_model(client, tmp_path):
    result = run_recipe(
        tagging.RECIPE,
        "quickstart",
        [
            *TINY,
            "model.attention=scaled_dot",
            "evaluation.metric=token_accuracy",
            "evaluation.outside_penalties=[0, 2, -2]",
        ],
        output=tmp_path / "preset",
        progress=False,
    )
    expected = {"dev/token_accuracy", "dev/f1_strict", "test/f1_conlleval", "test/intent_accuracy"}
    assert expected <= set(result.metrics)
    tuned = client.get_run(result.run_id).data.metrics
    metric = "outside_penalty/token_accuracy_at_"
    best = max((0, 2, -2), key=lambda it: tuned[f"{metric}{it}"])
    assert tuned["outside_penalty"] == best
    assert len({tuned[f"{metric}{it}"] for it in (0, 2, -2)}) > 1
    assert tuned["dev/token_accuracy"] == pytest.approx(tuned[f"{metric}{best}"], abs=0.02)
    artifacts = {
        item.path
        for folder in ("", "figures", "attention")
        for item in client.list_artifacts(result.run_id, folder or None)
    }
    assert {
        "tags.json",
        "samples.json",
        "figures/confusion.png",
        "figures/transitions.png",
        "attention/05.png",
        "attention/05.html",
    } <= artifacts
    again = zoo.load(result.model_uri)
    words = ["play", "jazz", "by", "Anna"]
    assert again.infer([words])[0].tags == result.model.infer([words])[0].tags
    card = presets.read_card(tmp_path / "preset")
    assert card.task == "token_classifier" and card.dataset == "generated_slots"


@pytest.mark.parametrize(
    "head, r_drop", [("crf", 0.0), pytest.param("softmax", 1.0, marks=pytest.mark.once)]
)
def test_one_batch_updates_every_weight(fit_one_batch, head, r_drop):
    options = (f"model.head={head}", f"training.r_drop={r_drop}", "model.attention=scaled_dot")
    recipe = TaggingRecipe(config(*options))
    loss, unchanged = fit_one_batch(recipe)
    assert np.isfinite(loss) and unchanged == []


@pytest.mark.once
def test_user_files_with_softmax_and_without_characters(client, tmp_path):
    for name, rows in (("train", 40), ("dev", 5)):
        text = "the\tDET\ncat\tNOUN\nsat\tVERB\n\n" * rows + "Oh\tINTJ\n" * (name == "dev")
        (tmp_path / f"{name}.conll").write_text(text)
    files = f"data={{name: null, train: {tmp_path / 'train.conll'}, dev: {tmp_path / 'dev.conll'}}}"
    result = run_recipe(
        tagging.RECIPE,
        "quickstart",
        [
            *TINY,
            files,
            "model.head=softmax",
            "model.characters=none",
            "training.epochs=6",
            "training.learning_rate=0.05",
            "evaluation.metric=token_accuracy",
            "evaluation.test=false",
            "tracking.register_as=null",
        ],
        progress=False,
    )
    assert result.model.tags == ("DET", "NOUN", "VERB") and result.model.scheme is None
    assert result.metrics["dev/token_accuracy"] == pytest.approx(15 / 16)  # the model lacks INTJ
    assert client.get_run(result.run_id).data.tags["unknown_tags"] == "INTJ (1)"


def test_word_dropout_varies_by_epoch():
    recipe = TaggingRecipe(config("tokenizer.word_dropout=0.5"))
    dataset = load_data(recipe.config)
    model = recipe.build(dataset, recipe.prepare(dataset), "float32")
    columns = dataset.splits["train"]

    def share(epoch):
        examples = recipe.examples(model, columns, epoch)
        x, y = examples.collate(np.arange(100), max(examples.lengths))
        assert set(y) == {"tags", "intent"} and y["intent"].shape == (100,)
        return x["word_ids"]

    first, again, second = share(0), share(0), share(1)
    np.testing.assert_array_equal(first, again)
    assert (first != second).any()
    words = first[first > 0]
    assert 0.4 < (words == 1).mean() < 0.75
    assert recipe.examples_vary_by_epoch


@pytest.mark.once
def test_init_from_copies_tokenizer_and_weights(tmp_path):
    one = TaggingRecipe(config())
    dataset = load_data(one.config)
    model = one.build(dataset, one.prepare(dataset), "float32")
    start = tmp_path / "start"
    presets.save(model, start, name="start", dataset=dataset, dtype="float32")
    same = TaggingRecipe(config(f"training.init_from={start}", "tokenizer.least_count=9"))
    again = same.build(dataset, same.prepare(dataset), "float32")
    for found, expected in zip(model.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(found, expected)
    # Without intents the layers of the tags are copied, and with other tags those of the intents.
    splits = {split: {**it} for split, it in dataset.splits.items()}
    del splits["train"]["intent"]
    without = replace(dataset, splits=splits)
    found = same.build(without, same.prepare(dataset), "float32")
    crf, expected = (it.get_layer("crf").get_weights() for it in (found, model))
    assert not found.intents and np.array_equal(crf[0], expected[0])
    fewer = with_labels_of(model, replace(dataset, labels=dataset.labels[2:]))
    assert fewer.labels == tuple(model.tags)
    assert with_labels_of(model, replace(dataset, labels=("X",))).labels == ("X",)
    bioes = SimpleNamespace(tags=["O", "B-X", "I-X", "E-X", "S-X"])  # forbids B-X before O
    for known in (["B-X", "I-X", "O"], ["O", "S-X"]):
        labels = with_labels_of(bioes, replace(dataset, labels=tuple(known))).labels
        assert labels == (tuple(bioes.tags) if "S-X" in known else tuple(known))
    characters = ("tokenizer.unit=characters", f"training.init_from={start}")
    with pytest.raises(ValueError, match="tags words: set tokenizer.unit=words"):
        TaggingRecipe(config(*characters)).prepare(dataset)
    other = TaggingRecipe(config(f"training.init_from={start}", "model.units=7"))
    with pytest.raises(ValueError, match="set model.units=6. Received: model.units=7"):
        other.build(dataset, other.prepare(dataset), "float32")


@pytest.mark.once
def test_language_models_of_words_start_a_tagger(tmp_path):
    dataset = load_data(config())
    texts = [" ".join(words) for words in dataset.splits["train"]["tokens"]]
    tokenizer = train_spaced_word_tokenizer(texts[:20])
    presets_of = []
    for backward in (False, True):
        backbone = CausalLMBackbone(
            tokenizer.vocabulary_size(), embedding_dim=6 + backward, units=5, num_layers=2
        )
        model = CausalLM(backbone, CausalLMPreprocessor(tokenizer, 8, backward=backward))
        presets_of.append(str(tmp_path / str(backward)))
        presets.save(model, presets_of[-1], name="lm", dataset=dataset, dtype="float32")
    values = {"data": {"name": "generated_slots"}, "training": {"init_from": presets_of}}
    one = TaggingRecipe(resolve(TaggingConfig, values, TINY[1:2], source="test"))
    model = one.build(dataset, one.prepare(dataset), "float32")
    assert (model.backbone.word_dim, model.backbone.units) == (13, 5)
    (line,) = one.differences(model)
    assert "new layers: character_features, " in line and line.endswith("crf")
    words = model.preprocessor.tokenizer
    assert not words.lowercase and words.encode(["play"])[0] > 1
    assert words.vocabulary_size() > tokenizer.vocabulary_size() - 1  # train has more
    sentences = [text.split() for text in texts[:3]]
    x = model.preprocessor.collate(model.preprocessor.encode(sentences), 16)
    states = model.backbone.predict_on_batch(x)
    for direction, source in enumerate(map(zoo.load, presets_of)):
        ids = source.preprocessor.encode(texts[:3])
        rows = [np.pad(row, (0, 16 - len(row))) for row in ids]
        inputs = {"token_ids": np.array(rows, "int32"), "padding_mask": x["padding_mask"]}
        for row, expected in enumerate(source.backbone.predict_on_batch(inputs)):
            found = states[row, : len(ids[row]), 5 * direction : 5 * direction + 5]
            found = found[::-1] if direction else found
            np.testing.assert_allclose(found, expected[: len(ids[row])], atol=1e-6)


@pytest.mark.once
def test_a_tagger_of_characters_splits_texts_and_joins_spans():
    recipe = TaggingRecipe(config("tokenizer.unit=characters", "model.characters=none"))
    dataset = load_data(recipe.config)
    texts = [" ".join(words) for words in dataset.splits["train"]["tokens"]]
    train = {"tokens": list(map(list, texts)), "tags": [["O"] * len(text) for text in texts]}
    train["tags"][0][0] = "B-X"
    dataset = replace(dataset, splits={"train": train}, labels=("B-X", "I-X", "O"))
    model = recipe.build(dataset, recipe.prepare(dataset), "float32")
    answer, same = model.infer(["play  it", list("play it")])
    assert answer.tokens == list("play it") and answer.tags == same.tags
    assert answer.to_dict()["separator"] == ""
    (span,) = model.spans_of(list("a b"), ["B-X", "I-X", "O"])
    assert span.text == "a "
    assert model.infer([""])[0].separator == ""
    with pytest.raises(ValueError, match="tags characters: give it a text.*Received: 'play'"):
        model.infer([["play", "it"]])
    for sentence in adapters.Tagger(model).sentences(np.random.default_rng(0)):
        assert model.preprocessor.words(sentence) == sentence
    assert recipe.settings_of(model)["characters"] == "none"
    assert "character_length" not in recipe.settings_of(model)
    assert not list(recipe.config.data_conflicts(dataset))


def test_a_unit_that_is_not_that_of_the_tags_is_refused_before_training(tmp_path):
    with pytest.raises(ConfigError, match="those of words: set tokenizer.unit=words, or"):
        run_recipe(
            tagging.RECIPE,
            "quickstart",
            [*TINY, "tokenizer.unit=characters", "model.characters=none"],
        )
    file = tmp_path / "train.conll"
    file.write_text("서\tB-LC\n \tO\n가\tO\n\n" * 9)
    files = f"data={{name: null, train: {file}, dev: {file}}}"
    with pytest.raises(ConfigError, match="set tokenizer.unit=characters and model.characters"):
        run_recipe(tagging.RECIPE, "quickstart", [files, "evaluation.gate=null"])


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("model.encoder=transformer model.units=10", "divisible by num_heads"),
        ("model.characters=lstm model.character_units=7", "make it even"),
        ("model.head=crff", "did you mean|crf"),
        ("data.name=ud_english", "did you mean ud_english_ewt"),
        ("data.column=xpos", "data.options.column=xpos"),
        ("training.label_smoothing=0.1", "does not support label smoothing"),
        ("training.r_drop=1", "a CRF predicts jointly: set model.head=softmax"),
        ("model.attention=multi_head model.num_heads=4", "units must be divisible"),
        ("tokenizer.unit=characters", "set model.characters=none"),
        ("model.head=pointer", "a head that points at words needs attention"),
    ],
)
def test_invalid_combinations_are_refused(override, message):
    with pytest.raises(ConfigError, match=message):
        config(*override.split())


def test_metric_that_the_data_lacks_is_refused_before_training(tmp_path):
    file = tmp_path / "train.conll"
    file.write_text("the\tDET\ncat\tNOUN\n\n" * 9)
    files = f"data={{name: null, train: {file}, dev: {file}}}"
    for metric in ("f1_strict", "intent_accuracy"):
        with pytest.raises(ConfigError, match=f"{metric} needs .*evaluation.metric"):
            run_recipe(tagging.RECIPE, "quickstart", [files, f"evaluation.metric={metric}"])


@pytest.mark.once
def test_a_crf_of_a_thousand_tags_is_refused_before_training():
    recipe = config("training.batch_size=32")
    words = {"tokens": [["word"] * 50]}
    dataset = SimpleNamespace(splits={"train": words}, labels=tuple(map(str, range(1000))))
    (conflict,) = recipe._crf_conflicts(dataset)
    assert "6 GB for a batch: set model.head=softmax" in str(conflict)
    for allowed in ("model.head=softmax", "training.batch_tokens=256", "training.batch_size=8"):
        assert not list(config("training.batch_size=32", allowed)._crf_conflicts(dataset))


@pytest.mark.once
def test_tags_that_are_no_numbers_of_words_are_refused_before_training():
    with pytest.raises(ConfigError, match="points at words needs the tags O"):
        run_recipe(
            tagging.RECIPE, "quickstart", [*TINY, "model.head=pointer", "model.attention=bahdanau"]
        )


@pytest.mark.once
def test_a_pointer_reaches_words_that_the_data_does_not_point_at():
    recipe = TaggingRecipe(config("model.head=pointer", "model.attention=bahdanau"))
    for labels, count in ((("12", "2", "O"), 64), (("70", "O"), 70)):
        expected = ("O", *(str(place) for place in range(1, count + 1)))
        assert recipe.tags(SimpleNamespace(labels=labels)) == expected
    assert TaggingRecipe(config()).tags(SimpleNamespace(labels=("2", "O"))) == ("2", "O")


@pytest.mark.once
def test_a_penalty_of_a_tag_that_the_data_lack_is_refused_before_training():
    recipe = TaggingRecipe(config("evaluation.outside_penalties=[1]"))
    dataset = load_data(recipe.config)
    preprocessor = recipe.prepare(dataset)
    with pytest.raises(ValueError, match="must be one of NOUN, VERB.*Received: tag='O'"):
        recipe.build(replace(dataset, labels=("NOUN", "VERB")), preprocessor, "float32")


def test_ill_formed_tags_are_repaired_with_a_warning(tmp_path):
    file = tmp_path / "train.conll"
    file.write_text("in\tO\nNew\tI-LOC\nYork\tI-LOC\nSeoul\tB-LOC\n\n" * 9)
    recipe = TaggingRecipe(config(f"data={{name: null, train: {file}, dev: {file}}}"))
    with pytest.warns(UserWarning, match="transitions .* ill-formed in BIO, and were repaired"):
        dataset = load_data(recipe.config)
    assert dataset.splits["train"]["tags"][0] == ["O", "B-LOC", "I-LOC", "B-LOC"]
    assert dataset.labels == ("B-LOC", "I-LOC", "O")


@pytest.mark.once
@pytest.mark.parametrize(
    ("tags", "scheme", "kind"),
    [("O B I", "bio", "_"), ("O B-LOC I-LOC", "bio", "LOC"), ("O I I", "io", "_")],
)
def test_tags_of_every_form_are_trained(tmp_path, tags, scheme, kind):
    file = tmp_path / "train.conll"
    words = zip("in New York".split(), tags.split(), strict=True)
    file.write_text(("".join(f"{word}\t{tag}\n" for word, tag in words) + "\n") * 9)
    recipe = TaggingRecipe(config(f"data={{name: null, train: {file}, dev: {file}}}"))
    dataset = load_data(recipe.config)
    model = recipe.build(dataset, recipe.prepare(dataset), "float32")
    assert model.scheme == scheme and model.tags == tuple(sorted(set(tags.split())))
    model.compile("adam", **recipe.compile_options(model))
    examples = recipe.examples(model, dataset.splits["train"], 0)
    batches = Batches(plan_batches(examples.lengths, [8], 9), examples.collate)
    history = keras.Model.fit(model, batches, verbose=0)
    assert np.isfinite(history.history["loss"]).all()
    scores = model.score(dataset.splits["dev"])
    assert scores["repaired_predictions"] == 0 and 0 <= scores["f1_strict"] <= 1
    assert {span.type for answer in model.infer(["in New York"]) for span in answer.spans} <= {kind}


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_sentence_loss_is_the_sum_over_its_words(smoothing):
    random = np.random.default_rng(0)
    potentials = random.normal(size=(2, 3, 4)).astype("float32")
    truth = np.array([[1, 3, 2], [2, 0, 0]])
    log_probabilities = potentials - np.log(np.exp(potentials).sum(-1, keepdims=True))
    target = np.eye(4)[truth] * (1 - smoothing) + smoothing / 4
    losses = -(target * log_probabilities).sum(-1)
    potentials[1, 1:] = -1e9
    value = float(SentenceCrossentropy(smoothing)(truth, potentials, np.array([1.0, 0.5])))
    expected = (losses[0].sum() + 0.5 * losses[1, 0]) / 2
    assert value == pytest.approx(expected, rel=1e-5)


def test_figures_have_a_row_for_each_tag():
    recipe = TaggingRecipe(config())
    dataset = load_data(recipe.config)
    model = recipe.build(dataset, recipe.prepare(dataset), "float32")
    axes = draw_transitions(model).axes[0]
    assert [text.get_text() for text in axes.get_yticklabels()] == list(model.tags)
    figure = draw_confusion(np.array([[3, 1], [0, 2]]), ["A", "B"])
    assert {text.get_text() for text in figure.axes[0].texts} == {"3", "1", "2"}
