"""Translation recipe: schema, runs, `init_from`, loss."""

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import MagicMock

import keras
import numpy as np
import pytest

import zoo
from recipes import translation
from recipes.translation import report
from recipes.translation.recipe import TranslationRecipe
from recipes.translation.schema import TranslationConfig
from tests.small_recipe import load_data
from zoo import data, presets
from zoo.data.batches import Batches
from zoo.data.planning import PlannedBatch
from zoo.metrics import translation_scores
from zoo.models.batching import predict
from zoo.training import run as run_recipe
from zoo.training.config import ConfigError, read_yaml, resolve
from zoo.training.display import Display
from zoo.training.distillation.teacher import Teacher
from zoo.training.losses import TokenCrossentropy
from zoo.training.optimizer import compile_model

QUICKSTART = Path(__file__).parents[2] / "recipes" / "translation" / "quickstart.yaml"
TINY = [
    "data.options={train: 200, dev: 10, test: 5}",
    "tokenizer.vocabulary_size=340",
    "model.embedding_dim=8",
    "model.units=8",
    "training.epochs=1",
    "training.batch_size=32",
    "evaluation.gate=null",
    "evaluation.samples=4",
]


def config(*overrides):
    return resolve(
        TranslationConfig,
        read_yaml(QUICKSTART.read_text("utf-8")),
        [*TINY, *overrides],
        source="test",
    )


@pytest.mark.once
def test_run_logs_its_report_and_a_loadable_model(client, tmp_path, monkeypatch):
    monkeypatch.setattr(report, "NUM_FIGURES", 2)
    overrides = [*TINY, "evaluation.length_penalties=[0.5, 2]"]
    result = run_recipe(
        translation.RECIPE, "quickstart", overrides, output=tmp_path / "preset", progress=False
    )
    assert {"dev/bleu", "dev/chrf", "dev/exact", "test/bleu", "test/perplexity"} <= set(
        result.metrics
    )
    run = client.get_run(result.run_id)
    assert run.data.tags["task"] == "seq2seq_lm" and "BLEU" not in run.data.params
    assert run.data.tags["signature.bleu"].startswith("nrefs:1|case:mixed")
    artifacts = {
        item.path
        for folder in ("", "figures", "attention")
        for item in client.list_artifacts(result.run_id, folder or None)
    }
    assert {
        "samples.json",
        "figures/lengths.png",
        "attention/01.png",
        "attention/02.png",
        "attention/02.html",
    } <= (artifacts)
    tuned = run.data.metrics
    best = max((0.5, 2), key=lambda it: tuned[f"length_penalty/bleu_at_{it:g}"])
    assert tuned["length_penalty"] == result.model.length_penalty == best
    assert tuned["dev/bleu"] == pytest.approx(tuned[f"length_penalty/bleu_at_{best:g}"])
    texts = ["March 12, 2022", "2022년 3월 12일"]
    again = zoo.load(result.model_uri)
    for one, other in zip(result.model.infer(texts), again.infer(texts), strict=True):
        assert one == other
    assert presets.read_card(tmp_path / "preset").task == "seq2seq_lm"


@pytest.mark.parametrize(
    "attention, r_drop",
    [pytest.param("bahdanau", 0.0, marks=pytest.mark.once), ("transformer", 1.0)],
)
def test_one_batch_updates_every_weight(fit_one_batch, attention, r_drop):
    options = (f"model.attention={attention}", f"training.r_drop={r_drop}", "model.dropout=0.1")
    loss, unchanged = fit_one_batch(TranslationRecipe(config(*options)))
    assert np.isfinite(loss) and unchanged == []


