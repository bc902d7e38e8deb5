"""Contract of every dataset in the registry, and the labels of a dataset defined here."""

import gzip
import os

import pytest

import zoo.data
from zoo.audio import AudioFile
from zoo.data import registry
from zoo.data.dataset import DatasetCard, content_digest
from zoo.data.embedded import EmbeddedDataset, EmbeddedPart
from zoo.data.public import PublicDataset, rows
from zoo.data.tagged import TaggedDataset, tag_set
from zoo.images import ImageFile
from zoo.tasks import TASKS

pytestmark = pytest.mark.once

REAL = os.environ.get("ZOO_DATA", "")
CARDS = {card.name: card for card in zoo.data.list_datasets()}
COLUMNS = {  # with the type of their values
    "text_classifier": {"text": str, "label": str},
    "seq2seq_lm": {"source": str, "target": str},
    "image_to_text": {"image": ImageFile, "captions": list},
    "speech_to_text": {"audio": AudioFile, "text": str, "speaker": str},
    "token_classifier": {"tokens": list, "tags": list},
}
GENERATED = [name for name in CARDS if not issubclass(registry._DATASETS[name], PublicDataset)]
EMBEDDED = [name for name in CARDS if issubclass(registry._DATASETS[name], EmbeddedDataset)]
PARTS = [name for name in EMBEDDED if issubclass(registry._DATASETS[name], EmbeddedPart)]
PUBLIC = [name for name in CARDS if name not in (*GENERATED, *EMBEDDED)]


def check(dataset, card):
    """Checks the properties that every loaded dataset has."""
    assert (dataset.name, dataset.task, dataset.licence) == (card.name, card.task, card.licence)
    assert set(dataset.languages) <= set(card.languages) and len(dataset.digest) == 64
    assert list(dataset.splits) == [s for s in ("train", "dev", "test") if s in dataset.splits]
    assert card.is_yardstick or {"train", "dev"} <= set(dataset.splits)
    for columns in dataset.splits.values():
        assert len({len(values) for values in columns.values()}) == 1
        for name, kind in COLUMNS.get(card.task, {}).items():
            assert columns[name] and all(isinstance(value, kind) for value in columns[name])
        if card.task == "text_classifier":
            assert set(columns["label"]) <= set(dataset.labels)
        if card.task == "token_classifier":
            assert list(map(len, columns["tokens"])) == list(map(len, columns["tags"]))
    if card.task == "text_classifier" and not card.is_yardstick:
        assert not set(dataset.splits["train"]["text"]) & set(dataset.splits["dev"]["text"])
    if card.task == "token_classifier":
        assert set(tag_set(dataset.splits["train"]["tags"])) <= set(dataset.labels)
    assert bool(dataset.labels) == card.task.endswith("_classifier")
    assert len(set(dataset.labels)) == len(dataset.labels)


def test_datasets_are_sorted_by_name():
    assert list(CARDS) == sorted(CARDS)


@pytest.mark.parametrize("name", CARDS)
def test_a_card_is_complete(name):
    card = CARDS[name]
    assert card.task in TASKS
    assert card.languages and all(len(code) == 2 or code == "zxx" for code in card.languages)
    assert card.licence and card.citation and card.description.endswith(".")
    assert list(card.splits) == [s for s in ("train", "dev", "test") if s in card.splits]
    assert all(file.url.startswith("https://") for file in card.files)
    assert all(len(file.sha256) == 64 for file in card.files if file.sha256)


@pytest.mark.parametrize("name", PUBLIC)
def test_a_public_dataset_has_files_and_their_digests(name):
    dataset, card = registry._DATASETS[name], CARDS[name]
    assert card.files and card.homepage.startswith("https://")
    assert set(card.digests) == set(dataset.stored)
    assert all(len(digest) == 64 for digest in card.digests.values())
    parts = {key.split(".")[0] for key in dataset.stored}  # "all" is split when it is loaded
    assert bool(dataset.dev_size) == parts.isdisjoint({"dev", "all"})


@pytest.mark.parametrize("name", EMBEDDED)
def test_an_embedded_dataset_loads_without_a_download(name):
    card = CARDS[name]
    assert not card.files and card.licence == "CC0-1.0"
    assert card.homepage.startswith("https://") == (name in PARTS)
    dataset = zoo.data.load(name)
    check(dataset, card)
    sizes = {split: len(next(iter(columns.values()))) for split, columns in dataset.splits.items()}
    assert sizes == card.splits
    folder = zoo.data.get(name)
    assert folder == zoo.data.path(name)
    assert sum(file.stat().st_size for file in folder.iterdir()) <= 400_000


@pytest.mark.parametrize("name", PARTS)
def test_an_embedded_dataset_is_a_part_of_the_whole(name, monkeypatch, tmp_path):
    dataset = registry._DATASETS[name]()
    monkeypatch.setenv("ZOO_DATA", REAL)
    if not REAL or dataset.whole().path() is None:
        pytest.skip(f"there is no {dataset.whole.card.name} on this machine")
    dataset.write(tmp_path)
    for split in dataset.stored:
        assert dataset.read(tmp_path, split) == dataset.read(dataset.get(), split)


