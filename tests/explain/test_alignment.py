"""Alignment: its values, its labels, and its figures and pages."""

import io
import json
import subprocess
import sys
import warnings
from html.parser import HTMLParser
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from matplotlib.collections import QuadMesh
from matplotlib.image import imread

import zoo
from zoo.explain import Alignment
from zoo.explain.drawing import PAPER_TO_MARKER
from zoo.explain.effects import Flip
from zoo.explain.heat_map import MAX_CELL, MIN_CELL
from zoo.explain.text_boxes import labels

pytestmark = pytest.mark.once

KOREAN = ["톰", "은", " 한국", "어를", " 공부", "했", "다", ".", " 😂", "", ""]
ENGLISH = ["Tom", " studi", "ed", " Korean", ".", "</s>"]
WEIGHTS = np.random.default_rng(0).dirichlet(np.ones(len(KOREAN)), len(ENGLISH))


def alignment():
    return Alignment(KOREAN, ENGLISH, WEIGHTS, "".join(KOREAN), "Tom studied Korean.")


def square(size, token="{}"):
    tokens = [token.format(i) for i in range(size)]
    return Alignment(tokens, tokens, np.eye(size))


def written(figure):
    return [text.get_text() for text in figure.axes[0].texts]


def mesh(figure):
    (found,) = [one for one in figure.axes[0].collections if isinstance(one, QuadMesh)]
    return found


def inside(figure):
    """Whether every text lies within the figure."""
    box = figure.bbox
    extents = [text.get_window_extent() for text in figure.axes[0].texts]
    return all(
        extent.x0 >= 0 and extent.y0 >= 0 and extent.x1 <= box.x1 and extent.y1 <= box.y1
        for extent in extents
    )


def test_labels_of_pieces():
    assert labels(KOREAN, "".join(KOREAN)) == [
        *("톰", "·은", "한국", "·어를", "공부", "·했", "·다", ".", "😂", "·", "·")
    ]
    # The end token is no part of the text, and continues no word.
    assert labels(ENGLISH, "Tom studied Korean.") == [
        *("Tom", "studi", "·ed", "Korean", ".", "</s>")
    ]
    assert labels(["<s>", "un", "real"], "unreal") == ["<s>", "un", "·real"]


def test_labels_of_words_have_no_marks():
    words = ["not", "bad", "at", "all"]
    assert labels(words, " ".join(words)) == words


def test_labels_of_characters_have_no_marks():
    assert labels([*"12 May", "</s>"], "12 May") == ["1", "2", "␣", "M", "a", "y", "</s>"]


def test_labels_are_one_line():
    assert labels([" a\n b", "\n", " "], " a\n b\n ") == ["a b", "␣", "␣"]


def test_texts_default_to_the_tokens():
    of_pieces = Alignment(["Guten", " Tag"], ["Good", " day"], np.eye(2))
    assert (of_pieces.text, of_pieces.translation) == ("Guten Tag", "Good day")
    of_words = Alignment(["Guten", "Tag"], ["hello"], [[0.5, 0.5]])
    assert (of_words.text, of_words.translation) == ("Guten Tag", "hello")


@pytest.mark.parametrize(
    "weights",
    [
        [[0.75, 0.25], [0.5, 0.5]],
        ((0.75, 0.25), (0.5, 0.5)),
        np.array([[0.75, 0.25], [0.5, 0.5]], "float32"),
        [np.array([0.75, 0.25]), np.array([0.5, 0.5])],
    ],
)
def test_weights_are_kept_in_lists(weights):
    kept = Alignment(["a", "b"], ["c", "d"], weights).weights
    assert kept == [[0.75, 0.25], [0.5, 0.5]]
    assert all(type(weight) is float for row in kept for weight in row)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([[0.5, 0.5]], "2 target tokens, 1 rows"),
        ([[0.5, 0.5], [1.0]], "2 source tokens, 1 weights of target token 'd'"),
        ([0.5, 0.5], r"rows of numbers, \[target, source\]\. Received: 0.5 for target token 'c'"),
        ([[0.5, 0.5], [0.5, float("nan")]], "weight=nan of source token 'b' in target token 'd'"),
        ([[-0.5, 0.5], [0.5, 0.5]], "weight=-0.5 of source token 'a' in target token 'c'"),
    ],
)
def test_wrong_weights_are_refused(weights, message):
    with pytest.raises(ValueError, match=message):
        Alignment(["a", "b"], ["c", "d"], weights)


def test_to_dict_is_json():
    explained = Alignment(["a"], ["b"], np.array([[1.0]], "float32"), "a", "b")
    assert json.loads(json.dumps(explained.to_dict())) == {
        "source": ["a"],
        "target": ["b"],
        "weights": [[1.0]],
        "text": "a",
        "translation": "b",
    }


