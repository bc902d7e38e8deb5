"""Shaded tokens, and shaded pairs of tokens, as pages of HTML that are complete in themselves."""

from collections.abc import Sequence
from html import escape

from zoo.explain.spans import Span

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


def page(spans: Sequence[Span], prediction: str | None, probability: float | None) -> str:
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
