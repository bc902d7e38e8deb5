import gzip
import json
import pickle

import pytest

from zoo.data import load_captioned, read_captioned

pytestmark = pytest.mark.once

# Two captions for each image, not always in adjacent rows; two images in a sub-folder.
NAMES = [f"{'deep/' if i < 2 else ''}그림 {i}.png" for i in range(20)]
ROWS = [(name, f"picture {i}, said once") for i, name in enumerate(NAMES)] + [
    (name, f"“{i}” again") for i, name in enumerate(NAMES)
]
CAPTIONS = [[f"picture {i}, said once", f"“{i}” again"] for i in range(20)]


@pytest.fixture
def folder(tmp_path):
    """A folder with files of images, which are not decoded in these tests."""
    (tmp_path / "deep").mkdir()
    for i, name in enumerate(NAMES):
        (tmp_path / name).write_bytes(b"%d" % i)
    return tmp_path


def table(kind, rows=ROWS, names=("image", "caption")):
    if kind == "jsonl":
        return "".join(json.dumps(dict(zip(names, row, strict=True))) + "\n" for row in rows)
    form = '"{}","{}"\n' if kind == "csv" else "{}\t{}\n"
    return "".join(form.format(*row) for row in [names, *rows])


def write(folder, name, content):
    content = content.encode()
    (folder / name).write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    return folder / name


def error(file, kind=ValueError, **options):
    with pytest.raises(kind) as caught:
        read_captioned(file, **options)
    return str(caught.value)


def names(columns):
    return [picture.name for picture in columns["image"]]


@pytest.mark.parametrize("end", ["", ".gz"])
@pytest.mark.parametrize("kind", ["csv", "tsv", "jsonl"])
def test_rows_of_an_image_are_collected(folder, kind, end):
    file = write(folder, f"mine.{kind}{end}", table(kind))
    columns = read_captioned(file)
    assert names(columns) == NAMES and columns["captions"] == CAPTIONS
    assert [picture.read() for picture in columns["image"]] == [b"%d" % i for i in range(20)]
    dataset = load_captioned(str(file), dev=file, test=file)
    assert (dataset.name, dataset.task, dataset.labels) == ("mine", "image_to_text", ())
    assert dataset.splits == dict.fromkeys(("train", "dev", "test"), columns)
    assert pickle.loads(pickle.dumps(dataset)) == dataset
    other = write(folder, "other.tsv", table("tsv"))
    assert dataset.digest == load_captioned(other, dev=file, test=file).digest


def test_a_list_of_captions_in_json(folder):
    rows = [(NAMES[2], ["one", "two"]), (NAMES[3], "three"), ("./" + NAMES[2], ["four"])]
    columns = read_captioned(write(folder, "a.jsonl", table("jsonl", rows)))
    assert names(columns) == NAMES[2:4]
    assert columns["captions"] == [["one", "two", "four"], ["three"]]


def test_columns_and_the_folder_of_images_are_chosen(folder):
    rows = [(file.partition("/")[2], text) for file, text in ROWS if "/" in file]
    file = write(folder, "a.csv", table("csv", rows, ("file", "text")))
    columns = read_captioned(file, images=folder / "deep", image="file", caption="text")
    assert columns["captions"] == CAPTIONS[:2]
    assert columns["image"][1].path == folder / "deep" / "그림 1.png"
    message = error(file, image="file", caption="txet")
    assert "there is no column 'txet'. Did you mean `text`?" in message
    assert "`image` and `caption` name the columns" in message


def test_held_out_rows_share_no_image(folder):
    file = write(folder, "a.csv", table("csv"))
    dataset = load_captioned(file, dev_fraction=0.25)
    train, dev = dataset.splits["train"], dataset.splits["dev"]
    assert len(dev["image"]) == 5 and len(train["image"]) == 15
    assert sorted(names(train) + names(dev)) == sorted(NAMES)
    assert list(train) == ["image", "captions"]
    for picture, captions in zip(*dev.values(), strict=True):
        assert captions == CAPTIONS[NAMES.index(picture.name)]
    assert load_captioned(file) == load_captioned(file)
    assert names(load_captioned(file).splits["dev"]) != names(
        load_captioned(file, seed=1).splits["dev"]
    )


def test_the_digest_covers_the_images(folder):
    file = write(folder, "a.csv", table("csv"))
    before = load_captioned(file, dev=file).digest
    (folder / NAMES[7]).write_bytes(b"other")
    assert load_captioned(file, dev=file).digest != before


def test_all_missing_images_are_reported(folder):
    file = write(folder, "a.csv", table("csv"))
    for name in NAMES[5:]:
        (folder / name).unlink()
    message = error(file, FileNotFoundError)
    assert "a.csv names 15 of 20 images that are not in the folder" in message
    assert "`images`" in message
    assert message.endswith("Received: '그림 5.png', '그림 6.png', '그림 7.png', …")
    message = error(write(folder, "b.csv", table("csv", ROWS[4:6])), FileNotFoundError)
    assert "names 1 of 2" in message and message.endswith("Received: '그림 5.png'")
    (folder / NAMES[5]).mkdir()  # a folder is no picture
    assert "names 15 of 20" in error(file, FileNotFoundError)


@pytest.mark.parametrize("name", ["../a.png", "deep/../../a.png", "{}/a.png", "", ".", "/", ".."])
def test_paths_outside_of_the_folder_are_refused(folder, name):
    (folder / "in").mkdir()
    (folder / "a.png").write_bytes(b"")
    rows = [("a.png", "fine"), (name.format(folder), "not")]
    message = error(write(folder / "in", "a.tsv", table("tsv", rows)))
    assert "a.tsv, line 3: the path must be that of a file" in message
    assert f"within it. Received: {name.format(folder)!r}" in message


@pytest.mark.parametrize("caption", ["", "  ", [], ["one", ""], None, 3, ["one", None]])
def test_captions_without_words_are_refused(folder, caption):
    rows = [(NAMES[0], "fine"), (NAMES[0], caption)]
    message = error(write(folder, "a.jsonl", table("jsonl", rows)))
    assert "a.jsonl, line 2: the " in message and "Received: " in message


def test_errors_of_empty_fields_name_the_line(folder):
    message = error(write(folder, "a.tsv", f"image\tcaption\n{NAMES[0]}\tfine\n{NAMES[1]}\t \n"))
    assert "a.tsv, line 3: the caption must have words. Leave out" in message


def test_other_errors(folder):
    assert "no such file" in error(folder / "none.csv", FileNotFoundError)
    assert "suffix must tell the format" in error(folder / NAMES[0])
    assert "has no rows" in error(write(folder, "a.csv", "image,caption\n"))
    with pytest.raises(ValueError, match="Too few rows.*a.csv with 1 rows"):
        load_captioned(write(folder, "a.csv", table("csv", ROWS[:1])))
    with pytest.raises(ValueError, match="dev_fraction=2"):
        load_captioned(write(folder, "a.csv", table("csv")), dev_fraction=2)
