import dataclasses
import gzip
import io
import os
import shutil
import zipfile

import numpy as np
import PIL.Image
import pytest

import zoo.data
from zoo.data import registry
from zoo.data.dataset import content_digest
from zoo.data.flickr8k import Flickr8k
from zoo.images import read_image

pytestmark = pytest.mark.once

NAMES = {"train": ["b_1.jpg", "a_1.jpg"], "dev": ["c_1.jpg"], "test": ["d_1.jpg"]}


def captions(name):
    return [f"{name} says {i} , “so” ." for i in range(5)]


def photograph(name):
    """A JPEG, 100 wide and 50 high, the grey of whose left half depends on the name."""
    image = PIL.Image.new("RGB", (100, 50), "white")
    image.paste((20 * (ord(name[0]) - 96),) * 3, (0, 0, 50, 50))
    content = io.BytesIO()
    image.save(content, "JPEG")
    return content.getvalue()


@pytest.fixture
def downloads(tmp_path):
    """The two archives in the published format, with few images."""
    folder = tmp_path / "downloads"
    folder.mkdir()
    every = [name for names in NAMES.values() for name in names] + ["in_no_split.jpg"]
    with zipfile.ZipFile(folder / "Flickr8k_text.zip", "w", zipfile.ZIP_DEFLATED) as texts:
        lines = [f"{name}#{i}\t{text}" for name in every for i, text in enumerate(captions(name))]
        texts.writestr("Flickr8k.token.txt", "\n".join([*lines, "e.jpg.1#0\tof none"]) + "\n")
        for split, names in NAMES.items():
            texts.writestr(f"Flickr_8k.{split}Images.txt", "\n".join(names) + "\n")
        texts.writestr("../escaped.txt", "x")
    with zipfile.ZipFile(folder / "Flickr8k_Dataset.zip", "w") as images:
        for name in every:
            images.writestr(f"Flicker8k_Dataset/{name}", photograph(name))
            images.writestr(f"__MACOSX/Flicker8k_Dataset/._{name}", b"x")
        images.writestr("../../escaped.jpg", photograph("a"))
    return folder


@pytest.fixture
def small(monkeypatch, downloads):
    """Puts a dataset of those archives in the registry and replaces the download by a copy."""
    digests = {
        split: content_digest({"image": sorted(names), "captions": map(captions, sorted(names))})
        for split, names in NAMES.items()
    }
    card = dataclasses.replace(Flickr8k.card, digests=digests)
    monkeypatch.setitem(registry._DATASETS, "flickr8k", type("Small", (Flickr8k,), {"card": card}))
    monkeypatch.setattr(
        "zoo.data.public.download",
        lambda file, folder: shutil.copy(downloads / file.name, folder),
    )
    return downloads


def rewrite(archive, change):
    """Replaces the content of members by `change(name, content)`; `None` removes a member."""
    with zipfile.ZipFile(archive) as old:
        members = {name: change(name, old.read(name)) for name in old.namelist()}
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as new:
        for name, content in members.items():
            if content is not None:
                new.writestr(name, content)


def test_unpacking_writes_captions_and_resized_images(small, home, tmp_path):
    folder = zoo.data.get("flickr8k")
    assert folder == home / "data" / "flickr8k" == zoo.data.path("flickr8k")
    parts = ("dev", "test", "train")
    files = [f"captions_{p}.tsv" for p in parts] + [f"images_{p}.zip" for p in parts]
    assert sorted(os.listdir(folder)) == files
    assert not list(tmp_path.rglob("*escaped*")) and not list(home.rglob("*escaped*"))
    table = (folder / "captions_train.tsv").read_text("utf-8").split("\n")
    assert table[0] == "image\tcaption_0\tcaption_1\tcaption_2\tcaption_3\tcaption_4"
    assert table[1] == "\t".join(["a_1.jpg", *captions("a_1.jpg")])
    with zipfile.ZipFile(folder / "images_train.zip") as images:
        assert images.namelist() == ["a_1.jpg", "b_1.jpg"]
        for name in images.namelist():
            resized = PIL.Image.open(images.open(name))
            assert (resized.size, resized.mode, resized.format) == ((224, 224), "RGB", "JPEG")


