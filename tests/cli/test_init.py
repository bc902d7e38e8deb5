"""`zoo init`: the task, the columns and the settings it finds, and recipes that `zoo run` takes."""

import numpy as np
import pytest
import yaml

from recipes import captioning, language_modeling, sentiment, speech, tagging, translation
from zoo.cli import main
from zoo.training import resolve

pytestmark = pytest.mark.once

REVIEWS = [
    (i, f"This film was {word} and the actors were too, number {i}.", verdict)
    for i in range(40)
    for word, verdict in (("good", "pos"), ("bad", "neg"), ("dull", "neg"))
]


@pytest.fixture
def init(tmp_path, monkeypatch, capsys):
    """Function that writes a file and runs `zoo init` on it; returns the recipe and the output."""
    monkeypatch.chdir(tmp_path)

    def init(content, name="reviews.csv"):
        (tmp_path / name).write_text(content)
        code = main(["init", name])
        shown = capsys.readouterr()
        if code:
            return code, shown.err
        return yaml.safe_load((tmp_path / "my.yaml").read_text()), shown.out

    return init


def table(rows, header, separator=","):
    return "\n".join(separator.join(map(str, row)) for row in [header, *rows])


def test_reviews(init):
    rows = [(i, f'"{text}"', verdict) for i, text, verdict in REVIEWS]
    recipe, shown = init(table(rows, ("id", "review", "verdict")))
    assert recipe["recipe"] == "sentiment"
    assert recipe["data"] == {"train": "reviews.csv", "text": "review", "label": "verdict"}
    assert recipe["evaluation"] == {"metric": "accuracy", "gate": 0.68}
    config = resolve(sentiment.RECIPE, "my.yaml")
    assert len(config.data.load(0).splits["train"]["text"]) == 108
    assert "120 rows with the columns id, review, verdict" in shown
    assert "data.text=review  11 words on average, en" in shown
    assert "data.label=verdict  2 values: neg (80), pos (40)" in shown
    assert "zoo tune bilstm_bahdanau_" in shown and "_en reviews.csv" in shown
    assert shown.endswith("next: zoo run my.yaml\n")


def test_too_few_rows_to_train_a_model_further(init):
    rows = [(f'"{text}"', verdict) for _, text, verdict in REVIEWS[:6]]
    assert "zoo tune" not in init(table(rows, ("review", "verdict")))[1]


def test_unequal_labels_are_measured_by_macro_f1(init):
    rows = [(f"some text {i}", "spam" if i % 9 == 0 else "ham") for i in range(90)]
    recipe, _ = init(table(rows, ("message", "label"), "\t"), "mail.tsv")
    assert recipe["evaluation"] == {"metric": "macro_f1"}


def test_pairs(init):
    rows = [(f"the dog number {i} is here", f"der Hund Nummer {i} ist hier") for i in range(40)]
    recipe, shown = init(table(rows, ("english", "german"), "\t"), "pairs.tsv")
    assert recipe["recipe"] == "translation" and "(en to de)" in shown
    assert recipe["data"] == {"train": "pairs.tsv", "source": "english", "target": "german"}
    assert resolve(translation.RECIPE, "my.yaml").evaluation.metric == "chrf"


def test_words_and_phones(init):
    rows = [(f"{a}{b}{c}", f"{a} {b}1 {c}") for a in "bdk" for b in "aeiou" for c in "mnst"]
    recipe, shown = init(table(rows, ("word", "phones"), "\t"), "words.tsv")
    assert recipe["data"] == {"train": "words.tsv", "source": "word", "target": "phones"}
    assert "words, and 12 symbols: pronunciation" in shown
    config = resolve(translation.RECIPE, "my.yaml")
    assert config.tokenizer.algorithms == ("symbols", "characters")
    assert config.evaluation.metric == "word_error_rate" and config.evaluation.mode == "min"
    assert config.model.sequence_length == 8


