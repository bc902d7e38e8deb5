"""CaptionMap: its values, its words, and its figures and pages."""

import base64
import io
import json
import re
import subprocess
import sys
import warnings
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from matplotlib.image import imread
from PIL import Image

import zoo
from zoo.explain import CaptionMap
from zoo.explain.pixels import GREY, data_uri, lit, sized, tinted
from zoo.images import ImageError

pytestmark = pytest.mark.once

PIECES = ["a", " brown", " t", "-", "shirt", " leap", "ing", ",", " 눈", " .", "</s>"]
IMAGE = np.random.default_rng(0).integers(0, 256, (48, 64, 3), "uint8")


def grids(count, rows=3, columns=4):
    return (
        np.random.default_rng(1)
        .dirichlet(np.ones(rows * columns), count)
        .reshape(count, rows, columns)
    )


def caption_map(tokens=PIECES, image=IMAGE, caption=None):
    return CaptionMap(image, tokens, grids(len(tokens)), caption)


def written(figure):
    return [text.get_text() for text in figure.axes[0].texts]


def inside(figure):
    """Whether every text and image lies within the figure."""
    box, axes = figure.bbox, figure.axes[0]
    extents = [artist.get_window_extent() for artist in [*axes.texts, *axes.images]]
    return all(
        extent.x0 >= 0 and extent.y0 >= 0 and extent.x1 <= box.x1 and extent.y1 <= box.y1
        for extent in extents
    )


def test_pieces_are_joined_to_words():
    words = caption_map().words
    assert [word for word, _ in words] == ["a", "brown", "t-shirt", "leaping", "눈"]
    weights = grids(len(PIECES))
    np.testing.assert_allclose(words[1][1], weights[1])
    np.testing.assert_allclose(words[2][1], weights[2:5].mean(axis=0))
    np.testing.assert_allclose(words[3][1], weights[5:7].mean(axis=0))  # without the comma
    assert words[2][1].sum() == pytest.approx(1)


@pytest.mark.parametrize(
    ("tokens", "words"),
    [
        (["▁two", "▁dog", "s"], ["two", "dogs"]),
        (["two", "dogs", ".", "</s>"], ["two", "dogs"]),
        ([*"two dogs"], ["two", "dogs"]),
        (["狗", "在", "草地", "上", "。"], ["狗", "在", "草地", "上"]),
        (["a", " 😂", "", ""], ["a", "😂"]),
        ([" ", "a", "  ", "b"], ["a", "b"]),
        (["</s>"], []),
        ([".", "</s>"], []),
        ([], []),
    ],
)
def test_words(tokens, words):
    assert [word for word, _ in caption_map(tokens).words] == words


def test_the_caption_defaults_to_the_tokens():
    assert caption_map().caption == "a brown t-shirt leaping, 눈 ."
    assert caption_map(["two", "dogs", "</s>"]).caption == "two dogs"
    assert caption_map(["two"], caption="Two!").caption == "Two!"


def test_images_of_other_kinds(tmp_path):
    Image.fromarray(IMAGE).save(tmp_path / "picture.png")
    np.testing.assert_array_equal(caption_map(image=tmp_path / "picture.png").image, IMAGE)
    assert caption_map(image=IMAGE[:, :, 0]).image.shape == (48, 64, 3)
    with pytest.raises(ImageError, match="dtype uint8"):
        caption_map(image=IMAGE / 255)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (np.ones((1, 2, 2)), "2 tokens, 1 grids"),
        (np.ones((2, 4)), "[tokens, rows, columns]. Received: weights of shape (2, 4)"),
        (np.ones((2, 0, 4)), "weights of shape (2, 0, 4)"),
        ([[[1, 2]], [[1, -2]]], "weight=-2.0 in row 0, column 1 of token ' dog'"),
        ([[[1], [np.nan]], [[1], [2]]], "weight=nan in row 1, column 0 of token 'a'"),
    ],
)
def test_wrong_weights_are_refused(weights, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        CaptionMap(IMAGE, ["a", " dog"], weights)


def test_to_dict_is_json():
    explained = CaptionMap(IMAGE, ["a", "</s>"], np.full((2, 1, 2), 0.5, "float32"))
    assert json.loads(json.dumps(explained.to_dict())) == {
        "tokens": ["a", "</s>"],
        "caption": "a",
        "weights": [[[0.5, 0.5]], [[0.5, 0.5]]],
    }
    assert repr(explained) == "CaptionMap(tokens=['a', '</s>'], caption='a')"


@pytest.mark.parametrize("suffix", [".png", ".svg", ".pdf", ".html"])
def test_saving_in_every_format(tmp_path, suffix):
    path = caption_map().save(tmp_path / "new" / f"map{suffix}")
    start = {".png": b"\x89PNG", ".svg": b"<?xml", ".pdf": b"%PDF", ".html": b"<!doctype html>"}
    content = path.read_bytes()
    assert content.startswith(start[suffix])
    caption_map().save(path)
    assert path.read_bytes() == content  # the same bytes again


def test_an_unknown_suffix_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"\.html\. Received: path=.*map\.gif"):
        caption_map().save(tmp_path / "map.gif")


