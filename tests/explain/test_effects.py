"""Effects with a sign: in texts, alignments, spans, and the sentences about them."""

import json

import numpy as np
import pytest
from matplotlib.collections import QuadMesh
from matplotlib.patches import FancyBboxPatch

from zoo.explain import Alignment, TokenWeights
from zoo.explain.drawing import AGAINST_TO_FOR, signed
from zoo.explain.effects import Flip, flip_notes
from zoo.explain.html.spans import page, to_html
from zoo.explain.spans import COLORS, color_of, segments

pytestmark = pytest.mark.once


def written(figure):
    return [text.get_text() for text in figure.axes[0].texts]


def text(**options):
    words = ["not", "bad", "film"]
    options = {"effects": [-0.4, 0.2, 0.0], "flips": [Flip(0, "not", "negative")], **options}
    return TokenWeights(words, [0.7, 0.2, 0.1], "positive", 0.9, **options)


def test_words_for_and_against_have_two_colours():
    figure = text().figure()
    boxes = [p for p in figure.axes[0].patches if isinstance(p, FancyBboxPatch)]
    against, mild, none = (box.get_facecolor() for box in boxes)
    assert against[0] > against[2] and mild[2] > mild[0]  # red, blue
    np.testing.assert_allclose(none, AGAINST_TO_FOR(0.5))
    assert [box.get_linewidth() > 0 for box in boxes] == [True, False, False]  # what flips
    texts = written(figure)
    assert {"−0.40", "+0.20", "+0.40", "0.70"} <= set(texts)
    assert "Without “not” the answer is negative." in texts
    assert any("Jain and Wallace" in one for one in texts)


def test_small_effects_have_no_full_colour():
    figure = text(effects=[0.01, 0.0, 0.0], flips=[]).figure()
    (first, *_) = [p for p in figure.axes[0].patches if isinstance(p, FancyBboxPatch)]
    np.testing.assert_allclose(first.get_facecolor(), AGAINST_TO_FOR(0.55))
    assert "+0.10" in written(figure)  # the scale


def test_effects_alone_have_no_bars():
    alone = TokenWeights(["not", "bad"], effects=[0.5, -0.1], method="gradient")
    assert not any("Jain" in one for one in written(alone.figure()))
    assert alone.to_dict().keys() >= {"effects", "method", "flips"}
    assert "weights" not in alone.to_dict()
    json.dumps(text().to_dict())
    page = text().to_html()
    assert 'class=flips title="effect -0.4000, attention 0.7000"' in page
    assert "<li>Without “not” the answer is negative.</li>" in page
    assert page.count("0 100% / 100.0% 3px no-repeat") == 1  # the bar of the greatest weight
    assert "A bar under a word is its attention" in page
    assert "A bar under a word" not in alone.to_html()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"effects": [1.0]}, "3 tokens, 1 effects"),
        ({"effects": [1.0, 2.0, float("nan")]}, "effect=nan of 'film'"),
    ],
)
def test_wrong_effects_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        text(**options)
    with pytest.raises(ValueError, match="weights or effects"):
        TokenWeights(["a"])
    with pytest.raises(ValueError, match="weights or effects"):
        Alignment(["a"], ["b"])


def test_sentences_about_flips():
    flips = [Flip(0, "a", "x"), Flip(1, " b", "x"), Flip(2, "c", "y")]
    assert flip_notes(flips) == [
        "Without one of “a”, “b” the answer is x.",
        "Without “c” the answer is y.",
    ]
    assert flip_notes([Flip(0, "a", "x", 1)], ["one", "two"]) == ["Without “a”, two turns into x."]
    many = [Flip(i, f"w{i}", f"a{i}") for i in range(8)]
    assert len(flip_notes(many)) == 7 and flip_notes(many)[-1].startswith("2 more answers")
    assert (signed(-0.25), signed(0.0), signed(3)) == ("−0.25", "0.00", "+3.00")


def tagging(**options):
    return Alignment(
        ["play", "jazz"],
        ["Play", "play/O", "jazz/B-genre"],
        [[0.5, 0.5]] * 3,
        effects=[[0.5, 0.1], [0.0, 0.0], [-0.2, 0.9]],
        flips=[Flip(0, "play", "Rate", 0), Flip(1, "jazz", "O", 2)],
        title="Play",
        spans=[("genre", 1, 2)],
        **options,
    )


def test_two_maps_side_by_side():
    figure = tagging().figure()
    left, right = (it for it in figure.axes[0].collections if isinstance(it, QuadMesh))
    np.testing.assert_array_equal(right.get_array(), tagging().effects)
    assert left.get_clim() == (0, 0.5) and right.get_clim() == (-0.9, 0.9)
    assert left.get_coordinates()[0, -1, 0] < right.get_coordinates()[0, 0, 0]
    texts = written(figure)
    assert texts[0] == "Play" and texts.count("jazz") == 2 and texts.count("jazz/B-genre") == 2
    # That a word's own tag changes without it is framed, but not said.
    assert tagging().summary == ["Without “play”, “Play” turns into Rate."]
    assert len(figure.axes[0].patches) >= 2
    box = figure.bbox
    for one in figure.axes[0].texts:
        extent = one.get_window_extent()
        assert extent.x0 >= 0 and extent.x1 <= box.x1 and extent.y1 <= box.y1


def test_page_of_an_alignment_has_spans_and_two_tables():
    content = tagging().to_html()
    assert content.count("<table>") == 2 and content.count("<h1>Play</h1>") == 1
    assert f'background: {COLORS[0]}; color: #1d2330">jazz <small>genre</small></mark>' in content
    assert content.count("td class=flips") == 2 and "://" not in content
    assert "-0.00" not in Alignment(["a"], ["b"], effects=[[-0.001]]).to_html()
    assert json.loads(json.dumps(tagging().to_dict()))["spans"] == [["genre", 1, 2]]


def test_spans_are_cut_out_in_order():
    words = ["book", "two", "seats", "in", "<b>"]
    spans = [("size", 1, 2), ("city", 4, 5)]
    assert list(segments(words, spans)) == [
        (None, "book"),
        ("size", "two"),
        (None, "seats in"),
        ("city", "<b>"),
    ]
    assert color_of("size", ["size", "city"]) != color_of("city", ["size", "city"])
    html = to_html(words, spans)
    assert "&lt;b&gt;" in html and "<b>" not in html
    assert "<dt>predicted</dt><dd><mark" in page(
        "T", [[("predicted", to_html(["a"], [("X", 0, 1)]))]]
    )
