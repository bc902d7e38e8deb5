"""`zoo tune`: the columns and settings it finds for each task, mistakes, and a run."""

import json
import re
import unicodedata

import pytest
import yaml

import zoo
from tests.small_recipe import SMALL
from zoo.cli import main

pytestmark = pytest.mark.once

WORDS = "good bad dull great poor fine weak nice slow warm".split()
PAIRS = "\n".join(["question,answer", *(f"how is the {w}?,the {w} is {w}" for w in WORDS * 3)])
SPELLED = "".join(f"{w[0]}\tB-LC\n \tO\n{w[1]}\tO\n\n" for w in WORDS * 4)
TAGGED = "".join(f"The\tDET\n{w}\tADJ\ncat\tNOUN\n\n" for w in WORDS * 3)


def reviews(labels=("negative", "positive"), texts="a {word} film", header="id,review,verdict"):
    rows = (
        f"{i},{texts.format(word=w)} {i},{labels[i % len(labels)]}" for i, w in enumerate(WORDS * 6)
    )
    return "\n".join([header, *rows])


FEW = "\n".join(reviews().splitlines()[:15])


@pytest.fixture
def tune(tmp_path, monkeypatch, capsys):
    """Function that writes a file and prints the recipe that `zoo tune` would run on it."""
    monkeypatch.chdir(tmp_path)

    def tune(model, content, name="mine.csv", *words):
        (tmp_path / name).write_text(content)
        code = main(["tune", model, name, *words, "--print"])
        shown = capsys.readouterr()
        return (yaml.safe_load(shown.out) if code == 0 else code), shown.err

    return tune


def test_known_labels_keep_the_head_and_must_beat_the_model(tune):
    recipe, said = tune("bilstm_bahdanau_nsmc_ko", reviews(texts="정말 {word} 영화였어요"))
    assert recipe["data"] == {
        "train": "mine.csv",
        "text": "review",
        "label": "verdict",
        "dev_fraction": 0.2,
    }
    assert recipe["training"]["init_from"] == "bilstm_bahdanau_nsmc_ko"
    assert recipe["training"]["learning_rate"] == pytest.approx(0.002 / 4)
    assert recipe["training"]["gradual_unfreezing"] == 1
    assert recipe["evaluation"] == {"metric": "accuracy", "beat_initial": True}
    assert recipe["tracking"]["name"] == "bilstm_bahdanau_nsmc_ko_mine"
    assert said == ""


def test_the_rate_of_a_last_stage_is_not_taken_over(tune):
    recipe, _ = tune("bilstm_bahdanau_imdb_en", reviews())
    assert recipe["training"]["learning_rate"] == pytest.approx(0.001 / 4)  # not of 0.0007
    recipe, _ = tune("bilstm_bahdanau_imdb_en", reviews(("down", "up", "negative")))
    assert recipe["training"]["learning_rate"] == 0.001


def test_new_labels_are_said(tune):
    recipe, said = tune("bilstm_bahdanau_sst2_en", reviews(("down", "up", "negative")))
    assert recipe["evaluation"] == {"metric": "accuracy", "gate": 0.34}
    assert recipe["training"]["learning_rate"] == 0.002  # of its training
    assert "note: new labels, which give it a new head: down, up; " in said


def test_another_language_is_said(tune):
    _, said = tune("bilstm_bahdanau_nsmc_ko", reviews(texts="this is the {word} one of all"))
    assert "look like en, and bilstm_bahdanau_nsmc_ko knows ko" in said


def test_long_texts_are_read(tune):
    recipe, _ = tune("bilstm_bahdanau_sst2_en", reviews(texts="very {word} film " * 40))
    assert recipe["model"] == {"sequence_length": 224}


def test_changes(tune):
    words = ["seed=7", "data.label=side", "training.epochs=2", "evaluation.behaviour=en"]
    content = reviews(header="side,review,verdict").replace("\n1", "\n2")
    recipe, _ = tune("bilstm_bahdanau_sst2_en", content, "a b.csv", *words)
    assert recipe["seed"] == 7 and recipe["training"]["epochs"] == 2
    assert "gradual_unfreezing" not in recipe["training"]  # of an encoder of two groups of layers
    assert recipe["data"]["label"] == "side" and recipe["evaluation"]["behaviour"] == "en"
    assert recipe["tracking"]["name"] == "bilstm_bahdanau_sst2_en_a_b"


def test_changes_of_keys_within_keys(tune):
    words = ["size=3000", "theta=2", "weight=0.2"]
    changes = [f"evaluation.cache.{word}" for word in words]
    recipe, _ = tune("lstm_nsmc_ko", "a film\n" * 100, "novel.txt", *changes)
    cache = {"size": 3000, "theta": 2, "weight": 0.2}
    assert recipe["evaluation"] == {"beat_initial": True, "cache": cache}


