import base64
import io
import json

import numpy as np
import PIL.Image
import pytest

from zoo.audio import wav_bytes
from zoo.explain import Recordings, Spectrogram
from zoo.explain import recordings as page_module
from zoo.explain.spectrogram import MAX_TOKENS

pytestmark = pytest.mark.once

EVIL = "<script>alert(1)</script>\"'&"


def sound(**changes):
    """One second of two words, with both alignments."""
    features = np.random.default_rng(0).normal(size=(100, 12))
    fields = {
        "features": features,
        "frame_seconds": 0.01,
        "frequencies": np.linspace(100, 3_500, 12),
        "tokens": list("on 2"),
        "spans": [(10, 20), (30, 32), (40, 41), (60, 80)],
        "weights": np.full((4, 25), 0.04),
        "weight_seconds": 0.04,
        "text": "on 2",
        "words": [("on", 0.1, 0.32), ("2", 0.6, 0.8)],
    }
    return Spectrogram(**(fields | changes))


def test_the_axes_are_seconds_and_hertz(small_figures):
    figure = sound().figure()
    upper, lower = figure.axes
    assert upper.get_xlim() == lower.get_xlim() == (0, 1.0)
    hertz = [label.get_text() for label in upper.get_yticklabels()]
    assert hertz == ["100 Hz", "200 Hz", "500 Hz", "1,000 Hz", "2,000 Hz"]
    assert lower.get_xlabel() == "seconds"
    texts = [text.get_text() for text in upper.texts]
    assert texts == ["on", "2"]
    assert [text.get_text() for text in lower.texts] == ["o", "n", "␣", "2"]
    bars = [(bar.get_x(), bar.get_width()) for bar in lower.patches]
    np.testing.assert_allclose(bars, [(0.1, 0.1), (0.3, 0.02), (0.4, 0.01), (0.6, 0.2)])
    image = lower.images[0]
    assert image.get_extent()[:2] == [0, 1.0] and image.get_array().shape == (4, 25)


@pytest.mark.parametrize(
    "changes",
    [
        {"weights": None, "weight_seconds": None},
        {"spans": None},
        {"spans": None, "weights": None},
        {"tokens": [], "spans": [], "weights": np.zeros((0, 25)), "words": [], "text": ""},
        {"tokens": ["한", "😀", "$x$", "\x00"]},
        {"features": np.zeros((1, 12)), "words": [], "spans": None},
        {"features": np.full((9_000, 12), -3.0)},
    ],
)
@pytest.mark.parametrize("suffix", ["png", "html"])
def test_every_form_can_be_saved(changes, suffix, tmp_path, small_figures):
    file = sound(**changes).save(tmp_path / f"it.{suffix}")
    assert file.stat().st_size > 1_000
    if suffix == "png":
        width, height = PIL.Image.open(file).size
        assert 50 < height < 250 and 100 < width < 400  # at 20 dots per inch


def test_long_transcripts_are_cut_with_a_note(small_figures):
    tokens = ["a"] * (MAX_TOKENS + 5)
    long = sound(tokens=tokens, spans=[(0, 1)] * len(tokens), weights=None)
    assert f"Drawn: the first {MAX_TOKENS} tokens of {len(tokens)}." in long.notes
    assert len(long.figure().axes[1].patches) == MAX_TOKENS


def test_values_for_json():
    fields = json.loads(json.dumps(sound().to_dict()))
    assert fields["words"] == [
        {"text": "on", "start": 0.1, "end": 0.32},
        {"text": "2", "start": 0.6, "end": 0.8},
    ]
    assert fields["spans"][0] == [0.1, 0.2] and fields["weight_seconds"] == 0.04
    assert "spans" not in sound(spans=None).to_dict()
    assert "weights" not in sound(weights=None).to_dict()


def test_the_page_escapes_its_texts(small_figures):
    html = sound(text=EVIL, words=[(EVIL, 0.1, 0.2)]).to_html()
    assert "<script" not in html and html.count("&lt;script&gt;") == 4


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"features": np.zeros((100, 11))}, r"shape \(100, 11\), 12 frequencies"),
        ({"features": np.zeros((0, 12))}, "Features must be"),
        ({"features": np.full((100, 12), np.nan)}, "Features must be finite"),
        ({"spans": [(0, 1)]}, "4 tokens, 1 spans"),
        ({"weights": np.zeros((3, 25))}, "4 tokens, 3 rows"),
        ({"weight_seconds": None}, "weight_seconds=None"),
    ],
)
def test_shapes_must_fit(changes, message):
    with pytest.raises(ValueError, match=message):
        sound(**changes)


# === The page of recordings ===

TONE = (0.5 * np.sin(np.arange(8_000) / 3), 8_000)


def saved(page, tmp_path):
    return page.save(tmp_path / "page.html").read_text()


def test_players_and_words(tmp_path, small_figures):
    page = Recordings("Digits", score_name="wrong words")
    page.add(
        TONE,
        "one two",
        words=[("one", 0.25, 0.5), ("two", 0.5, 1.0)],
        score=1,
        hypotheses=["one too"],
        references=["one"],
        explained=sound(),
        note="a.wav",
    )
    page.add(None, "", error=ValueError("no audio"), note="b.wav")
    html = saved(page, tmp_path)
    assert "2 recordings" in html and html.count("<audio") == 1
    encoded = html.partition("data:audio/wav;base64,")[2].partition('"')[0]
    import soundfile

    samples, rate = soundfile.read(io.BytesIO(base64.b64decode(encoded)))
    assert rate == 16_000 and len(samples) == 16_000
    assert 'data-start="0.250" data-end="0.500"' in html
    assert "left: 25.00%; width: 25.00%" in html
    assert html.count("data:image/png") == 1 and "no audio" in html
    assert "http" not in html  # one file without external resources


def test_texts_of_the_page_are_escaped(tmp_path):
    page = Recordings(EVIL)
    page.add(TONE, EVIL, words=[(EVIL, 0, 1)], references=[EVIL], hypotheses=[EVIL], note=EVIL)
    html = saved(page, tmp_path)
    assert "<script>alert" not in html and html.count("&lt;script&gt;alert") == 7


def test_the_page_is_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr(page_module, "PAGE_BYTES", 40_000)
    page = Recordings("Digits")
    for _ in range(3):
        page.add(wav_bytes(*TONE), "one", explained=None)
    html = saved(page, tmp_path)
    assert html.count("<audio") == 2 and html.count("the page is full") == 1
    monkeypatch.setattr(page_module, "MAX_SECONDS", 0.5)
    short = Recordings("Digits")
    short.add(TONE, "one", words=[("one", 0.5, 1.0)])
    assert "left: 50.00%; width: 50.00%" in saved(short, tmp_path)


def test_lists_must_be_lists():
    with pytest.raises(TypeError, match="Received: references='one'"):
        Recordings("Digits").add(None, "", references="one")