def test_images_are_lit_where_the_weight_is():
    image = np.full((60, 80, 3), [0, 0, 200], "uint8")
    weights = np.zeros((3, 4))
    weights[0, 3] = 0.25  # top right
    picture = lit(image, weights).astype(int)
    assert picture.shape == image.shape
    assert picture[5, 75, 2] > 150 and picture[5, 75, 0] > 30  # blue, with some glow
    elsewhere = picture[35:, :30]
    assert (elsewhere == elsewhere[..., :1]).all()  # grey
    assert (elsewhere < 0.5 * (image @ GREY)[35:, :30, None]).all()  # and dark
    np.testing.assert_array_equal(lit(image, 4 * weights), picture)  # relative to the greatest


def test_equal_weights_light_everything_and_zeros_nothing():
    image = np.full((8, 8, 3), 100, "uint8")
    picture = lit(image, np.full((2, 2), 0.25))
    assert (picture == picture[0, 0]).all() and (picture @ GREY > 100).all()
    assert (lit(image, np.zeros((2, 2))) == 40).all()


@pytest.mark.parametrize(
    ("shape", "expected"), [((20, 40), (50, 100)), ((400, 100), (100, 25)), ((1, 900), (1, 100))]
)
def test_resizing_keeps_proportions(shape, expected):
    assert sized(np.zeros((*shape, 3), "uint8"), 100).shape == (*expected, 3)


def test_data_uris_decode_to_the_image():
    address = data_uri(np.full((4, 6, 3), 90, "uint8"))
    kind, content = address.split(",")
    assert kind == "data:image/jpeg;base64"
    picture = Image.open(io.BytesIO(base64.b64decode(content)))
    assert picture.size == (6, 4) and abs(picture.getpixel((0, 0))[0] - 90) < 3


def test_each_word_has_a_panel():
    figure = caption_map(caption="A brown t-shirt leaping.").figure()
    assert len(figure.axes[0].images) == 1 + 5
    texts = written(figure)
    assert texts[0] == "A brown t-shirt leaping."
    assert texts[1:11:2] == ["a", "brown", "t-shirt", "leaping", "눈"]


def test_words_are_lit_where_they_differ_from_the_mean():
    blur = np.full((2, 2), 0.2)  # what all words look at
    weights = np.stack([blur, blur, blur])
    weights[1, 0, 1] += 0.3
    explained = CaptionMap(IMAGE, ["a", " dog", " runs"], weights)
    _, dog, _ = explained.panels
    ((grid, greatest, signed),) = dog.grids
    np.testing.assert_allclose(grid, [[0, 0.2], [0, 0]], atol=1e-12)
    assert greatest == pytest.approx(0.2) and not signed and dog.number == "+0.20"
    assert "exceeds the mean over all words, up to the number" in explained.notes[0]
    assert "Jain and Wallace" in explained.notes[0]


