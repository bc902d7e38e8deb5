"""Surprisal: its values, its figure and its page."""

import numpy as np
import pytest

from zoo.explain import Surprisal

pytestmark = pytest.mark.once

TOKENS, BITS = ["Two", " dogs", " sing", "."], [5.0, 3.0, 12.75, 0.25]


def test_summary_and_values():
    explained = Surprisal(TOKENS, np.array(BITS, "float32"))
    assert explained.text == "Two dogs sing."
    assert explained.title == "21.0 bits, 5.25 a token"
    assert explained.summary == [
        "Least expected: “sing” (12.8 bits), “Two” (5.0 bits), “dogs” (3.0 bits)."
    ]
    assert explained.to_dict() == {"tokens": TOKENS, "bits": BITS, "text": "Two dogs sing."}
    assert Surprisal(["a"], [1.0]).summary == []
    characters = Surprisal(list("a bad\nday "), [0, 1, 0, 3, 0, 2, 0, 0, 0, 0])
    assert characters.summary == [
        "Least expected: “a” in “bad” (3.0 bits), a line break (2.0 bits), a space (1.0 bits)."
    ]


@pytest.mark.parametrize("bits", [[1.0], [1.0, 2.0, 3.0, -1.0], [1.0, 2.0, 3.0, float("nan")]])
def test_wrong_values(bits):
    with pytest.raises(ValueError, match="Received"):
        Surprisal(TOKENS, bits)


def test_figure_and_page(tmp_path, small_figures):
    explained = Surprisal(TOKENS, BITS)
    written = [text.get_text() for text in explained.figure().axes[0].texts]
    assert {"Two", "sing", "21.0 bits, 5.25 a token"} <= set(written)
    assert any(text.startswith("surprisal, bits") for text in written)
    for suffix in (".png", ".html"):
        assert explained.save(tmp_path / f"map{suffix}").stat().st_size
    assert "Surprisal: -log2" in explained.to_html()
    assert Surprisal([], []).save(tmp_path / "none.png").stat().st_size