@pytest.mark.parametrize("suffix", [".png", ".svg", ".pdf", ".html", ".PNG"])
def test_saving_in_every_format(tmp_path, suffix):
    path = alignment().save(tmp_path / "new" / f"map{suffix}")
    start = {".png": b"\x89PNG", ".svg": b"<?xml", ".pdf": b"%PDF", ".html": b"<!doctype html>"}
    content = path.read_bytes()
    assert content.startswith(start[suffix.lower()])
    assert [one.name for one in path.parent.iterdir()] == [path.name]
    alignment().save(path)
    assert path.read_bytes() == content  # the same bytes again


def test_an_unknown_suffix_is_refused(tmp_path):
    with pytest.raises(
        ValueError, match=r"\.png, \.svg, \.pdf, \.html\. Received: path=.*map\.gif"
    ):
        square(1).save(tmp_path / "map.gif")
    assert list(tmp_path.iterdir()) == []


def test_colours_are_the_weights():
    figure = Alignment(["a", "b"], ["c", "d"], [[0.4, 0.2], [0.0, 0.1]]).figure()
    cells = mesh(figure)
    np.testing.assert_array_equal(cells.get_array(), [[0.4, 0.2], [0.0, 0.1]])
    assert cells.get_cmap() is PAPER_TO_MARKER and cells.get_clim() == (0, 0.4)
    assert {"a", "b", "c", "d", "attention   0", "0.40"} <= set(written(figure))


def test_an_effect_beyond_ten_nats_leaves_colour_to_the_others():
    shown = Alignment(["a", "b"], ["c"], effects=[[-112.0, 5.0]])
    assert "against ↔ for   −10.00" in written(shown.figure())
    (mesh,) = (it for it in shown.figure().axes[0].collections if isinstance(it, QuadMesh))
    assert mesh.norm.vmax == 10
    assert "Full colour begins at 10: some effects are larger." in shown.to_html()


def test_source_is_along_the_top_and_target_down_the_side():
    figure = Alignment(["a", "b"], ["c", "d"], [[0.9, 0.1], [0.2, 0.8]]).figure()
    places = {text.get_text(): text.get_position() for text in figure.axes[0].texts}
    assert places["a"][1] == places["b"][1] < places["c"][1] < places["d"][1]
    assert places["c"][0] == places["d"][0] < places["a"][0] < places["b"][0]
    # The first cell is the first of the first row, as the vertical axis points down.
    corners = mesh(figure).get_coordinates()
    assert corners[0, 0, 0] < places["a"][0] < corners[0, 1, 0]
    assert corners[0, 0, 1] < places["c"][1] < corners[1, 0, 1]


def test_long_labels_are_rotated():
    def turned(figure):
        return {text.get_rotation() for text in figure.axes[0].texts}

    assert turned(square(3).figure()) == {0}
    assert turned(square(3, "word {}").figure()) == {0, 45}


def test_very_long_tokens_are_cut():
    figure = Alignment(["Donaudampfschifffahrt" * 50], ["가" * 500], [[1.0]]).figure()
    source, target = written(figure)[:2]
    assert source.startswith("Donaudampf") and source.endswith("…") and len(source) < 40
    assert set(target) == {"가", "…"} and len(target) < 20
    assert inside(figure)


@pytest.mark.parametrize("size", [1, 2, 3, 10, 30, 60, 100])
def test_all_text_lies_within_the_figure(size):
    figure = square(size, "piece {}").figure()
    assert inside(figure)
    corners = mesh(figure).get_coordinates()
    cell = corners[0, 1, 0] - corners[0, 0, 0]
    assert MIN_CELL - 1e-9 <= cell <= MAX_CELL + 1e-9
    assert corners[1, 0, 1] - corners[0, 0, 1] == pytest.approx(cell)  # a square
    assert corners[0, -1, 0] < figure.get_size_inches()[0] * 72
    assert all(text.get_fontsize() >= 4.9 for text in figure.axes[0].texts)


@pytest.mark.parametrize(("down", "across"), [(1, 60), (60, 1), (2, 200)])
def test_one_side_may_be_longer(down, across):
    source, target = ["s"] * across, ["t"] * down
    assert inside(Alignment(source, target, np.ones((down, across))).figure())


def test_more_than_a_hundred_tokens_are_cropped_with_a_note():
    tokens = [f"w{i}" for i in range(1_240)]
    cropped = Alignment(tokens, tokens[:130], np.ones((130, 1_240)))
    figure = cropped.figure()
    assert mesh(figure).get_array().shape == (100, 100)
    note = "Drawn: the first 100 tokens. Left out: 1,140 of the source and 30 of the target."
    assert note in written(figure) and inside(figure)
    assert f"<li>{note}</li>" in cropped.to_html()
    assert len(cropped.to_dict()["weights"]) == 130

    narrow = Alignment(["a"], tokens[:101], np.ones((101, 1))).figure()
    assert "Drawn: the first 100 tokens. Left out: 1 of the target." in written(narrow)
    assert inside(narrow)
    assert not any("Left out" in text for text in written(square(100).figure()))


