"""Public datasets for tagging, with small files; downloads are tested in test_public.py."""

import dataclasses
import gzip
import os

import pytest

import zoo.data
from zoo.data import klue_ner, registry
from zoo.data.dataset import content_digest
from zoo.data.slots_and_intents import Atis, Snips
from zoo.data.universal_dependencies import UdEnglishEwt, UdKoreanKaist
from zoo.data.wnut17 import Wnut17

pytestmark = pytest.mark.once

REAL = os.environ.get("ZOO_DATA", "")
SPLITS = ("train", "dev", "test")


@pytest.fixture
def put(monkeypatch, tmp_path):
    """A function that writes the same content for every split to `$ZOO_DATA`."""

    def put(dataset, content, columns):
        folder = tmp_path / dataset.card.name
        folder.mkdir()
        for name in dataset.stored.values():
            (folder / f"{name}.gz").write_bytes(gzip.compress(content.encode()))
        card = dataclasses.replace(
            dataset.card, digests=dict.fromkeys(dataset.stored, content_digest(columns))
        )
        small = type("Small", (dataset,), {"card": card})
        monkeypatch.setitem(registry._DATASETS, card.name, small)
        monkeypatch.setenv("ZOO_DATA", str(tmp_path))
        return folder

    return put


def word(number, form, upos, xpos):
    return f"{number}\t{form}\tx\t{upos}\t{xpos}\t_\t0\troot\t_\t_\n"


TREEBANK = (
    "# sent_id = 1\n"
    + word(1, "We", "PRON", "PRP")
    + word("2-3", "don't", "_", "_")
    + word(2, "do", "AUX", "VBP")
    + word(3, "n't", "PART", "RB")
    + word("3.1", "go", "VERB", "VB")
    + "\n"
    + word(1, "Yes", "INTJ", "UH")
    + "\n"
)
WORDS = [["We", "do", "n't"], ["Yes"]]
UPOS = [["PRON", "AUX", "PART"], ["INTJ"]]
XPOS = [["PRP", "VBP", "RB"], ["UH"]]


@pytest.mark.parametrize("dataset", [UdEnglishEwt, UdKoreanKaist])
def test_a_treebank_has_two_columns_of_tags(put, dataset):
    put(dataset, TREEBANK, {"tokens": WORDS, "upos": UPOS, "xpos": XPOS})
    name = dataset.card.name
    loaded = zoo.data.load(name)
    assert loaded.task == "token_classifier" and loaded.languages == dataset.card.languages
    assert loaded.splits == dict.fromkeys(SPLITS, {"tokens": WORDS, "tags": UPOS})
    assert loaded.labels == ("AUX", "INTJ", "PART", "PRON")
    assert loaded == zoo.data.load(name, column="upos")
    fine = zoo.data.load(name, column="xpos")
    assert fine.splits["dev"] == {"tokens": WORDS, "tags": XPOS}
    assert fine.labels == ("PRP", "RB", "UH", "VBP") and fine.digest != loaded.digest
    with pytest.raises(ValueError, match="one of upos, xpos.*Received: column='lemma'"):
        zoo.data.load(name, column="lemma")


def test_other_columns_of_a_treebank_are_not_verified(put):
    # Korean-Kaist has values there in its release, but not in $ZOO_DATA.
    put(
        UdKoreanKaist,
        TREEBANK.replace("\t0\troot", "\t_\t_"),
        {"tokens": WORDS, "upos": UPOS, "xpos": XPOS},
    )
    assert zoo.data.load("ud_korean_kaist").splits["test"]["tokens"] == WORDS


def test_a_damaged_treebank_is_refused(put):
    folder = put(UdEnglishEwt, TREEBANK, {"tokens": WORDS, "upos": UPOS, "xpos": XPOS})
    file = folder / "en_ewt-ud-dev.conllu.gz"
    file.write_bytes(gzip.compress(TREEBANK.replace("2\tdo", "4\tdo").encode()))
    with pytest.raises(ValueError, match=r"en_ewt-ud-dev.conllu.gz is damaged \(line 4: words"):
        zoo.data.load("ud_english_ewt")
    file.write_bytes(gzip.compress(TREEBANK.replace("AUX", "VERB").encode()))
    with pytest.raises(ValueError, match="not that of ud_english_ewt's dev split"):
        zoo.data.load("ud_english_ewt")


def test_wnut17_is_read(put):
    tokens, tags = [["Ryan", "wins"], ["#", "ok"]], [["B-person", "O"], ["O", "O"]]
    content = "Ryan\tB-person\r\nwins\tO\r\n\t\n\n#\tO\nok\tO\n"
    put(Wnut17, content, {"tokens": tokens, "tags": tags})
    dataset = zoo.data.load("wnut17")
    assert dataset.splits == dict.fromkeys(SPLITS, {"tokens": tokens, "tags": tags})
    assert dataset.labels == ("B-person", "O")