def test_tags_of_another_scheme_are_new(tune):
    content = "".join(f"The\tO\n{w}\tI-object_name\n\n" for w in WORDS * 3)  # IO, the model BIO
    recipe, said = tune("bilstm_attention_snips_en", content, "m.conll")
    assert "which give it a new head: I-object_name, O; " in said
    assert "evaluation" not in recipe
    assert recipe["training"]["learning_rate"] == 0.002  # not a quarter of it


def test_layers_that_stay_as_they_are(tune):
    recipe, _ = tune(
        "bilstm_bahdanau_nsmc_ko",
        reviews(texts="정말 {word} 영화였어요"),
        "m.csv",
        "training.trainable_layers=1",
    )
    assert recipe["training"]["trainable_layers"] == 1
    assert "gradual_unfreezing" not in recipe["training"]


def test_names_of_files_in_other_letters(tune):
    texts = reviews(texts="정말 {word} 영화였어요")
    names = [
        "리뷰.csv",
        unicodedata.normalize("NFD", "리뷰.csv"),
        "영화.csv",
        "영화_a.csv",
        "_.csv",
    ]
    found = [tune("bilstm_bahdanau_nsmc_ko", texts, it)[0]["tracking"]["name"] for it in names]
    known = "bilstm_bahdanau_nsmc_ko_"
    assert found[0] == found[1] != found[2]
    assert all(re.fullmatch(known + "tuned_[0-9a-f]{6}", it) for it in found[:3])
    assert re.fullmatch(known + "a_[0-9a-f]{6}", found[3]) and found[4] == known + "tuned"


def test_a_header_of_two_lines(tune):
    content = reviews(header='id,"the\nreview",verdict', texts="a film")
    recipe, _ = tune("bilstm_bahdanau_sst2_en", content, "m.csv", "description='a\n\n  b'")
    assert recipe["data"]["text"] == "the\nreview" and recipe["description"] == "a\nb"


def test_labels_as_they_are_read(tune):
    rows = [{"text": f"a {w} film {i}", "good": i % 2 == 0} for i, w in enumerate(WORDS * 6)]
    content = "\n".join(map(json.dumps, rows))
    _, said = tune("bilstm_bahdanau_sst2_en", content, "m.jsonl")
    assert "which give it a new head: true, false; " in said
    composed, apart = (unicodedata.normalize(form, "déjà vu") for form in ("NFC", "NFD"))
    rows = [row | {"good": apart} for row in rows[:30]] + [row | {"good": 1} for row in rows[30:]]
    _, said = tune("bilstm_bahdanau_sst2_en", "\n".join(map(json.dumps, rows)), "m.jsonl")
    assert f"which give it a new head: {composed}, 1; " in said


@pytest.mark.parametrize(
    ("model", "name", "content", "recipe", "data"),
    [
        ("bilstm_crf_ewt_en_upos", "m.conll", TAGGED, "tagging", {}),
        ("bilstm_crf_klue_ner_ko", "m.conll", SPELLED, "tagging", {}),
        ("transformer_chatbot_ko", "m.csv", PAIRS, "dialogue", ("question", "answer")),
        ("gru_copy_sae4k_ko", "m.csv", PAIRS, "summarization", ("question", "answer")),
        ("lstm_nsmc_ko", "m.txt", "a film\n" * 100, "language_modeling", {}),
        (
            "bilstm_ctc_fsdd_digits_en",
            "m.csv",
            "\n".join(["file,said", *(f"{i}.wav,one two {i}" for i in range(20))]),
            "speech",
            {"audio": "file", "text": "said"},
        ),
        (
            "cnn_lstm_bahdanau_flickr8k_en",
            "m.csv",
            "\n".join(["file,alt", *(f"{i}.jpg,a dog {i}" for i in range(20))]),
            "captioning",
            {"image": "file", "caption": "alt"},
        ),
    ],
)
def test_tasks(tune, model, name, content, recipe, data):
    found, _ = tune(model, content, name)
    assert found["recipe"] == recipe and found["evaluation"]["beat_initial"] is True
    if isinstance(data, tuple):
        data = dict(zip(("source", "target"), data, strict=True))
    rest = {"train": name, "dev_fraction": 0.1 if recipe == "language_modeling" else 0.2}
    assert found["data"] == data | rest


def test_tagged_characters(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "m.conll").write_text(SPELLED)
    assert main(["tune", "bilstm_crf_klue_ner_ko", "m.conll", "--print"]) == 0
    shown = capsys.readouterr().out
    assert "m.conll: 40 sentences of 120 characters, 2 tags." in shown and "words" not in shown


def test_symbols_keep_their_vocabulary(tune):
    rows = "\n".join(["word\tphones", *(f"b{w}\tB {' '.join(w.upper())}" for w in WORDS * 2)])
    found, _ = tune("lstm_bahdanau_cmudict_g2p_en", rows, "words.tsv")
    assert found["tokenizer"]["algorithm"] == "symbols"
    assert found["data"]["source"] == "word" and found["data"]["target"] == "phones"


