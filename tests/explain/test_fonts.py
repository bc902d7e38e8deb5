"""Fonts: every character is drawn in a font that has it, or replaced by its name or number."""

import logging
import subprocess
import sys
import warnings
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

import zoo
from zoo.explain.fonts import drawable, families, name_ticks

pytestmark = pytest.mark.once


def drawn(text):
    figure = Figure(figsize=(2, 1), dpi=50)
    figure.text(0.1, 0.4, text, family=families(text), parse_math=False)
    canvas = FigureCanvasAgg(figure)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # matplotlib warns of a glyph that is missing
        canvas.draw()
    return np.asarray(canvas.buffer_rgba()).tobytes()


@pytest.mark.parametrize("text", ["정말", "ㅋㅋㅠ", "Café", "漢字かな", "→ ★ ♥", "😂", "Ωж"])
def test_no_glyph_is_missing(text):
    assert drawable(text) == text
    assert drawn(text) != drawn("\u3000" * len(text))
    assert len({drawn(character) for character in text if character != " "}) == len(
        set(text.replace(" ", ""))
    )


def test_korean_is_drawn_in_nanum_gothic():
    assert families("정말 😂")[:2] == ["NanumGothic", "DejaVu Sans"]


def test_names_of_rows_and_columns_are_drawn_in_every_script():
    figure = Figure()
    axes = figure.subplots()
    name_ticks(axes, ["좋음", "나쁨", "a🦭"], rotation=30, fontsize=8)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        FigureCanvasAgg(figure).draw()
    names = [label.get_text() for label in axes.get_yticklabels()]
    assert names == ["좋음", "나쁨", drawable("a🦭")]
    assert names == [label.get_text() for label in axes.get_xticklabels()]


def test_characters_that_no_font_has_are_replaced():
    # Private-use characters are in no font. A symbol has a name, others do not.
    assert drawable("a\U0010fffdb") == "aU+10FFFDb"
    for symbol, name in {"🔥": ":fire:", "🦭": ":seal:"}.items():
        assert drawable(symbol) in (symbol, name)


def test_joiners_and_controls_are_removed():
    assert drawable("a\u200db\x00c") == "abc"
    assert drawable("👍🏿") == drawable("👍")


def test_nothing_is_logged_and_no_setting_changes(caplog):
    before = dict(matplotlib.rcParams)
    with caplog.at_level(logging.WARNING):
        drawn(drawable("정말 재미 🔥 \U0010fffd"))
    assert caplog.records == []
    assert dict(matplotlib.rcParams) == before


def test_koreanize_matplotlib_is_not_imported():
    script = (
        "import sys; from zoo.explain.fonts import families; families('정말')\n"
        "assert 'koreanize_matplotlib' not in sys.modules\n"
        "assert 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", script], cwd=Path(zoo.__file__).parents[1], check=True)


def test_html_of_token_weights_imports_no_matplotlib():
    script = (
        "import sys; from zoo.explain import TokenWeights; TokenWeights(['a'], [1.0]).to_html()\n"
        "assert not {'matplotlib', 'numpy', 'keras'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], cwd=Path(zoo.__file__).parents[1], check=True)
