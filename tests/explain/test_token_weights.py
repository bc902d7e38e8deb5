"""TokenWeights: its values, its boxes, and its figures and pages."""

import io
import json

import matplotlib
import numpy as np
import pytest
from matplotlib.image import imread
from matplotlib.patches import FancyBboxPatch, Rectangle

from zoo.explain import TokenWeights
from zoo.explain.shaded_text import BAR, BAR_COLOR, MARGIN, WIDTH
from zoo.explain.text_boxes import TextBox, to_boxes, window

pytestmark = pytest.mark.once

KOREAN = ["정말", " 재미", "있", "어요", " ", "😂", "", "", "", " 👍🏻"]
WEIGHTS = [0.1, 0.4, 0.1, 0.1, 0.05, 0.05, 0.02, 0.02, 0.01, 0.15]


def shown(figure):
    return [text.get_text() for text in figure.axes[0].texts]


def bars(figure):
    color = matplotlib.colors.to_rgba(BAR_COLOR)
    patches = figure.axes[0].patches
    return [p for p in patches if isinstance(p, Rectangle) and p.get_facecolor() == color]


def test_boxes_join_to_the_text():
    boxes = to_boxes(KOREAN, [WEIGHTS], "".join(KOREAN))
    assert [box.text for box in boxes] == ["정말", "재미", "있", "어요", "", "😂", "👍🏻"]
    assert [box.gap for box in boxes] == [False, True, False, False, False, False, True]
    # The weights of the emoji's tokens are added up.
    assert boxes[5].weight == pytest.approx(0.05 + 0.02 + 0.02 + 0.01)
    assert sum(box.weight for box in boxes) == pytest.approx(sum(WEIGHTS))


def test_words_are_separated_by_gaps():
    boxes = TokenWeights(["not", "bad"], [0.75, 0.25]).boxes
    assert boxes == [TextBox("not", (0.75,), False), TextBox("bad", (0.25,), True)]


def test_tokens_may_be_the_beginning_of_a_longer_text():
    assert [box.gap for box in to_boxes(["un", "real"], [[1, 1]], "unreal film")] == [False] * 2


def test_a_text_that_goes_on_is_said_to():
    cut = TokenWeights(["not", " bad"], [0.8, 0.2], text="not bad at all", truncated=True)
    assert cut.notes[0] == "The text goes on, but the model reads no more of it."
    assert cut.to_dict()["truncated"] and "reads no more" in cut.to_html()
    whole = TokenWeights(["not", " bad"], [0.8, 0.2], text="not bad")
    assert "truncated" not in whole.to_dict() and cut.notes[1:] == whole.notes


def test_an_empty_first_token_is_kept():
    assert to_boxes(["", "a"], [[0.5, 0.5]], "a") == [
        TextBox("", (0.5,), False),
        TextBox("a", (0.5,), False),
    ]


def test_window_holds_the_most_weight():
    boxes = [TextBox("x", (weight,), True) for weight in (0, 0, 3, 0, 2, 2, 0)]
    assert window(boxes, 2) == (4, 6)
    assert window(boxes, 3) == (2, 5)  # 5 of 3 0 2, before 4 of 0 2 2
    assert window(boxes, 7) == (0, 7)
    assert window([TextBox("x", (0.0,), True)] * 5, 2) == (0, 2)


@pytest.mark.parametrize(
    "weights", [[0.7, 0.3], (0.7, 0.3), np.array([0.7, 0.3]), np.array([[0.7, 0.3]])]
)
def test_weights_of_one_head(weights):
    explained = TokenWeights(["a", "b"], weights)
    assert explained.weights == [0.7, 0.3]
    assert explained.heads == [[0.7, 0.3]]


def test_weights_of_heads():
    explained = TokenWeights(["a", "b"], np.array([[0.5, 0.5], [1.0, 0.0]], "float32"))
    assert explained.weights == explained.heads == [[0.5, 0.5], [1.0, 0.0]]
    assert [box.weight for box in explained.boxes] == [0.75, 0.25]


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([0.5], "2 tokens, 1 weights"),
        ([[0.5, 0.5], [1.0]], "2 tokens, 1 weights"),
        ([0.5, float("nan")], "weight=nan of token 'b'"),
        ([-0.5, 0.5], "weight=-0.5 of token 'a'"),
    ],
)
def test_wrong_weights_are_refused(weights, message):
    with pytest.raises(ValueError, match=message):
        TokenWeights(["a", "b"], weights)


def test_to_dict_is_json():
    explained = TokenWeights(["a"], np.array([1.0], "float32"), "positive", 0.9, "a")
    assert json.loads(json.dumps(explained.to_dict())) == {
        "tokens": ["a"],
        "weights": [1.0],
        "prediction": "positive",
        "probability": 0.9,
        "text": "a",
    }