@pytest.mark.once
def test_user_files_with_two_vocabularies_and_batch_tokens(client, tmp_path):
    rows = data.load("generated_dates", train=60, dev=2, test=0).splits["train"]
    for side in ("source", "target"):
        (tmp_path / side).write_text("\n".join(rows[side]) + "\n")
    files = f"[{tmp_path / 'source'}, {tmp_path / 'target'}]"
    result = run_recipe(
        translation.RECIPE,
        "quickstart",
        [
            *TINY,
            f"data={{name: null, train: {files}}}",
            "model.attention=none",
            "tokenizer.separate=true",
            "training.batch_tokens=320",
            "training.buckets=2",
            "training.max_steps=2",
            "evaluation.test=false",
            "tracking.register_as=null",
        ],
        progress=False,
    )
    assert result.model.languages is None and result.card.dataset == "source"
    assert result.model.preprocessor.has_two_tokenizers
    assert result.model.backbone.source_vocabulary_size is not None


@pytest.mark.once
def test_words_and_phones_of_the_user(client, tmp_path, monkeypatch):
    monkeypatch.setattr(report, "NUM_FIGURES", 1)
    rows = [
        (a + b + c, f"{a.upper()} {b.upper()}1 {c}") for a in "bdk" for b in "aeiou" for c in "mnst"
    ]
    rows += [(word, phones.replace("1", "0")) for word, phones in rows[::4]]
    table = "".join(f"{word}\t{phones}\n" for word, phones in [("word", "phones"), *rows])
    (tmp_path / "words.tsv").write_text(table)
    result = run_recipe(
        translation.RECIPE,
        "lstm_bahdanau_cmudict_g2p_en",
        [
            f"data.train={tmp_path / 'words.tsv'}",
            "data.source=word",
            "data.target=phones",
            *("model.embedding_dim=8", "model.units=8", "model.num_layers=1"),
            *("training.epochs=2", "training.average_last=2", "training.batch_tokens=128"),
            "training.buckets=1",
        ],
        output=tmp_path / "preset",
        progress=False,
    )
    assert {"dev/word_error_rate", "dev/phone_error_rate", "dev/word_error_rate_unstressed"} <= set(
        result.metrics
    )
    vocabulary = result.model.preprocessor.tokenizer.get_vocabulary()
    assert {"B", "A1", "A0", "m"} <= set(vocabulary) and len(vocabulary) == 21
    assert result.card.languages == () and result.model.languages is None
    samples = json.loads(Path(client.download_artifacts(result.run_id, "samples.json")).read_text())
    assert samples["columns"] == ["word", "predicted", "references", "errors"]
    assert any(" | " in row[2] for row in samples["data"])
    again = zoo.load(str(tmp_path / "preset"))
    assert again.infer(["BAM", "kit"]) == result.model.infer(["bam", "kit"])


@pytest.mark.once
def test_transformer_run(client, monkeypatch):
    monkeypatch.setattr(report, "NUM_FIGURES", 2)
    result = run_recipe(
        translation.RECIPE,
        "quickstart",
        [*TINY, "model.attention=transformer", "training.max_steps=2"],
        progress=False,
    )
    assert np.isfinite(result.metrics["dev/loss"])
    assert client.list_artifacts(result.run_id, "attention")


