import pytest

from zoo.data.dataset import content_digest, hold_out, splits_digest
from zoo.images import ImageFile

pytestmark = pytest.mark.once


def columns(rows):
    return {"text": [text for text, _ in rows], "label": [label for _, label in rows]}


ROWS = [(f"text {i % 90}", "positive" if i % 90 < 30 else "negative") for i in range(100)]


def test_held_out_rows_are_in_proportion_and_in_order():
    rest, held = hold_out(columns(ROWS), 15)
    assert held["label"].count("positive") in (5, 6)  # of 40 in 100
    assert len(held["text"]) == 15 and len(rest["text"]) == 85
    assert sorted(rest["text"] + held["text"]) == sorted(text for text, _ in ROWS)
    kept = [row for row in ROWS if row[0] in set(rest["text"])]
    assert list(zip(rest["text"], rest["label"], strict=True)) == kept


def test_the_parts_share_no_text_apart_from_white_space():
    rows = [(text, label) for text, label in ROWS] + [(f" {t}  ", label) for t, label in ROWS]
    rest, held = hold_out(columns(rows), 40)
    assert not set(map(str.strip, rest["text"])) & set(map(str.strip, held["text"]))
    assert len(held["text"]) == 40


def test_held_out_rows_depend_on_content_and_not_on_order():
    def texts(rows, **options):
        return sorted(hold_out(columns(rows), 20, **options)[1]["text"])

    assert texts(ROWS) == texts(ROWS[::-1])
    assert texts(ROWS, seed=1) == texts(ROWS, seed=1) != texts(ROWS)


def test_a_text_that_exceeds_the_size_is_not_held_out():
    rest, held = hold_out(columns([("ㅋㅋ", "positive")] * 50 + ROWS), 10)
    assert "ㅋㅋ" not in held["text"] and rest["text"].count("ㅋㅋ") == 50


def test_rows_without_labels_are_held_out_by_a_given_column():
    sources = [f"source {i % 40}{' ' * (i % 3)}" for i in range(60)]
    pairs = {"source": sources, "target": [f"target {i}" for i in range(60)]}
    rest, held = hold_out(pairs, 12, by="source")
    assert len(held["source"]) == 12 and list(held) == ["source", "target"]
    assert not set(map(str.strip, rest["source"])) & set(map(str.strip, held["source"]))
    rows = set(zip(*rest.values(), strict=True)) | set(zip(*held.values(), strict=True))
    assert rows == set(zip(*pairs.values(), strict=True))


def test_the_digest_covers_all_content():
    a = columns([("a", "x"), ("b", "y")])
    variants = [
        a,
        columns([("b", "y"), ("a", "x")]),
        columns([("ab", "x"), ("", "y")]),
        columns([("a", "x")]),
        {"text": a["text"], "tags": a["label"]},
    ]
    digests = {content_digest(variant) for variant in variants}
    assert len(digests) == len(variants)
    assert content_digest(a) == content_digest(columns([("a", "x"), ("b", "y")]))
    assert splits_digest({"train": a, "dev": {}}) != splits_digest({"train": {}, "dev": a})
    assert splits_digest({"train": a, "dev": {}}) == splits_digest({"dev": {}, "train": a})


def test_the_digest_of_images_covers_their_bytes(tmp_path):
    (tmp_path / "a.png").write_bytes(b"one")
    captions = [["a picture", "the same"]]
    digests = [
        content_digest({"image": [picture], "captions": captions})
        for picture in (
            ImageFile("a.png", tmp_path / "a.png"),
            ImageFile("b.png", content=b"one"),
            ImageFile("a.png", content=b"two"),
        )
    ]
    assert digests[0] == digests[1] != digests[2]
