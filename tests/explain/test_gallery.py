"""Gallery: the content of the page, its escaping, and its embedded images."""

import base64
import io
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from zoo.explain import CaptionMap, Gallery
from zoo.explain.gallery import IN_MEMORY, THUMBNAIL
from zoo.images import ImageError

pytestmark = pytest.mark.once

IMAGE = np.random.default_rng(0).integers(0, 256, (30, 40, 3), "uint8")
EVIL = "<script>alert(1)</script>\"'&"


class Page(HTMLParser):
    """The texts of a page, in order, and its tags with their attributes."""

    def __init__(self, path):
        super().__init__()
        self.texts, self.tags = [], []
        self.feed(path.read_text())
        self.texts = [text for text in self.texts if text][1:]  # without the style

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_data(self, data):
        if "color-scheme" not in data:
            self.texts.append(data.strip())

    def images(self):
        """The images of the page, decoded."""
        sources = [attributes["src"] for tag, attributes in self.tags if tag == "img"]
        contents = [source.removeprefix("data:image/jpeg;base64,") for source in sources]
        return [Image.open(io.BytesIO(base64.b64decode(content))) for content in contents]


def saved(gallery, tmp_path):
    return Page(gallery.save(tmp_path / "page.html"))


def test_the_content_of_a_page(tmp_path):
    gallery = Gallery("Holidays", score_name="CIDEr-D")
    gallery.add(
        IMAGE,
        "a dog",
        score=85.26,
        hypotheses=["a cat", "the dog"],
        references=["A brown dog ."],
        note="dog.jpg",
    )
    gallery.add(None, "", error=ValueError("is no picture"), note="text.jpg")
    gallery.add(IMAGE, "", score=-0.613)
    page = saved(gallery, tmp_path)
    assert len(gallery) == 3
    assert page.texts == [
        *("Holidays", "3 pictures"),
        *("CIDEr-D 85.3", "a dog", "References", "A brown dog .", "dog.jpg"),
        *("Other captions", "a cat", "the dog"),
        *("is no picture", "text.jpg"),
        *("CIDEr-D -0.61", "(no text)"),
    ]
    assert [tag for tag, _ in page.tags].count("article") == 3
    assert [attributes["alt"] for tag, attributes in page.tags if tag == "img"] == ["a dog", ""]


def test_an_empty_page(tmp_path):
    assert saved(Gallery("Nothing"), tmp_path).texts == ["Nothing", "0 pictures"]


def test_all_text_is_escaped(tmp_path):
    gallery = Gallery(EVIL, score_name=EVIL, language=EVIL)
    explained = CaptionMap(IMAGE, [EVIL], np.ones((1, 2, 2)))
    gallery.add(
        IMAGE, EVIL, score=1, hypotheses=[EVIL], references=[EVIL], note=EVIL, explained=explained
    )
    gallery.add(None, EVIL, error=EVIL)
    page = saved(gallery, tmp_path)
    assert "script" not in [tag for tag, _ in page.tags]
    assert not any(name.startswith("on") for _, attributes in page.tags for name in attributes)
    text = (tmp_path / "page.html").read_text()
    assert "<script" not in text and text.count("&lt;script&gt;") >= 9


def test_a_page_has_no_external_resources(tmp_path):
    gallery = Gallery("a")
    gallery.add(IMAGE, "a", explained=CaptionMap(IMAGE, ["a"], np.ones((1, 2, 2))))
    text = gallery.save(tmp_path / "page.html").read_text()
    assert "://" not in text and "url(" not in text and "@import" not in text
    assert set(re.findall(r'src="([^,]*),', text)) == {"data:image/jpeg;base64"}


def test_thumbnails_are_small_and_upright(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # rotated by 90 degrees
    Image.fromarray(np.zeros((600, 900, 3), "uint8")).save(tmp_path / "turned.jpg", exif=exif)
    gallery = Gallery("a")
    gallery.add(tmp_path / "turned.jpg", "large")
    gallery.add(str(tmp_path / "turned.jpg"), "large")
    gallery.add(IMAGE, "small")
    sizes = [picture.size for picture in saved(gallery, tmp_path).images()]
    assert sizes == [(267, THUMBNAIL), (267, THUMBNAIL), (40, 30)]


def test_images_are_lit_for_each_word(tmp_path):
    weights = np.zeros((2, 1, 2))
    weights[0, 0, 0] = weights[1, 0, 1] = 1
    white = np.full((100, 100, 3), 255, "uint8")
    gallery = Gallery("a")
    gallery.add(white, "left right", explained=CaptionMap(white, ["left", "right"], weights))
    page = saved(gallery, tmp_path)
    assert page.texts[3:8] == ["Where it looked", "left", "+0.50", "right", "+0.50"]
    _, left, right = (np.asarray(picture.convert("L"), int) for picture in page.images())
    assert left[:, :20].mean() > 200 > 130 > left[:, -20:].mean()
    assert right[:, -20:].mean() > 200 > 130 > right[:, :20].mean()


def test_more_can_be_added_after_saving(tmp_path):
    gallery = Gallery("a")
    for count in (1, 2):
        gallery.add(IMAGE, f"caption {count}")
        texts = saved(gallery, tmp_path).texts
        assert texts[1] == f"{count} picture{'s' * (count > 1)}" and texts[-1] == f"caption {count}"
    assert [path.name for path in tmp_path.iterdir()] == ["page.html"]


def test_many_entries_are_kept_in_a_temporary_file(tmp_path):
    gallery = Gallery("a")
    long = "x" * (IN_MEMORY // 4)
    for i in range(6):
        gallery.add(None, f"{i} {long}")
    assert gallery._entries._rolled  # written to disk
    texts = saved(gallery, tmp_path).texts
    assert [text.split()[0] for text in texts[2:]] == list("012345")


def test_an_unreadable_image_adds_no_entry(tmp_path):
    (tmp_path / "text.jpg").write_text("hello")
    gallery = Gallery("a")
    with pytest.raises(ImageError, match="whole file"):
        gallery.add(tmp_path / "text.jpg", "a")
    with pytest.raises(FileNotFoundError):
        gallery.add(tmp_path / "none.jpg", "a")
    with pytest.raises(TypeError, match="Received: references='a dog'"):
        gallery.add(IMAGE, "a", references="a dog")
    assert len(gallery) == 0 and saved(gallery, tmp_path).texts == ["a", "0 pictures"]


def test_undecodable_names_of_files_are_written(tmp_path):
    gallery = Gallery("a")
    gallery.add(None, "한국어 😂", note="caf\udce9.jpg")
    assert saved(gallery, tmp_path).texts[2:] == ["한국어 😂", "caf?.jpg"]