@pytest.mark.parametrize(
    ("source", "target", "weights"), [([], [], []), ([], ["a"], [[]]), (["a"], [], [])]
)
def test_no_tokens(source, target, weights):
    empty = Alignment(source, target, weights)
    assert written(empty.figure())[0] == "(no text)"
    assert "<table>" in empty.to_html()


def test_no_weight_at_all():
    figure = Alignment(["a", "b"], ["c"], [[0.0, 0.0]]).figure()
    assert mesh(figure).get_clim() == (0, 1)


def test_no_glyph_is_missing():
    tokens = ["정말", "漢字", "→", "Ωж", "·은", "␣", "🔥", "\U0010fffd", "a\x00b"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # matplotlib warns of a glyph that is missing
        Alignment(tokens, tokens, np.eye(len(tokens)))._repr_png_()


def test_text_is_drawn_literally_and_escaped(tmp_path):
    tokens = ["$x^2$", "<script>", "\\frac", "{0}"]
    explained = Alignment(tokens, tokens, np.eye(4), "<b>", "<i>")
    assert set(tokens) <= set(written(explained.figure()))
    explained.save(tmp_path / "map.png")
    page = explained.to_html()
    assert not {"<script>", "<b>", "<i>"} & set(page.split()) and "&lt;script&gt;" in page
    assert "<b>" not in page and "<i>" not in page and "<script" not in page


def test_the_page_is_a_table_with_headers():
    class Cells(HTMLParser):
        def __init__(self, page):
            super().__init__()
            self.tag, self.cells = None, []
            self.feed(page)

        def handle_starttag(self, tag, attributes):
            self.tag = (tag, dict(attributes).get("scope"))

        def handle_data(self, data):
            if self.tag in {("th", "col"), ("th", "row"), ("td", None), ("caption", None)}:
                self.cells.append((*self.tag, data.strip()))

    page = Alignment(["Guten", " Tag"], ["Good", " day"], [[0.9, 0.1], [0.2, 0.8]]).to_html()
    assert [cell for cell in Cells(page).cells if cell[2]] == [
        ("caption", None, "Guten Tag → Good day"),
        ("th", "col", "Guten"),
        ("th", "col", "Tag"),
        ("th", "row", "Good"),
        ("td", None, "0.90"),
        ("td", None, "0.10"),
        ("th", "row", "day"),
        ("td", None, "0.20"),
        ("td", None, "0.80"),
    ]
    assert "://" not in page  # no external resources


def test_settings_of_matplotlib_are_unchanged(tmp_path):
    before = dict(matplotlib.rcParams)
    alignment().save(tmp_path / "map.svg")
    assert dict(matplotlib.rcParams) == before


def test_notebooks_display_a_png():
    picture = imread(io.BytesIO(square(2)._repr_png_()))
    orange = (picture[..., 0] > 0.9) & (picture[..., 2] < 0.3)
    # Two full cells, and the end of the scale.
    assert 2 * (0.8 * MAX_CELL * 200 / 72) ** 2 < orange.sum() < 3 * (MAX_CELL * 200 / 72) ** 2


def test_a_page_imports_no_matplotlib():
    script = (
        "import sys; from zoo.explain import Alignment\n"
        "Alignment(['a'], ['b'], [[1.0]]).to_html()\n"
        "assert not {'matplotlib', 'numpy', 'keras'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], cwd=Path(zoo.__file__).parents[1], check=True)


@pytest.mark.parametrize("intent", [[], ["greet"]])
def test_a_tag_that_changes_with_another_word_of_the_same_name_is_said(intent):
    tags = [*intent, "the/DET", "dog/NOUN", "the/DET"]
    own, other = (Flip(0, "the", "PRON", len(intent) + row) for row in (0, 2))
    effects = np.zeros((len(tags), 3))
    shown = Alignment(["the", "dog", "the"], tags, effects=effects, flips=[own, other])
    assert shown.summary == ["Without “the”, “the/DET” turns into PRON."]


def test_what_was_copied_is_drawn_and_said(tmp_path):
    copied = [[0.9, 0.05], [0.1, 0.2], [0.0, 1.0]]
    shown = Alignment(["Bo", " left"], ["Bo", " is", "</s>"], WEIGHTS[:3, :2], copied=copied)
    assert shown.summary == [
        "Copied from the source: “Bo” (95%); written from the vocabulary: “is”."
    ]
    assert shown.to_dict()["copied"] == copied and "copied" not in alignment().to_dict()
    assert "copied   0" in written(shown.figure()) and shown.summary[0] in shown.to_html()
    greatest = [
        mesh.norm.vmax for mesh in shown.figure().axes[0].collections if isinstance(mesh, QuadMesh)
    ]
    assert greatest[1] == 1.0  # a share of all, however small the shares are
    with pytest.raises(ValueError, match="one row of copied"):
        Alignment(["a"], ["b"], [[1.0]], copied=[])
