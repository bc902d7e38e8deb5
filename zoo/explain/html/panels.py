"""A page with an image and, for each word of its caption, copies lit by weights and effects."""

from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

import numpy as np

from zoo.explain.html.colors import note_list
from zoo.explain.pixels import data_uri, shown, sized

if TYPE_CHECKING:
    from zoo.explain.caption_map import Panel

PAGE = """<!doctype html>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>
body {{ font: 15px/1.4 system-ui, "Noto Sans", "NanumGothic", sans-serif; color: #1d2330;
       background: #fff; max-width: 76em; margin: 1.5em auto; padding: 0 1em; }}
h1 {{ font-size: 1.2em; }} small {{ color: #666d80; font-size: .85em; }}
.notes {{ color: #666d80; font-size: .85em; list-style: none; padding: 0; }}
div {{ display: flex; flex-wrap: wrap; gap: 1em; align-items: start; }}
figure {{ margin: 0; max-width: {side}px; }} figcaption {{ overflow-wrap: anywhere; }}
small {{ float: right; }}
img {{ display: block; max-width: 100%; height: auto; border-radius: 4px; margin-bottom: 4px; }}
</style>
<h1>{caption}</h1>
<div>
<figure><figcaption>&nbsp;</figcaption><img src="{image}" alt="{caption}"></figure>
{words}
</div>
{notes}
"""


def page(image: np.ndarray, caption: str, panels: "Sequence[Panel]", notes: Sequence[str]) -> str:
    """The page of an image, followed by copies for each word.

    Args:
        image: `uint8`, `[height, width, 3]`.
        caption: The caption, written above.
        panels: The panel of each word.
        notes: Sentences to write under the panels.

    Returns:
        The HTML, with all text escaped.
    """
    side = 224
    return PAGE.format(
        title=escape(caption) or "Caption",
        caption=escape(caption),
        side=side,
        image=data_uri(sized(image, side)),
        words=word_figures(image, panels, side),
        notes=note_list(notes),
    )


def word_figures(image: np.ndarray, panels: "Sequence[Panel]", side: int) -> str:
    """An HTML figure for each word: copies of the image, with the word as label.

    Args:
        image: `uint8`, `[height, width, 3]`.
        panels: The panel of each word.
        side: int. The longer side of each picture, in pixels.

    Returns:
        The HTML, with each word's greatest value beside it and all text escaped.
    """
    image = sized(image, side)
    figures = []
    for panel in panels:
        word = escape(panel.word)
        pictures = "".join(
            f'<img src="{data_uri(shown(image, *one))}" alt="{word}">' for one in panel.grids
        )
        figures.append(
            f"<figure><figcaption>{word} <small>{panel.number}</small></figcaption>"
            f"{pictures}</figure>"
        )
    return "\n".join(figures)