@pytest.mark.once
def test_scores_by_length_are_those_of_the_target_language(monkeypatch):
    pairs = {
        "source": ["It rains.", "He eats rice."],
        "target": ["비가 온다.", "그는 밥을 먹는다."],
    }
    written = ["비가 와요.", "그는 밥을 먹는다."]
    answers = [SimpleNamespace(text=text, score=-1.0) for text in written]
    model = SimpleNamespace(languages=("en", "ko"), infer=lambda _: answers)
    run, drawn = MagicMock(), []
    monkeypatch.setattr(report, "draw_lengths", drawn.append)
    report._report_translations(model, pairs, run, 2)
    (((_, count, bleu),),) = drawn
    assert count == 2
    assert bleu == translation_scores(pairs["target"], written, "ko")["bleu"]
    table = run.log_table.call_args.args[0]
    assert sorted(table["chrf"]) == [17.0, 100.0]


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("model.attention=luong_dot", "set bidirectional false"),
        ("model.tie_embeddings=all model.units=9", "embedding_dim equal to units"),
        (
            "model.attention=bahdanau model.inner_dropout=0.1",
            "only a Transformer has dropout within",
        ),
        ("training.optimizer=sgd training.beta_2=0.9", "sgd keeps no mean squared gradient"),
        ("model.attention=multi_head model.num_heads=3", "divisible by num_heads"),
        ("model.attention=transformer model.units=16", "Transformer need embedding_dim equal"),
        ("tokenizer.separate=true model.tie_embeddings=all", "only if they share one vocabulary"),
        ("tokenizer.source_algorithm=characters", "set separate true, or leave"),
        ("tokenizer.algorithm=characters tokenizer.sampling=0.1", "have one segmentation"),
        ("tokenizer.algorithm=symbols", "error rates measure targets of symbols"),
        ("evaluation.metric=word_error_rate", "error rates measure targets of symbols"),
        ("model.attention=bahdanu", "bahdanau"),
        ("data.name=multi30", "did you mean multi30k"),
        ("data.name=null data.options={} data.train=[only.en]", "two text files"),
        ("training.teacher=gru_none_multi30k_en_de training.teacher_weight=0", "weight of 0"),
        ("data.synthetic.model=x", "data.synthetic.texts: this key is required"),
        ("data.synthetic.text=x", "data.synthetic.text: .* Did you mean data.synthetic.texts"),
    ],
)
def test_invalid_combinations_are_refused(override, message):
    with pytest.raises(ConfigError, match=message):
        config(*override.split())


def test_unknown_language_is_refused():
    one = TranslationRecipe(config("data={name: multi30k, options: {source: en, target: xx}}"))
    with pytest.raises(ValueError, match="multi30k, which has en, de, fr, cs.*target='xx'"):
        load_data(one.config)


@pytest.mark.once
def test_init_from_copies_tokenizer_and_weights(tmp_path):
    one = TranslationRecipe(config())
    dataset = load_data(one.config)
    model = one.build(dataset, one.prepare(dataset), "float32")
    start = tmp_path / "start"
    presets.save(model, start, name="start", dataset=dataset, dtype="float32")
    same = TranslationRecipe(config(f"training.init_from={start}", "tokenizer.vocabulary_size=300"))
    again = same.build(dataset, same.prepare(dataset), "float32")
    for found, expected in zip(model.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(found, expected)
    other = TranslationRecipe(config(f"training.init_from={start}", "model.units=16"))
    with pytest.raises(ValueError, match="set model.units=8. Received: model.units=16"):
        other.build(dataset, other.prepare(dataset), "float32")


@pytest.mark.once
def test_word_dropout_on_both_sides_leaves_targets_and_end_tokens():
    recipe = TranslationRecipe(config("tokenizer.word_dropout=0.3"))
    dataset = load_data(recipe.config)
    preprocessor = recipe.prepare(dataset)
    model, train = SimpleNamespace(preprocessor=preprocessor), dataset.splits["train"]
    plain = TranslationRecipe(config()).examples(model, train, 0)
    rows = np.arange(200)
    inputs, labels, weights = plain.collate(rows, 64)
    shares = []
    for epoch in (0, 1):
        examples = recipe.examples(model, train, epoch)
        found, found_labels, found_weights = examples.collate(rows, 64)
        np.testing.assert_array_equal(found_labels, labels)
        np.testing.assert_array_equal(found_weights, weights)
        again, _, _ = recipe.examples(model, train, epoch).collate(rows, 64)
        for side in ("encoder", "decoder"):
            key = f"{side}_token_ids"
            np.testing.assert_array_equal(found[key], again[key])  # of seed and epoch alone
            dropped = found[key] != inputs[key]
            assert (found[key][dropped] == preprocessor.tokenizer.unk_token_id).all()
            assert (inputs[key][dropped] > 3).all()  # no padding, start or end
            shares.append(dropped.sum() / (inputs[key] > 3).sum())
    assert shares == pytest.approx([0.3] * 4, abs=0.03) and len(set(shares)) == 4
    assert recipe.examples_vary_by_epoch


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_loss_is_the_weighted_mean_over_tokens(smoothing):
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(2, 3, 5)).astype("float32")
    truth = np.array([[1, 4, 0], [2, 0, 0]])
    weights = np.array([[1, 1, 0], [1, 0, 0]], "float32")
    log_probabilities = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    target = np.eye(5)[truth] * (1 - smoothing) + smoothing / 5
    losses = -(target * log_probabilities).sum(-1)
    value = float(TokenCrossentropy(smoothing)(truth, logits, weights))
    assert value == pytest.approx((losses * weights).sum() / 3, rel=1e-5)