@pytest.mark.parametrize("suffix", [".png", ".svg", ".pdf", ".html", ".PNG"])
def test_saving_in_every_format(tmp_path, suffix):
    explained = TokenWeights(KOREAN, WEIGHTS, "positive", 0.97, "".join(KOREAN))
    path = explained.save(tmp_path / "new" / f"map{suffix}")
    start = {".png": b"\x89PNG", ".svg": b"<?xml", ".pdf": b"%PDF", ".html": b"<!doctype html>"}
    content = path.read_bytes()
    assert content.startswith(start[suffix.lower()])
    assert [one.name for one in path.parent.iterdir()] == [path.name]
    explained.save(path)
    assert path.read_bytes() == content  # the same bytes again


def test_an_unknown_suffix_is_refused(tmp_path):
    with pytest.raises(
        ValueError, match=r"\.png, \.svg, \.pdf, \.html\. Received: path=.*map\.gif"
    ):
        TokenWeights(["a"], [1.0]).save(tmp_path / "map.gif")
    assert list(tmp_path.iterdir()) == []


def test_lengths_of_bars_are_the_weights():
    figure = TokenWeights(["a", "b", "c", "d"], [0.4, 0.2, 0.1, 0.0], "x", 0.5).figure()
    heights = [bar.get_height() for bar in bars(figure)]
    np.testing.assert_allclose(heights, [BAR, BAR / 2, BAR / 4, 0])
    assert {"x", "50.0%", "0.40", "a", "b", "c", "d"} <= set(shown(figure))


def test_shade_grows_with_weight():
    figure = TokenWeights(["a", "b", "c"], [0.1, 0.2, 0.4]).figure()
    boxes = [p for p in figure.axes[0].patches if isinstance(p, FancyBboxPatch)]
    blue = [box.get_facecolor()[2] for box in boxes]
    assert blue[0] > blue[1] > blue[2]


def test_each_head_has_a_row_of_cells():
    figure = TokenWeights(["a", "b"], [[0.5, 0.5], [1.0, 0.0], [0.2, 0.8]]).figure()
    assert {"1", "2", "3"} <= set(shown(figure))
    assert bars(figure) == []


def test_long_texts_wrap_inside_the_figure():
    words = ["word"] * 60 + ["x" * 500]
    figure = TokenWeights(words, [1.0] * 61).figure()
    boxes = [p for p in figure.axes[0].patches if isinstance(p, FancyBboxPatch)]
    assert all(box.get_x() >= MARGIN for box in boxes)
    assert all(box.get_x() + box.get_width() <= WIDTH - MARGIN for box in boxes)
    assert len({box.get_y() for box in boxes}) >= 8
    assert "".join(text for text in shown(figure) if set(text) == {"x"}) == "x" * 500
    assert len(bars(figure)) == 61


def test_lines_break_after_tokens_of_white_space():
    tokens = list("seven letters " * 12)
    boxes = [
        box
        for box in TokenWeights(tokens, [1.0] * len(tokens), text="".join(tokens))
        .figure()
        .axes[0]
        .texts
        if box.get_fontsize() == 14
    ]
    lines = {}
    for box in boxes:
        lines.setdefault(box.get_position()[1], []).append(box.get_text() or " ")
    assert len(lines) >= 4
    # Each line ends with a whole word, or with the blank after it.
    for line in lines.values():
        assert "".join(line).split()[-1] in ("seven", "letters")


def test_of_a_hundred_thousand_words_the_window_with_the_most_weight_is_drawn():
    weights = [0.0] * 100_000
    weights[50_000] = 1.0
    figure = TokenWeights(["a"] * 100_000, weights).figure()
    assert sum(bar.get_height() > 0 for bar in bars(figure)) == 1
    assert "Not drawn: 49,701 tokens before and 49,999 after." in shown(figure)
    assert figure.get_size_inches()[1] < 30


@pytest.mark.parametrize("weights", [[], [[], []]])
def test_no_tokens(weights):
    assert "(no text)" in shown(TokenWeights([], weights, "positive", 0.5, "").figure())


def test_no_weight_at_all():
    figure = TokenWeights(["a", "b"], [0.0, 0.0]).figure()
    assert [bar.get_height() for bar in bars(figure)] == [0, 0]


def test_text_is_drawn_literally_and_escaped(tmp_path):
    tokens = ["$x^2$", "<script>", "\\frac", "{0}"]
    explained = TokenWeights(tokens, [1, 1, 1, 1], "<b>")
    assert set(tokens) <= set(shown(explained.figure()))
    explained.save(tmp_path / "map.png")
    page = explained.to_html()
    assert "<script>" not in page and "&lt;script&gt;" in page and "<b>" not in page


def test_settings_of_matplotlib_are_unchanged(tmp_path):
    before = dict(matplotlib.rcParams)
    TokenWeights(KOREAN, WEIGHTS, "positive", 0.97).save(tmp_path / "map.svg")
    assert dict(matplotlib.rcParams) == before


def test_notebooks_display_a_png():
    picture = imread(io.BytesIO(TokenWeights(["good"], [1.0], "positive", 1.0)._repr_png_()))
    assert picture.shape[1] == int(WIDTH / 72 * 200)
    orange = (picture[..., 0] > 0.8) & (picture[..., 2] < 0.3)
    assert orange.sum() > 500  # the bar
