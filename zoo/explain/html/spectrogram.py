"""A page with the drawing of a recording and a table of its words."""

import base64
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zoo.explain.spectrogram import Spectrogram

PAGE = """<!doctype html>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>
body {{ font: 15px/1.4 system-ui, "Noto Sans", "NanumGothic", sans-serif; color: #1d2330;
       background: #fff; max-width: 76em; margin: 1.5em auto; padding: 0 1em; }}
h1 {{ font-size: 1.2em; }} img {{ max-width: 100%; height: auto; }}
table {{ border-collapse: collapse; }} td, th {{ padding: .15em .9em .15em 0; text-align: left; }}
td + td {{ font-variant-numeric: tabular-nums; color: #666d80; }}
</style>
<h1>{text}</h1>
<img src="{image}" alt="Spectrogram of “{text}”">
<table><thead><tr><th>word</th><th>start</th><th>end</th></tr></thead>
<tbody>{rows}</tbody></table>
"""


def page(sound: "Spectrogram") -> str:
    """The page of a recording, with all text escaped."""
    rows = "".join(
        f"<tr><td>{escape(word)}</td><td>{start:.2f} s</td><td>{end:.2f} s</td></tr>"
        for word, start, end in sound.words
    )
    return PAGE.format(
        title=escape(sound.text) or "Recording",
        text=escape(sound.text) or "(nothing)",
        image=picture_uri(sound),
        rows=rows,
    )


def picture_uri(sound: "Spectrogram") -> str:
    """The drawing as a data URI."""
    return f"data:image/png;base64,{base64.b64encode(sound._repr_png_()).decode()}"