def test_effects_tint_a_second_picture():
    effects = np.zeros((3, 1, 2))
    effects[0, 0, 0], effects[1, 0, 1], effects[2, 0, 1] = 0.5, -1.5, -0.5
    explained = CaptionMap(IMAGE, ["a", " d", "og"], np.ones((3, 1, 2)), effects=effects)
    figure = explained.figure()
    assert len(figure.axes[0].images) == 1 + 2 * 2 and inside(figure)
    grid, strongest, signed = explained.panels[1].grids[1]
    np.testing.assert_allclose(grid, [[0, -2]])  # the effects of the pieces of a word add up
    assert strongest == 2 and signed
    white = np.full((10, 20, 3), 200, "uint8")
    picture = tinted(white, effects[0] - effects[0][:, ::-1], 0.5).astype(int)
    assert picture[5, 0, 2] > picture[5, 0, 0] + 60  # blue for the word
    assert picture[5, 19, 0] > picture[5, 19, 2] + 60  # red against it
    alone = CaptionMap(IMAGE, ["a", " d", "og"], effects=effects)
    assert len(alone.figure().axes[0].images) == 1 + 2
    assert json.loads(json.dumps(alone.to_dict())).keys() == {
        *("tokens", "caption", "effects", "method")
    }
    with pytest.raises(ValueError, match="weights or effects"):
        CaptionMap(IMAGE, ["a"])


@pytest.mark.parametrize("shape", [(64, 64), (20, 300), (300, 20), (1, 1)])
@pytest.mark.parametrize("count", [0, 1, 4, 5, 30])
def test_texts_and_images_lie_within_the_figure(shape, count):
    tokens = [f" word{i}" for i in range(count)]
    explained = caption_map(tokens, np.zeros((*shape, 3), "uint8"))
    figure = explained.figure()
    assert inside(figure)
    assert len(figure.axes[0].images) == 1 + count


def test_panels_are_in_rows_of_five():
    images = caption_map([f" w{i}" for i in range(11)]).figure().axes[0].images
    lefts, _, _, tops = zip(*(image.get_extent() for image in images), strict=True)
    assert len(set(lefts)) == 5 and lefts[0] == lefts[5] == lefts[10]
    assert len(set(tops)) == 3 and tops[0] == tops[4] < tops[5] == tops[9] < tops[10]


def test_more_than_forty_words_are_cropped_with_a_note():
    explained = caption_map([f" w{i}" for i in range(41)])
    figure = explained.figure()
    assert len(figure.axes[0].images) == 1 + 40
    assert written(figure)[-1].endswith("Drawn: the first 40 words of 41.")
    assert inside(figure) and "w39" in explained.to_html()
    assert explained.to_html().count("<img") == 1 + 40


def test_very_long_words_are_cut():
    figure = caption_map(["a", " " + "Donaudampfschifffahrt" * 20]).figure()
    assert inside(figure)
    assert sum(text.endswith("…") for text in written(figure)) == 2  # in the caption, above it


def test_a_caption_without_words():
    figure = caption_map(["</s>"]).figure()
    assert written(figure) == ["(no text)"] and len(figure.axes[0].images) == 1
    assert caption_map(["</s>"]).to_html().count("<img") == 1


def test_no_glyph_is_missing_and_text_is_literal():
    tokens = [" $x^2$", " 漢字", " 🔥", " <b>", " \\frac", " \U0010fffd"]
    explained = caption_map(tokens)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # matplotlib warns of a glyph that is missing
        explained._repr_png_()
    assert {"$x^2$", "<b>", "\\frac"} <= set(written(explained.figure()))
    page = explained.to_html()
    assert "<b>" not in page and "&lt;b&gt;" in page


def test_the_page_has_no_external_resources():
    page = caption_map().to_html()
    assert page.count('src="data:image/jpeg;base64,') == page.count("src=") == 1 + 5
    assert "://" not in page and "<script" not in page


def test_settings_of_matplotlib_are_unchanged(tmp_path):
    before = dict(matplotlib.rcParams)
    caption_map().save(tmp_path / "map.svg")
    assert dict(matplotlib.rcParams) == before


def test_notebooks_display_a_png():
    picture = imread(io.BytesIO(caption_map(["a", " dog"])._repr_png_()))
    assert picture.shape[0] > 300 and picture.shape[1] > 900


def test_pages_import_no_matplotlib():
    script = (
        "import sys; import zoo.explain\n"
        "assert not {'matplotlib', 'numpy', 'PIL', 'keras'} & set(sys.modules)\n"
        "import numpy; image = numpy.zeros((2, 2, 3), 'uint8')\n"
        "zoo.explain.CaptionMap(image, ['a'], [[[1.0]]]).to_html()\n"
        "zoo.explain.Gallery('a').add(image, 'a')\n"
        "assert not {'matplotlib', 'keras'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], cwd=Path(zoo.__file__).parents[1], check=True)