@pytest.mark.once
def test_pairs_longer_than_the_limit_are_left_out_and_counted(tmp_path):
    short, long = "one two", "one two three " * 30
    rows = [(short, short)] * 30 + [(long, short), (short, long), (long, long)]
    file = tmp_path / "pairs.tsv"
    file.write_text("source\ttarget\n" + "".join(f"{s}\t{t}\n" for s, t in rows), "utf-8")
    recipe = TranslationRecipe(
        config("data.name=null", "data.options={}", f"data.train={file}", f"data.dev={file}")
    )
    dataset = load_data(recipe.config)
    model = recipe.build(dataset, recipe.prepare(dataset), "float32")
    end = model.preprocessor.tokenizer.end_token_id
    with pytest.warns(UserWarning, match="3 of 33 training pairs are longer than 63 tokens"):
        examples = recipe.examples(model, dataset.splits["train"], 0)
    assert len(examples.lengths) == 30
    _, labels, weights = examples.collate(np.arange(30), 64)
    lengths = weights.sum(axis=1).astype(int)
    assert [row[n - 1] for row, n in zip(labels, lengths, strict=True)] == [end] * 30
    # A text that is cut does not end, so that no model learns to stop there.
    (cut,) = model.preprocessor.encode_target([long])
    assert len(cut) == 64 and end not in cut
    columns = {name: values[-3:] for name, values in dataset.splits["train"].items()}
    with pytest.raises(ValueError, match="All training pairs.*Received: model.sequence_length=64"):
        recipe.examples(model, columns, 0)


class Shouting:
    """A teacher that writes a text in capitals, and nothing for `silence`."""

    languages = None

    def __init__(self, score=-1.0):
        self.score, self.beams = score, []

    def infer(self, texts, beam):
        self.beams.append(beam)
        written = ["" if text == "silence" else text.upper() for text in texts]
        return [SimpleNamespace(text=text, score=self.score) for text in written]


@pytest.fixture
def distilled(home, tmp_path, monkeypatch):
    """Function that makes a recipe with a teacher and unlabelled sources."""

    def make(model, *overrides):
        (tmp_path / "more.txt").write_text("silence\none more\n")
        monkeypatch.setattr(Teacher, "model", property(lambda self: model))
        teacher = "training.teacher=gru_none_multi30k_en_de"
        more = f"data.unlabelled={tmp_path}/more.txt"
        return TranslationRecipe(config(teacher, more, *overrides))

    return make


@pytest.mark.once
def test_targets_are_those_of_the_teacher_in_a_share_of_the_pairs(distilled):
    model = Shouting()
    recipe = distilled(model, "training.teacher_weight=0.25", "training.teacher_beam=3")
    dataset = load_data(recipe.config)
    columns = recipe.training_columns(dataset, Display())
    assert model.beams == [3, 3]  # a probe, then all
    assert recipe.training_columns(dataset, Display()) == columns and len(model.beams) == 2
    assert columns["target"][-2:] == [None, None] and columns["teacher"][-2:] == ["", "ONE MORE"]
    pairs = [recipe._pairs(columns, epoch) for epoch in (0, 0, 1)]
    assert pairs[0] == pairs[1] != pairs[2] and recipe.examples_vary_by_epoch
    sources, targets = pairs[0]["source"], pairs[0]["target"]
    assert len(sources) == 201 and (sources[-1], targets[-1]) == ("one more", "ONE MORE")
    is_taught = [a.upper() == b for a, b in zip(sources[:200], targets[:200], strict=True)]
    assert 0.15 < np.mean(is_taught) < 0.35
    truth = dict(zip(columns["source"], columns["target"], strict=True))
    for source, target, taught in zip(sources, targets, is_taught, strict=False):
        assert taught or target == truth[source]
    only = distilled(model, "training.teacher_weight=0")
    columns = only.training_columns(dataset, Display())
    assert columns["teacher"] == [None] * 200 + ["", "ONE MORE"]
    assert not only.examples_vary_by_epoch
    assert only._pairs(columns, 0)["target"] == [*columns["target"][:200], "ONE MORE"]
    columns = recipe.training_columns(dataset, Display())
    whole = distilled(model, "training.teacher_mode=both")
    assert not whole.examples_vary_by_epoch
    assert whole._pairs(columns, 0)["target"] == [text for text in columns["teacher"] if text]