def test_a_model_is_measured_on_few_rows_with_their_columns(tune):
    _, shown = tune("bilstm_bahdanau_sst2_en", FEW, "few.csv")
    measure = "zoo eval bilstm_bahdanau_sst2_en --dataset few.csv --text review --label verdict"
    assert f"next: {measure}\n" in shown


@pytest.mark.parametrize(
    ("model", "name", "content", "words", "message"),
    [
        (
            "bilstm_bahdanau_nsmc_kp",
            "m.csv",
            reviews(),
            [],
            "mean `bilstm_bahdanau_nsmc_ko`",
        ),
        (
            "bilstm_bahdanau_sst2_en",
            "m.csv",
            "text\nhello",
            [],
            "needs a column of texts and one of",
        ),
        ("bilstm_bahdanau_sst2_en", "m.conll", TAGGED, [], "with a text and its label in each row"),
        ("bilstm_crf_ewt_en_upos", "m.csv", reviews(), [], "a tagged file (.conllu, .conll"),
        ("lstm_nsmc_ko", "m.conll", TAGGED, [], "a text file, a folder of them"),
        ("lstm_nsmc_ko", "m.txt", "short", [], "Too few characters: at least 200"),
        ("bilstm_bahdanau_sst2_en", "m.csv", FEW, [], "Too few rows: at least 20"),
        ("bilstm_bahdanau_sst2_en", "m.csv", reviews(), ["data.text=reviews"], "`review`"),
        (
            "bilstm_bahdanau_sst2_en",
            "m.csv",
            reviews(("up",)),
            ["data.label=verdict"],
            "the label 'up'",
        ),
        ("bilstm_bahdanau_sst2_en", "m.csv", reviews(), ["training.epoch=3"], "epochs"),
        ("bilstm_bahdanau_sst2_en", "m.csv", reviews(), ["training.epochs=few"], "whole number"),
        ("lstm_nsmc_ko", "m.txt", "a\n" * 200, ["training={epochs: 3}"], "as training.KEY=VALUE"),
        (
            "bilstm_bahdanau_sst2_en",
            "m.csv",
            reviews(),
            ["other.csv"],
            "no such file. Received: other.csv",
        ),
        ("gru_bahdanau_multi30k_en_de", "m.csv", reviews(), [], "to read and one to write"),
    ],
)
def test_mistakes(tune, model, name, content, words, message):
    code, said = tune(model, content, name, *words)
    assert code in (1, 2) and message in said and "next: " in said


@pytest.mark.usefixtures("small_figures")
def test_a_model_is_measured_tuned_and_registered(client, tmp_path, monkeypatch, capsys):
    from recipes import sentiment
    from zoo.training import run

    monkeypatch.chdir(tmp_path)
    small = [*SMALL, "training.max_steps=1", "tracking.name=first"]
    run(sentiment.RECIPE, "quickstart", small, output=tmp_path / "start", progress=False)
    data = zoo.data.load("generated_reviews", train=200, dev=10, test=0).splits["train"]
    rows = [f'"{t}",{label}' for t, label in zip(data["text"], data["label"], strict=True)]
    (tmp_path / "mine.csv").write_text("\n".join(["review,verdict", *rows]))
    words = ["training.epochs=4", "training.learning_rate=0.02", "evaluation.samples=0"]
    command = ["tune", "start", "mine.csv", *words, "--backend", zoo_backend(), "-o", "tuned"]
    assert main(command) == 0
    shown = capsys.readouterr()
    assert "wrote first_mine.yaml, the recipe; 200 rows with the columns review" in shown.out
    before = shown.err.partition("start on dev, before: accuracy ")[2].partition(",")[0]
    assert f"> {float(before):.4g} of start: passed" in shown.out
    assert "registered: first_mine version 1, champion" in shown.out
    tuned = zoo.presets.read_card(tmp_path / "tuned")
    assert tuned.metrics["dev/accuracy"] > float(before)
    assert tuned.recipe == "first_mine.yaml"
    (experiment,) = client.search_experiments(filter_string="name = 'sentiment'")
    found = client.search_runs([experiment.experiment_id], "tags.recipe = 'first_mine.yaml'")[0]
    assert found.data.metrics["initial/accuracy"] == pytest.approx(float(before), abs=1e-4)

    # A model that is as good as before is not registered; another recipe gets a name of its own.
    stand = ["training.learning_rate=1e-9", "training.epochs=1", "evaluation.samples=0"]
    assert main(["tune", "start", "mine.csv", *stand, "--backend", zoo_backend()]) == 0
    shown = capsys.readouterr().out
    assert "wrote first_mine_2.yaml" in shown and "of start: failed" in shown
    assert "registered" not in shown


def zoo_backend():
    import keras

    return keras.config.backend()
