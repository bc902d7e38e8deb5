"""A page with an image and, for each word of its caption, a copy lit by the word's weights."""

from collections.abc import Sequence
from html import escape

import numpy as np

from zoo.explain.pixels import data_uri, lit, sized

PAGE = """<!doctype html>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>
body {{ font: 15px/1.4 system-ui, "Noto Sans", "NanumGothic", sans-serif; color: #1d2330;
       background: #fff; max-width: 76em; margin: 1.5em auto; padding: 0 1em; }}
h1 {{ font-size: 1.2em; }} p, small {{ color: #7a8194; font-size: .85em; }}
div {{ display: flex; flex-wrap: wrap; gap: 1em; align-items: end; }}
figure {{ margin: 0; max-width: {side}px; }} figcaption {{ overflow-wrap: anywhere; }}
small {{ float: right; }}
img {{ display: block; max-width: 100%; height: auto; border-radius: 4px; }}
</style>
<h1>{caption}</h1>
<div>
<figure><img src="{image}" alt="{caption}"></figure>
{words}
</div>
{note}
"""


def page(
    image: np.ndarray, caption: str, words: Sequence[tuple[str, np.ndarray]], note: str
) -> str:
    """The page of an image, followed by a copy for each word, lit by the word's weights.

    Args:
        image: `uint8`, `[height, width, 3]`.
        caption: The caption, written above.
        words: Each word with its weights, `[rows, columns]`. Light is relative to the greatest.
        note: A note to write under the panels, or `""`.

    Returns:
        The HTML, with all text escaped.
    """
    side = 224
    return PAGE.format(
        title=escape(caption) or "Caption",
        caption=escape(caption),
        side=side,
        image=data_uri(sized(image, side)),
        words=lit_words(image, words, side),
        note=f"<p>{note}</p>" if note else "",
    )


def lit_words(image: np.ndarray, words: Sequence[tuple[str, np.ndarray]], side: int) -> str:
    """An HTML figure for each word: the image lit by the word's weights, with the word as label.

    Args:
        image: `uint8`, `[height, width, 3]`.
        words: Each word with its weights, `[rows, columns]`.
        side: int. The longer side of each figure, in pixels.

    Returns:
        The HTML, with each word's greatest weight beside it and all text escaped.
    """
    image = sized(image, side)
    return "\n".join(
        f"<figure><figcaption>{escape(word)} <small>{weights.max():.2g}</small></figcaption>"
        f'<img src="{data_uri(lit(image, weights))}" alt="{escape(word)}"></figure>'
        for word, weights in words
    )