def test_two_files(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for side in ("en", "de"):
        (tmp_path / f"train.{side}").write_text("".join(f"{side} {i}\n" for i in range(30)))
    assert main(["init", "train.en", "train.de", "-o", "pairs.yaml"]) == 0
    config = resolve(translation.RECIPE, "pairs.yaml")
    assert config.data.train == [str(tmp_path / "train.en"), str(tmp_path / "train.de")]
    assert "next: zoo run pairs.yaml" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("tags", "metric"),
    [(("B-city", "I-city", "O"), "f1_conlleval"), (("N", "V"), "token_accuracy")],
)
@pytest.mark.parametrize("name", ["words.conll", "words.txt", "words.tsv"])
def test_tagged_words(init, name, tags, metric):
    sentences = ["".join(f"w{i}{tag}\t{tag}\n" for tag in tags) for i in range(30)]
    recipe, shown = init("\n".join(sentences), name)
    assert recipe["recipe"] == "tagging" and "30 sentences" in shown
    assert resolve(tagging.RECIPE, "my.yaml").evaluation.metric == metric


def test_tagged_characters(init):
    sentences = [f"서\tB-LC\n \tO\n{chr(97 + i)}\tO\n" for i in range(26)]
    recipe, shown = init("\n".join(sentences), "characters.conll")
    assert recipe["tokenizer"]["unit"] == "characters" and "78 characters" in shown
    assert "guessed from the words" not in shown
    assert resolve(tagging.RECIPE, "my.yaml").model.characters == "none"


def test_images(init, tmp_path):
    from PIL import Image

    for i in range(12):
        Image.new("RGB", (8, 8), (i, 0, 0)).save(tmp_path / f"{i}.png")
    rows = [(f"{i}.png", f"a red picture number {i}") for i in range(12)]
    recipe, _ = init(table(rows, ("file", "what")), "photos.csv")
    assert recipe["recipe"] == "captioning"
    assert recipe["data"] == {"train": "photos.csv", "image": "file", "caption": "what"}
    assert resolve(captioning.RECIPE, "my.yaml").evaluation.metric == "rouge_l"


def test_recordings(init, tmp_path):
    from zoo.audio import wav_bytes

    for i in range(12):
        (tmp_path / f"{i}.wav").write_bytes(wav_bytes(np.zeros(100 + i), 8_000))
    rows = [(f"{i}.wav", f"say number {i}", "ab"[i % 2]) for i in range(12)]
    recipe, shown = init(table(rows, ("path", "sentence", "client_id")), "calls.csv")
    assert recipe["recipe"] == "speech" and "2 speakers" in shown
    columns = {"audio": "path", "text": "sentence", "speaker": "client_id"}
    assert recipe["data"] == {"train": "calls.csv", **columns}
    assert resolve(speech.RECIPE, "my.yaml").evaluation.metric == "cer"


def test_text(init, tmp_path):
    paragraphs = "".join(f"It was day {i}.\nNobody came to see us.\n\n" for i in range(200))
    recipe, shown = init(paragraphs, "novel.txt")
    assert recipe["recipe"] == "language_modeling" and "a text of 7,889 characters" in shown
    assert recipe["data"] == {"train": "novel.txt"}
    assert recipe["tokenizer"] == {"level": "characters"}
    config = resolve(language_modeling.RECIPE, "my.yaml")
    assert config.training.batch_size * config.model.sequence_length < 0.9 * len(paragraphs)
    assert config.evaluation.metric == "bits_per_character"


@pytest.mark.parametrize(
    ("content", "name", "message"),
    [
        ("a,b\n1,2\n3,4\n", "numbers.csv", "A table needs a column of texts"),
        ("just\nlines\n", "lines.log", "A table (.csv, .tsv, .jsonl)"),
        ("\n", "blank.txt", "no text"),
        ("text,label\n", "empty.csv", "no rows"),
    ],
)
def test_files_without_a_task(init, content, name, message):
    code, shown = init(content, name)
    assert code and message in shown


def test_nothing_is_overwritten(init, tmp_path):
    (tmp_path / "my.yaml").write_text("mine")
    code, shown = init("text,label\na,b\n")
    assert code == 2 and "would be overwritten" in shown and "my_2.yaml" in shown
    assert (tmp_path / "my.yaml").read_text() == "mine"