def test_loading(small):
    dataset = zoo.data.load("flickr8k")
    assert dataset.task == "image_to_text" and dataset.labels == ()
    assert list(dataset.splits) == ["train", "dev", "test"]
    for split, columns in dataset.splits.items():
        assert [image.name for image in columns["image"]] == sorted(NAMES[split])
        assert columns["captions"] == [captions(name) for name in sorted(NAMES[split])]
    pixels = read_image(dataset.splits["train"]["image"][1], (10, 10)).astype(int)
    assert np.abs(pixels[:, :4] - 40).max() < 5 and pixels[:, 6:].min() > 250
    assert dataset.digest == zoo.data.load("flickr8k").digest


def test_all_six_files_are_needed(small, tmp_path, monkeypatch):
    shared = tmp_path / "shared" / "flickr8k"
    shutil.copytree(zoo.data.get("flickr8k"), shared)
    for file in shared.glob("*.tsv"):
        (shared / f"{file.name}.gz").write_bytes(gzip.compress(file.read_bytes()))
        file.unlink()
    monkeypatch.setenv("ZOO_DATA", str(shared.parent))
    assert zoo.data.path("flickr8k") == shared
    before = zoo.data.load("flickr8k").digest
    (shared / "images_dev.zip").unlink()
    assert zoo.data.path("flickr8k") != shared
    assert zoo.data.load("flickr8k").digest == before


@pytest.mark.parametrize(
    "archive, member, content, expected",
    [
        ("Dataset", "Flicker8k_Dataset/c_1.jpg", None, "no item named .*c_1.jpg"),
        ("Dataset", "Flicker8k_Dataset/c_1.jpg", b"<html>", "Received: c_1.jpg, which begins"),
        ("Dataset", "Flicker8k_Dataset/c_1.jpg", bytes(1 << 25), "c_1.jpg has 33,554,432 bytes"),
        ("text", "Flickr_8k.devImages.txt", None, "no item named .*devImages"),
        ("text", "Flickr_8k.devImages.txt", b"x.jpg\n", "not the published ones"),
        ("text", "Flickr_8k.devImages.txt", b"d_1.jpg\n", "not that of flickr8k's dev split"),
        ("text", "Flickr_8k.devImages.txt", b"in_no_split.jpg\n", "not that of flickr8k's dev"),
        ("text", "Flickr8k.token.txt", b"a_1.jpg#0\tone\n", "not the published ones"),
        ("text", "Flickr_8k.devImages.txt", b"\xff", "utf-8"),
    ],
)
def test_other_archives_are_refused_and_nothing_is_kept(
    small, home, archive, member, content, expected
):
    file = small / f"Flickr8k_{archive}.zip"
    rewrite(file, lambda name, old: content if name == member else old)
    with pytest.raises(ValueError, match=expected):
        zoo.data.get("flickr8k")
    assert os.listdir(home / "data") == []


def test_a_file_that_is_no_archive_is_refused(small):
    (small / "Flickr8k_Dataset.zip").write_bytes(b"<html>sign in</html>")
    with pytest.raises(ValueError, match=r"not the published ones.*\$ZOO_DATA"):
        zoo.data.get("flickr8k")


def test_changed_files_are_refused(small):
    folder = zoo.data.get("flickr8k")
    rewrite(folder / "images_test.zip", lambda name, old: None)
    with pytest.raises(ValueError, match="d_1.jpg.*images_test.zip.*zoo data get flickr8k"):
        zoo.data.load("flickr8k")
    table = folder / "captions_dev.tsv"
    table.write_text(table.read_text("utf-8").replace("says 3", "says 4"), "utf-8")
    with pytest.raises(ValueError, match="captions_dev.tsv is not that of flickr8k's dev"):
        zoo.data.load("flickr8k")


REAL = os.environ.get("ZOO_DATA", "")


def test_the_published_data(monkeypatch):
    monkeypatch.setenv("ZOO_DATA", REAL)
    if not REAL or zoo.data.path("flickr8k") is None:
        pytest.skip("there is no flickr8k on this machine")
    dataset = zoo.data.load("flickr8k")
    assert dataset.digest.startswith("d8367161f323")
    sizes = {split: len(columns["image"]) for split, columns in dataset.splits.items()}
    assert sizes == Flickr8k.card.splits
    names = [p.name for columns in dataset.splits.values() for p in columns["image"]]
    assert len(set(names)) == 8_000
    train = dataset.splits["train"]
    assert train["image"][0].name == "1000268201_693b08cb0e.jpg"
    assert train["captions"][0][1] == "A girl going into a wooden building ."
    assert {len(captions) for captions in train["captions"]} == {5}
    for picture in (train["image"][0], train["image"][-1], dataset.splits["test"]["image"][500]):
        assert read_image(picture).shape == (224, 224, 3)