@pytest.mark.once
def test_teachers_that_cannot_translate_are_refused(distilled):
    recipe = distilled(Shouting(score=float("nan")))
    with pytest.raises(ValueError, match="scores of a teacher must be numbers"):
        recipe.training_columns(load_data(recipe.config), Display())
    french = Shouting()
    french.languages = ("en", "fr")
    recipe, german = distilled(french), data.load("generated_dates", train=2, dev=1, test=0)
    with pytest.raises(ValueError, match="from en to fr, the data from en to de"):
        recipe.training_columns(replace(german, languages=("en", "de")), Display())


@pytest.mark.once
@pytest.mark.parametrize("names", ["tutor", "[tutor,mentor]", "tutor+tutor"])
def test_word_level_loss_is_that_of_the_teacher_and_trains_the_student_alone(
    tmp_path, monkeypatch, names
):
    """A list of teachers, and models with `+` between them, are an ensemble."""
    monkeypatch.chdir(tmp_path)
    recipe = TranslationRecipe(config())
    dataset = load_data(recipe.config)
    preprocessor = recipe.prepare(dataset)
    for name in ("tutor", "mentor"):
        teacher = recipe.build(dataset, preprocessor, "float32")
        presets.save(teacher, tmp_path / name, name=name, dataset=dataset, dtype="float32")
    recipe = TranslationRecipe(
        config(
            f"training.teacher={names}",
            "training.teacher_mode=word",
            "training.teacher_weight=0.75",
            "training.label_smoothing=0.1",
            "model.units=6",
        )
    )
    student = recipe.build(dataset, recipe.prepare(dataset), "float32")
    columns = recipe.training_columns(dataset, Display())
    assert student.preprocessor.tokenizer.proto == teacher.preprocessor.tokenizer.proto
    assert recipe.teachers[0].name == names.strip("[]").replace(",", "+")
    examples = recipe.examples(student, columns, 0)
    inputs, labels, weights = examples.collate(np.arange(8), 40)
    teachers = recipe.teachers[0].model.members()
    p, *qs = (predict(model, inputs) for model in (student, *teachers))
    hard = np.array(TokenCrossentropy(0.1).call(labels, p))
    q = np.log(np.mean([np.exp(x - np.logaddexp.reduce(x, axis=-1, keepdims=True)) for x in qs], 0))
    p, q = (x / 2 - np.logaddexp.reduce(x / 2, axis=-1, keepdims=True) for x in (p, q))
    losses = 0.75 * 4 * (np.exp(q) * (q - p)).sum(axis=-1) + 0.25 * hard
    model = recipe.training_model(student)
    before = [np.array(weight) for weight in model.weights]
    compile_model(model, recipe.config.training, 1, **recipe.compile_options(student))
    batches = Batches([PlannedBatch(40, np.arange(8), 8)], examples.collate)
    history = keras.Model.fit(model, batches, verbose=0).history
    assert history["loss"][0] == pytest.approx((losses * weights).sum() / weights.sum(), rel=1e-3)
    taught = {id(weight) for teacher in teachers for weight in teacher.weights}
    for weight, start in zip(model.weights, before, strict=True):
        if weight.dtype == "float32":
            assert np.array_equal(np.array(weight), start) == (id(weight) in taught), weight.path