@pytest.mark.parametrize("name", GENERATED)
def test_a_generated_dataset_depends_on_its_seed_alone(name):
    card = CARDS[name]
    assert not card.files and not card.digests
    sizes = {"train": 6, "dev": 2, "test": 2}
    dataset = zoo.data.load(name, **sizes)
    check(dataset, card)
    assert dataset == zoo.data.load(name, **sizes, seed=0)
    assert dataset.digest != zoo.data.load(name, **sizes, seed=1).digest
    found = {split: len(next(iter(rows.values()))) for split, rows in dataset.splits.items()}
    assert found == sizes
    assert "test" not in zoo.data.load(name, **{**sizes, "test": 0}).splits
    assert zoo.data.path(name) is None
    with pytest.raises(ValueError, match="has no files"):
        zoo.data.get(name)


@pytest.mark.parametrize("name", PUBLIC)
def test_the_published_files_load(name, monkeypatch):
    monkeypatch.setenv("ZOO_DATA", REAL)
    if not REAL or zoo.data.path(name) is None:
        pytest.skip(f"there is no {name} on this machine")
    dataset = zoo.data.load(name)
    check(dataset, CARDS[name])
    sizes = {split: len(next(iter(rows.values()))) for split, rows in dataset.splits.items()}
    assert sizes == CARDS[name].splits


SPLITS = {
    "train": [
        ("fine", "positive"),
        ("awful", "negative"),
        ("a film", "neutral"),
        ("ok", "neutral"),
    ],
    "dev": [("so it goes", "neutral")],
    "test": [("bad", "negative")],
}


def card_of(task, digests):
    return DatasetCard(
        name="moods",
        task=task,
        languages=("en",),
        licence="CC0-1.0",
        citation="None.",
        homepage="https://example.org",
        description="A few texts.",
        splits={},
        digests=digests,
    )


@pytest.fixture
def moods(tmp_path, monkeypatch):
    """A function that puts a dataset of three classes with the given splits in the registry."""

    def moods(splits=SPLITS, declared=()):
        folder = tmp_path / "moods"
        folder.mkdir(exist_ok=True)
        digests = {}
        for split, content in splits.items():
            lines = "".join(f"{text}\t{label}\n" for text, label in [("text", "label"), *content])
            (folder / f"{split}.tsv.gz").write_bytes(gzip.compress(lines.encode()))
            columns = dict(
                zip(("text", "label"), map(list, zip(*content, strict=True)), strict=True)
            )
            digests[split] = content_digest(columns)

        class Moods(PublicDataset):
            card = card_of("text_classifier", digests)
            stored = {split: f"{split}.tsv" for split in splits}
            labels = declared

            def parse(self, lines):
                return rows(lines, 2)

        monkeypatch.setitem(registry._DATASETS, "moods", Moods)
        monkeypatch.setenv("ZOO_DATA", str(tmp_path))
        return zoo.data.load("moods")

    return moods


def test_labels_are_those_of_train_sorted(moods):
    dataset = moods()
    assert dataset.labels == ("negative", "neutral", "positive")
    check(dataset, dataset_card := registry._DATASETS["moods"].card)
    assert dataset_card.name == dataset.name


def test_labels_that_are_numbers_are_sorted_by_value(moods):
    numbered = {split: [(text, "10") for text, _ in rows] for split, rows in SPLITS.items()}
    numbered["train"] = [("a", "10"), ("b", "9"), ("c", "-1")]
    assert moods(numbered).labels == ("-1", "9", "10")


def test_declared_labels_keep_their_order(moods):
    declared = ("positive", "neutral", "negative", "unused")
    assert moods(declared=declared).labels == declared


def test_a_label_that_train_lacks_is_refused(moods):
    with pytest.raises(ValueError, match=r"occur in train.*Received: moods dev with \['mixed'\]"):
        moods({**SPLITS, "dev": [("hm", "mixed")]})


def test_a_label_that_is_not_declared_is_refused(moods):
    with pytest.raises(ValueError, match=r"one of those declared.*moods train with \['neutral'\]"):
        moods(declared=("negative", "positive"))


def test_a_dataset_may_lack_a_test_split(moods):
    assert list(moods({split: SPLITS[split] for split in ("train", "dev")}).splits) == [
        "train",
        "dev",
    ]


@pytest.mark.parametrize("declared", [(), ("O", "I-x", "B-x", "B-y"), ("O", "B-x")])
def test_labels_of_a_tagged_dataset(tmp_path, monkeypatch, declared):
    columns = {"tokens": [["a", "b", "c"]], "tags": [["O", "B-x", "I-x"]]}
    other = {"tokens": [["a"]], "tags": [["B-z"]]}  # as in published dev and test splits
    (tmp_path / "moods").mkdir()
    for split, content in {"train": "a O\nb B-x\nc I-x", "dev": "a B-z"}.items():
        (tmp_path / "moods" / split).write_text(content + "\n")

    class Tagged(TaggedDataset):
        card = card_of(
            "token_classifier",
            {"train": content_digest(columns), "dev": content_digest(other)},
        )
        stored = {"train": "train", "dev": "dev"}
        labels = declared

        def parse(self, lines):
            return zoo.data.conll.column_sentences(lines)

    monkeypatch.setenv("ZOO_DATA", str(tmp_path))
    if declared == ("O", "B-x"):
        with pytest.raises(ValueError, match=r"Received: moods train with \['I-x'\]"):
            Tagged().load()
    else:
        assert Tagged().load().labels == (declared or ("B-x", "I-x", "O"))