def test_klue_ner_is_split_by_a_hash_and_read_by_characters_or_words(put, monkeypatch):
    monkeypatch.setattr(klue_ner, "HELD_OUT", 1)
    notes = "## klue-ner-v1_dev_00000\t<한·일:LC>전은 <3:QT>위\n"
    texts = ("한·일전은 3위", "김 씨", "#", "##")
    tags = ("B-LC I-LC I-LC O O O B-QT O", "B-PS O O", "O", "O O")
    rows = [(list(text), tag.split()) for text, tag in zip(texts, tags, strict=True)]
    content = "\n".join(
        notes + "".join(f"{it}\t{tag}\n" for it, tag in zip(*row, strict=True)) for row in rows
    )
    columns = {"tokens": [row[0] for row in rows], "tags": [row[1] for row in rows]}
    put(klue_ner.KlueNer, content, columns)
    dataset = zoo.data.load("klue_ner")
    found = {"".join(it): tag for s in SPLITS for it, tag in _pairs(dataset, s)}
    assert found == dict(zip(texts, columns["tags"], strict=True))
    assert [len(dataset.splits[split]["tags"]) for split in SPLITS] == [2, 1, 1]
    words = zoo.data.load("klue_ner", unit="words")
    found = {" ".join(it): tag for s in SPLITS for it, tag in _pairs(words, s)}
    assert found == {
        "한·일전은 3위": ["B-LC", "B-QT"], "김 씨": ["B-PS", "O"], "#": ["O"], "##": ["O"]
    }  # fmt: skip
    assert words.digest != dataset.digest
    with pytest.raises(ValueError, match=r"`unit` must be one of .*Received: unit='morphemes'"):
        zoo.data.load("klue_ner", unit="morphemes")


def _pairs(dataset, split):
    return zip(*dataset.splits[split].values(), strict=True)


ASKED = {
    "tokens": [["play", "élan"], ["rain", "?"]],
    "tags": [["O", "B-artist"], ["O", "O"]],
    "intent": ["PlayMusic", "GetWeather#GetTime"],
}
STORED = (
    "tokens\tslots\tintent\nplay élan\tO B-artist\tPlayMusic\nrain ?\tO O\tGetWeather#GetTime\n"
)


@pytest.mark.parametrize("dataset", [Snips, Atis])
def test_slots_and_intents_are_read(put, dataset):
    folder = put(dataset, STORED, ASKED)
    assert sorted(os.listdir(folder)) == ["test.tsv.gz", "train.tsv.gz", "valid.tsv.gz"]
    loaded = zoo.data.load(dataset.card.name)
    assert loaded.splits == dict.fromkeys(SPLITS, ASKED)
    assert loaded.labels == ("B-artist", "O")
    (folder / "valid.tsv.gz").write_bytes(gzip.compress(STORED.replace("O O", "O").encode()))
    with pytest.raises(ValueError, match="'rain [?]' has 2 words and 1 slots"):
        zoo.data.load(dataset.card.name)


@pytest.mark.parametrize("dataset", [Snips, Atis])
def test_three_published_files_are_stored_as_one(tmp_path, dataset):
    downloads, folder = tmp_path / "downloads", tmp_path / "folder"
    downloads.mkdir()
    folder.mkdir()
    parts = {"seq.in": "play élan \nrain ?\n", "seq.out": "O B-artist\nO O\n"}
    parts["label"] = "PlayMusic\nGetWeather#GetTime\n"
    for file in dataset.card.files:
        stem, _, part = file.name.partition(".")
        assert file.url.endswith(f"/data/{dataset.card.name}/{stem}/{part}")
        (downloads / file.name).write_text(parts[part], "utf-8")
    dataset().unpack(downloads, folder)
    assert {file.name for file in folder.iterdir()} == {"train.tsv", "valid.tsv", "test.tsv"}
    assert {file.read_text("utf-8") for file in folder.iterdir()} == {STORED}


@pytest.mark.parametrize(
    "name, column, digest, words, labels",
    [
        ("atis", None, "e1806482a192", (50_497, 5_703, 9_164), 120),
        ("klue_ner", None, "fb72b7f9d2a3", (227_702, 29_178, 29_049), 13),
        ("snips", None, "c98d33912ee7", (117_700, 6_384, 6_354), 72),
        ("ud_english_ewt", "upos", "95bed5062ffc", (204_577, 25_147, 25_094), 17),
        ("ud_english_ewt", "xpos", "4a6ae3978a9d", (204_577, 25_147, 25_094), 49),
        ("ud_korean_gsd", "upos", "17e5c0964562", (56_687, 11_958, 11_677), 16),
        ("ud_korean_gsd", "xpos", "728bb372792b", (56_687, 11_958, 11_677), 1_067),
        ("ud_korean_kaist", "upos", "237b11ddfe13", (296_446, 25_278, 28_366), 17),
        ("wnut17", None, "daa30ef42c92", (62_730, 15_733, 23_394), 13),
    ],
)
def test_the_published_data(name, column, digest, words, labels, monkeypatch):
    monkeypatch.setenv("ZOO_DATA", REAL)
    if not REAL or zoo.data.path(name) is None:
        pytest.skip(f"there is no {name} on this machine")
    dataset = zoo.data.load(name, **({"column": column} if column else {}))
    card = next(card for card in zoo.data.list_datasets() if card.name == name)
    assert {split: len(columns["tokens"]) for split, columns in dataset.splits.items()} == (
        card.splits
    )
    for columns in dataset.splits.values():
        assert list(map(len, columns["tokens"])) == list(map(len, columns["tags"]))
    assert words == tuple(sum(map(len, columns["tokens"])) for columns in dataset.splits.values())
    assert len(dataset.labels) == labels
    assert dataset.digest.startswith(digest)
