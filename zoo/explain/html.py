"""Shaded tokens, pairs of tokens, and pictures, as pages of HTML complete in themselves."""

from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

from zoo.explain.text_boxes import TextBox

if TYPE_CHECKING:
    import numpy as np

PAGE = """<!doctype html>
<meta charset="utf-8">
<title>{title}</title>
<style>
body {{ font: 16px/2.1 system-ui, "Noto Sans", "NanumGothic", sans-serif; color: #1d2330;
       background: #fff; max-width: 48em; margin: 1.5em auto; padding: 0 1em; }}
h1 {{ font-size: 1.2em; }} h1 small {{ color: #7a8194; font-weight: normal; }}
span {{ border-radius: .25em; padding: .15em .2em; }}
</style>
{heading}
<p>{tokens}</p>
"""


def page(spans: Sequence[TextBox], prediction: str | None, probability: float | None) -> str:
    """Writes the page. Pointing at a token tells its weight (of each head).

    Args:
        spans: The boxes.
        prediction: What the model answered, or `None`.
        probability: Its probability, or `None`.

    Returns:
        The HTML. All text in it is escaped.
    """
    most = max((span.weight for span in spans), default=0.0) or 1.0
    tokens = []
    for span in spans:
        weights = " ".join(f"{weight:.4f}" for weight in span.heads)
        tokens.append(
            f'{" " * span.gap}<span title="{weights}" style="background: '
            f'rgba(249, 167, 62, {span.weight / most:.3f})">{escape(span.text) or "&nbsp;"}</span>'
        )
    answer = escape(prediction or "")
    share = f" <small>{probability:.1%}</small>" if answer and probability is not None else ""
    return PAGE.format(
        title=answer or "Token weights",
        heading=f"<h1>{answer}{share}</h1>" if answer else "",
        tokens="".join(tokens),
    )


TABLE = """<!doctype html>
<meta charset="utf-8">
<title>{title}</title>
<style>
body {{ font: 14px/1.4 system-ui, "Noto Sans", "NanumGothic", sans-serif; color: #1d2330;
       background: #fff; margin: 1.5em; }}
table {{ border-collapse: separate; border-spacing: 1px; }}
caption {{ text-align: left; padding-bottom: .7em; }}
th {{ font-weight: normal; white-space: nowrap; }}
th[scope=col] {{ writing-mode: {writing}; vertical-align: bottom; padding: .3em 0; }}
th[scope=row] {{ text-align: right; padding: 0 .4em; position: sticky; left: 0;
               background: #fff; }}
td {{ font-size: 10px; text-align: center; min-width: 2.6em; height: 2.4em; }}
</style>
<table>
<caption>{caption}</caption>
<thead><tr><td></td>{columns}</tr></thead>
<tbody>
{rows}
</tbody>
</table>
{note}
"""


def table(
    source: Sequence[str],
    target: Sequence[str],
    weights: Sequence[Sequence[float]],
    note: str,
    text: str,
    translation: str,
) -> str:
    """Writes a table of weights, a column for each source token, a row for each target token.

    Args:
        source: The label of each column.
        target: The label of each row.
        weights: Weights, `[target, source]`.
        note: What to write underneath, or `""`.
        text: The whole source.
        translation: The whole target.

    Returns:
        The HTML. All text in it is escaped.
    """
    most = max((weight for row in weights for weight in row), default=0.0) or 1.0
    rows = []
    for label, row in zip(target, weights, strict=True):
        cells = "".join(
            f'<td style="background: rgba(249, 167, 62, {weight / most:.3f})">{weight:.2f}</td>'
            for weight in row
        )
        rows.append(f'<tr><th scope="row">{escape(label)}</th>{cells}</tr>')
    return TABLE.format(
        title=escape(translation) or "Alignment",
        writing="vertical-rl" if any(len(label) > 3 for label in source) else "horizontal-tb",
        caption=f"{escape(text)} → {escape(translation)}",
        columns="".join(f'<th scope="col">{escape(label)}</th>' for label in source),
        rows="\n".join(rows),
        note=f"<p>{note}</p>" if note else "",
    )


PANELS = """<!doctype html>
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
<figure><img src="{picture}" alt="{caption}"></figure>
{words}
</div>
{note}
"""


def panels(
    image: "np.ndarray", caption: str, words: Sequence[tuple[str, "np.ndarray"]], note: str
) -> str:
    """Writes a picture, and once more for each word, lit where the word's weight lies.

    Args:
        image: `uint8`, `[height, width, 3]`.
        caption: What to write above.
        words: Each word with its weights, `[rows, columns]`. Light is relative to its greatest.
        note: What to write underneath, or `""`.

    Returns:
        The HTML. All text in it is escaped.
    """
    from zoo.explain.pixels import data_uri, sized

    side = 224
    return PANELS.format(
        title=escape(caption) or "Caption",
        caption=escape(caption),
        side=side,
        picture=data_uri(sized(image, side)),
        words=lit_words(image, words, side),
        note=f"<p>{note}</p>" if note else "",
    )


def lit_words(image: "np.ndarray", words: Sequence[tuple[str, "np.ndarray"]], side: int) -> str:
    """A figure for each word: its label, and the picture lit by its weights.

    Args:
        image: `uint8`, `[height, width, 3]`.
        words: Each word with its weights, `[rows, columns]`.
        side: int. The longer side of each picture, in pixels.

    Returns:
        The HTML, with each word's greatest weight beside it. All text in it is escaped.
    """
    from zoo.explain.pixels import data_uri, lit, sized

    image = sized(image, side)
    return "\n".join(
        f"<figure><figcaption>{escape(word)} <small>{weights.max():.2g}</small></figcaption>"
        f'<img src="{data_uri(lit(image, weights))}" alt="{escape(word)}"></figure>'
        for word, weights in words
    )
