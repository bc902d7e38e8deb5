"""Texts without labels: sources, sentences, duplicates, and what dev and test have."""

import gzip

import pytest

import zoo
from zoo.data import Dataset
from zoo.data.sentences import split_sentences
from zoo.data.unlabelled import load_unlabelled, normalized

pytestmark = pytest.mark.once


def labelled(languages=("en",), **splits):
    columns = {split: {"text": it, "label": ["x"] * len(it)} for split, it in splits.items()}
    return Dataset("mine", "text_classifier", languages, "", "", "0" * 64, columns, ("x", "y"))


DATA = labelled(train=["A known text."], dev=["Not bad, at all!"], test=["It's café noir ."])


def write(folder, *texts, name="texts.txt"):
    file = folder / name
    content = "\n".join(texts)
    file.write_bytes(gzip.compress(content.encode()) if name.endswith(".gz") else content.encode())
    return str(file)


def test_texts_of_dev_and_test_and_duplicates_are_left_out(tmp_path):
    leaks = ["not bad at all", "NOT BAD — AT ALL", "it's  cafe\u0301 noir"]
    file = write(tmp_path, "New.", *leaks, "a known text", "new", "", "?!", "Other.")
    found = load_unlabelled([file], DATA)
    assert found.texts == ["New.", "Other."]
    assert (found.found, found.leaked, found.repeated, found.blank) == (8, 3, 2, 1)
    assert str(found) == (
        "unlabelled: 2 of 8 texts; left out: 3 in dev or test, 2 repeated, 1 without letters"
    )


def test_a_text_of_dev_is_left_out_as_a_whole_and_as_its_sentences(tmp_path):
    data = labelled(train=["x"], dev=["One here. Two here."], test=["Three here."])
    file = write(tmp_path, "One here. Two here.", "Three here. Four here.<br />five here")
    found = load_unlabelled([file], data, unit="sentence")
    assert found.texts == ["Four here.", "five here"] and found.leaked == 3
    assert load_unlabelled([file], data).texts == ["Three here. Four here.<br />five here"]
    listed = write(tmp_path, "Two here.", "Five here.", name="listed.txt")  # sentences already
    assert load_unlabelled([listed], data, unit="sentence").texts == ["Five here."]


def test_words_are_what_texts_have_of_letters(tmp_path):
    data = labelled(train=["known"], dev=["can't"], test=["seoul"])
    file = write(tmp_path, "Known: I can't, won't 'sit' in SEOUL 24/7.", "Sit, 서울에서 x2!")
    found = load_unlabelled([file], data, unit="word")
    assert found.texts == ["I", "won't", "sit", "in", "서울에서", "x"]
    assert (found.leaked, found.repeated) == (2, 2)


def test_sources_are_files_tables_and_datasets(tmp_path):
    table = write(tmp_path, "review,stars", '"One, two",3', name="a.csv.gz")
    text = write(tmp_path, "Three", name="a.txt.gz")
    found = load_unlabelled([table, text, "generated_reviews"], DATA, column="review")
    reviews = zoo.data.load("generated_reviews").splits["train"]["text"]
    assert found.texts[:3] == ["One, two", "Three", reviews[0]]
    dates = load_unlabelled(["generated_dates"], DATA).texts
    assert dates[0] == zoo.data.load("generated_dates").splits["train"]["source"][0]
    slots = load_unlabelled(["generated_slots"], DATA).texts
    assert slots[0] == zoo.data.load("generated_slots").splits["train"]["tokens"][0]


def test_the_limit_is_a_sample_by_the_seed(tmp_path):
    file = write(tmp_path, *(f"text {i}" for i in range(50)))
    some = [load_unlabelled([file], DATA, limit=9, seed=seed).texts for seed in (1, 1, 2)]
    assert some[0] == some[1] != some[2] and len(some[0]) == 9
    assert some[0] == sorted(some[0], key=lambda text: int(text.split()[1]))
    assert len(load_unlabelled([file], DATA, limit=99).texts) == 50


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["", " "], "The file has no text"),
        (["not bad at all", "NOT bad at all"], "2 of them in dev or test"),
        (["?", "A known text"], "1 repeated, 1 without letters"),
    ],
)
def test_a_file_without_new_texts_is_refused(tmp_path, texts, message):
    with pytest.raises(ValueError, match=message):
        load_unlabelled([write(tmp_path, *texts)], DATA)


def test_an_unknown_source_is_refused():
    with pytest.raises(FileNotFoundError, match="Did you mean `imdb`.*unlabelled='imdbb'"):
        load_unlabelled(["imdbb"], DATA)


def test_normalized_keeps_letters_and_digits():
    assert normalized(" Don’t — STOP, 3.5_! ") == "dontstop35"
    assert normalized(["Ça", "va", "?"]) == "çava" and normalized("좋다 !") == "좋다"


def test_sentences_end_at_marks_and_line_breaks():
    text = "Mr. Smith liked it! I gave 7.5 of 10! Why?<br /><BR>no idea\nend"
    assert split_sentences(text) == [
        "Mr. Smith liked it!", "I gave 7.5 of 10!", "Why?", "no idea", "end",
    ]  # fmt: skip
    korean = "정말 재미있어요. 또 보고 싶다! 3.5점이다."
    assert split_sentences(korean, "ko") == ["정말 재미있어요.", "또 보고 싶다!", "3.5점이다."]
    assert split_sentences(" ") == []
